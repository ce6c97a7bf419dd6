"""A flash sale: one item, little stock, many buyers in the same second.

It follows a design that many public tutorials and small services share ("seckill", lightning
sale): the stock is a counter in Redis that is decremented before anything is written; a queue
takes the orders to a process that writes them to SQL; buyers ask again until their order is there;
a provider is asked for the money; a scheduled task closes what nobody paid in time and returns the
stock. A Redis list stands where such services have Kafka or RabbitMQ. The code is written for this
example. Start reading at `web`.
"""
