"""A Redis server on simulated time: fakeredis with the memory and failures of the real one.

Start reading at `sim.redis.engine`; `sim.redis.server` adds the clients. `sim.redis.settings` can
be imported without fakeredis.
"""
