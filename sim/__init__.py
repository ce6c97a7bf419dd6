"""The world: simulated time, machines, queues, memory, customers, faults and measurement.

Start reading at `sim.run`.
"""
