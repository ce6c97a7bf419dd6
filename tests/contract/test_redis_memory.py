"""The simulated server uses as many bytes as the real one."""

from __future__ import annotations

import random
import statistics
import time

import pytest
import redis

from tests.support.redis_real import real_redis
from tests.support.redis_simulated import DEBIAN, Clock, send, simulated_redis, used_memory

pytestmark = pytest.mark.redis_server

MEGABYTE = 1024 * 1024


def uuid_like(number: int) -> str:
    return f"{number:036d}"


def queue(rng: random.Random, count: int) -> list[tuple]:
    """A waiting queue as the service keeps it: members of 36 characters, scores in ms."""
    number = rng.randrange(10**9)
    return [("ZADD", f"queue:{number}", 1.7e12 + i, uuid_like(number + i)) for i in range(count)]


def tokens(rng: random.Random, count: int) -> list[tuple]:
    """Tokens kept as strings, most with an expiry."""
    return [
        ("SET", f"token:{rng.randrange(10**12):054d}", "v" * rng.randrange(150, 400))
        + (("EX", 3600) if rng.random() < 0.7 else ())
        for _ in range(count)
    ]


def locks(rng: random.Random, count: int) -> list[tuple]:
    return [
        ("SET", f"lock:seatId:{rng.randrange(10**6)}", rng.randrange(20_000)) for _ in range(count)
    ]


def leavers(rng: random.Random, members: list[tuple]) -> list[tuple]:
    """Some of those who joined leave again."""
    return [("ZREM", c[1], c[3]) for c in rng.sample(members, len(members) // 3)]


def many_small_queues(rng: random.Random, count: int) -> list[tuple]:
    return [c for _ in range(count // 60) for c in queue(rng, rng.randrange(5, 120))]


def profiles(rng: random.Random, count: int) -> list[tuple]:
    return [
        ("HSET", f"user:{rng.randrange(10**7)}", "name", "n" * rng.randrange(5, 30), "age", i % 90)
        for i in range(count)
    ]


def traffic(seed: int) -> list[list[tuple]]:
    """Stages of one server's life; used_memory is compared after each."""
    rng = random.Random(seed)
    joined = queue(rng, rng.randrange(4_000, 20_000))
    return [
        joined,
        tokens(rng, rng.randrange(2_000, 6_000)),
        leavers(rng, joined),
        locks(rng, 4_000),
        many_small_queues(rng, 8_000),
        queue(rng, rng.randrange(9_000, 18_000)),
        profiles(rng, 3_000),
    ]


def test_used_memory_is_the_real_servers():
    errors = []
    for seed in range(3):
        clock = Clock(time.time())
        simulated = simulated_redis(clock, **DEBIAN).client()
        with real_redis() as real:
            for stage in traffic(seed):
                for client in (real, simulated):
                    send(client, stage)
                clock.now_s = time.time()
                expected = used_memory(real)
                if expected > MEGABYTE:
                    errors.append(abs(used_memory(simulated) / expected - 1))
    assert len(errors) == 21
    assert statistics.mean(errors) < 0.03
    assert max(errors) < 0.07


KEYS = {
    "a small queue": queue(random.Random(1), 100),
    "a queue": queue(random.Random(1), 5_000),
    "a large queue": queue(random.Random(1), 33_000),
    "a string": [("SET", "k", "v" * 300)],
    "a string with a TTL": [("SET", "k", "v" * 300, "EX", 100)],
    "a shared integer": [("SET", "k", 12)],
    "a short string": [("SET", "k", "short")],
    "a hash": [("HSET", "k", f"f{i}", "v" * 20) for i in range(2_000)],
    "a set of integers": [("SADD", "k", i) for i in range(400)],
    "a list": [("RPUSH", "k", "v" * 20) for _ in range(3_000)],
}


@pytest.mark.parametrize("setup", KEYS.values(), ids=KEYS)
def test_memory_usage_and_encoding_of_a_key(setup):
    key = setup[0][1]
    clock = Clock(time.time())
    simulated = simulated_redis(clock, **DEBIAN).client()
    with real_redis() as real:
        for client in (real, simulated):
            send(client, setup)
        assert simulated.object("encoding", key) == real.object("encoding", key)
        expected = real.memory_usage(key, samples=0)
        assert simulated.memory_usage(key, samples=0) == pytest.approx(expected, rel=0.08)


def fill(client: redis.Redis) -> int:
    """How many members a set takes until the server refuses."""
    joined = 0
    while True:
        replies = send(
            client,
            [("ZADD", "queue", 1.7e12 + joined + i, uuid_like(joined + i)) for i in range(500)],
            at_once=500,
        )
        refused = [isinstance(reply, redis.OutOfMemoryError) for reply in replies]
        joined += refused.count(False)
        if any(refused):
            return joined


@pytest.mark.parametrize("limit_mb", [5, 20, pytest.param(50, marks=pytest.mark.slow)])
def test_a_full_server_holds_as_many_members(limit_mb):
    with real_redis("--maxmemory", f"{limit_mb}mb") as real:
        expected = fill(real)
    simulated = simulated_redis(Clock(), maxmemory=f"{limit_mb}mb", **DEBIAN).client()
    assert fill(simulated) == pytest.approx(expected, rel=0.03)
