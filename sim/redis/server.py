"""The simulated Redis server, as the rest of the simulator uses it.

server = RedisServer(clock, rng, settings)
client = server.client(before_command=take_my_turn)     # a redis.Redis
client.zadd("queue", {uuid: now_ms})
"""

from __future__ import annotations

from sim.redis.client import BeforeCommand, DirectRedis
from sim.redis.engine import RedisEngine


class RedisServer(RedisEngine):
    """A server that makes its own clients."""

    def client(
        self, before_command: BeforeCommand | None = None, *, decode_responses: bool = False
    ) -> DirectRedis:
        """A redis.Redis whose commands run here.

        `before_command(name, cost_ns)` is called first; other clients' commands may run inside it.
        """
        return DirectRedis(self, before_command, decode_responses=decode_responses)
