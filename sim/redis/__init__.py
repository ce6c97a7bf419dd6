"""A Redis server on simulated time: fakeredis with the memory and failures of the real one.

Start reading at `sim.redis.engine`; `sim.redis.server` adds the clients. `commands` runs a command
and knows its cost, `keys` holds the data with expiry and eviction, `memory` counts bytes.
`sim.redis.settings` can be imported without fakeredis.
"""
