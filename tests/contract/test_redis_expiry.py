"""Expired keys disappear in the background as fast as on the real server."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

import pytest
import redis

from tests.support.redis_real import real_redis
from tests.support.redis_simulated import DEBIAN, Clock, send, simulated_redis

pytestmark = pytest.mark.redis_server

KEYS = 10_000
SPREAD_MS = 2_000
LOOKS_S = [0.3 + 0.1 * n for n in range(17)]
ALL_GONE_S = 3.5
ROUNDS = 2


def keys_with_ttl(now_ms: int, seed: int) -> list[tuple]:
    """Keys that expire evenly over the two seconds that follow."""
    rng = random.Random(seed)
    return [
        ("SET", f"key:{i}", "v", "PXAT", now_ms + rng.randrange(200, SPREAD_MS))
        for i in range(KEYS)
    ]


def stale_keys(
    client: redis.Redis, clock: Callable[[], float], wait_until: Callable[[float], None]
) -> list[int]:
    """Expired keys that are still there, at each look; DBSIZE itself looks at no key."""
    stale = []
    for seed in range(ROUNDS):
        client.flushall()
        start_s = clock()
        commands = keys_with_ttl(int(start_s * 1000), seed)
        send(client, commands)
        for look_s in LOOKS_S:
            wait_until(start_s + look_s)
            now_ms = clock() * 1000
            stale.append(client.dbsize() - sum(command[4] >= now_ms for command in commands))
        wait_until(start_s + ALL_GONE_S)
    return stale


def sleep_until(time_s: float) -> None:
    time.sleep(max(0.0, time_s - time.time()))


def test_as_many_expired_keys_are_still_present_on_average():
    with real_redis() as client:
        real = stale_keys(client, time.time, sleep_until)
        real_expired = client.info("stats")["expired_keys"]
    clock = Clock()
    client = simulated_redis(clock, **DEBIAN).client()

    def set_clock(time_s: float) -> None:
        clock.now_s = time_s

    simulated = stale_keys(client, clock, set_clock)
    # How many are left at one moment is a matter of luck, on the real server too.
    assert statistics.mean(simulated) == pytest.approx(statistics.mean(real), abs=0.06 * KEYS)
    assert statistics.mean(real) > 0.02 * KEYS
    expired = client.info("stats")["expired_keys"]
    assert expired == real_expired == ROUNDS * KEYS
