"""A simulated Redis server beside a clock that a test moves."""

from __future__ import annotations

import random
from typing import Any

import redis

from sim.redis.server import RedisServer
from sim.redis.settings import RedisSettings

DEBIAN: dict[str, Any] = {"allocator": "debian", "version": "7.0.15", "save": ""}
"""What redis-server of Debian 12 is; it saves nothing."""


class Clock:
    """Epoch seconds, set by hand."""

    def __init__(self, now_s: float = 1_700_000_000.0):
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def simulated_redis(clock: Clock, *, seed: int = 1, **settings: Any) -> RedisServer:
    """A server with these settings."""
    return RedisServer(clock, random.Random(seed), RedisSettings(**settings))


def send(client: redis.Redis, commands: list[tuple[Any, ...]], *, at_once: int = 1000) -> list[Any]:
    """The replies to `commands`, errors included, sent `at_once` at a time."""
    replies: list[Any] = []
    for start in range(0, len(commands), at_once):
        with client.pipeline(transaction=False) as pipe:
            for command in commands[start : start + at_once]:
                pipe.execute_command(*command)
            replies += pipe.execute(raise_on_error=False)
    return replies


def used_memory(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])
