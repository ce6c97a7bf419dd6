"""A Redis server on simulated time: fakeredis with the memory and failures of the real one.

Start reading at `sim.redis.server`; `sim.redis.settings` can be imported without fakeredis.
"""
