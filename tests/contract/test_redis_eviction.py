"""At the memory limit the simulated server does what the real one does.

The first tests are the cases of Redis's own suite (tests/unit/maxmemory.tcl), played on both.
"""

from __future__ import annotations

import random
import time
from itertools import pairwise
from typing import Any

import pytest
import redis

from sim.redis.settings import POLICIES
from tests.support.redis_real import real_redis
from tests.support.redis_simulated import DEBIAN, Clock, send, simulated_redis, used_memory

pytestmark = pytest.mark.redis_server

EVICTING = [policy for policy in POLICIES if policy != "noeviction"]
VOLATILE = [policy for policy in POLICIES if policy.startswith("volatile-")]
ROOM = 200 * 1024
SLACK = 4096


@pytest.fixture(scope="module")
def real():
    with real_redis() as client:
        yield client


@pytest.fixture
def servers(real):
    """The real server, emptied, and a new simulated one, by name."""
    real.config_set("maxmemory", 0)
    real.config_set("maxmemory-policy", "noeviction")
    real.flushall()
    return {"real": real, "simulated": simulated_redis(Clock(time.time()), **DEBIAN).client()}


def on_both(servers: dict[str, redis.Redis], scenario: Any, *args: Any) -> tuple[Any, Any]:
    return scenario(servers["real"], *args), scenario(servers["simulated"], *args)


def limit(client: redis.Redis, policy: str) -> int:
    limit_bytes = used_memory(client) + ROOM
    client.config_set("maxmemory", limit_bytes)
    client.config_set("maxmemory-policy", policy)
    return limit_bytes


def write(client: redis.Redis, name: str, *, ttl: bool) -> bool:
    """Whether the server took it."""
    try:
        client.set(name, "x", ex=10_000 if ttl else None)
    except redis.OutOfMemoryError:
        return False
    return True


def usage_is_limited(client: redis.Redis, policy: str) -> bool:
    rng = random.Random(1)
    limit_bytes = limit(client, policy)
    written = 0
    while used_memory(client) + SLACK < limit_bytes:
        for _ in range(10):
            written += write(client, f"key:{rng.randrange(10**12)}", ttl=True)
    for _ in range(written):
        write(client, f"key:{rng.randrange(10**12)}", ttl=True)
    return used_memory(client) < limit_bytes + SLACK


@pytest.mark.parametrize("policy", EVICTING)
def test_memory_usage_is_limited(servers, policy):
    assert on_both(servers, usage_is_limited, policy) == (True, True)


def persistent_keys_go(client: redis.Redis, policy: str) -> tuple[bool, bool]:
    """With only persistent keys: whether writes are refused, and whether memory stays limited."""
    rng = random.Random(1)
    limit_bytes = limit(client, policy)
    written = 0
    while used_memory(client) + SLACK < limit_bytes:
        for _ in range(10):
            written += write(client, f"key:{rng.randrange(10**12)}", ttl=False)
    refused = sum(
        not write(client, f"key:{rng.randrange(10**12)}", ttl=False) for _ in range(written)
    )
    return refused > 0, used_memory(client) < limit_bytes + SLACK


@pytest.mark.parametrize("policy", POLICIES)
def test_only_allkeys_policies_remove_persistent_keys(servers, policy):
    refuses = not policy.startswith("allkeys-")
    assert on_both(servers, persistent_keys_go, policy) == ((refuses, True), (refuses, True))


def persistent_keys_stay(client: redis.Redis, policy: str) -> tuple[bool, bool]:
    """With every other key persistent: whether any of those went, and whether any other did."""
    limit_bytes = limit(client, policy)
    written = 0
    while used_memory(client) + SLACK < limit_bytes:
        for _ in range(10):
            written += 1
            client.set(f"key:{written}", "x", ex=10_000 if written % 2 else None)
    for number in range(written // 2):
        write(client, f"foo:{number}", ttl=True)
    alive = [client.exists(f"key:{number}") for number in range(1, written + 1)]
    return all(alive[1::2]), all(alive[::2])


@pytest.mark.parametrize("policy", VOLATILE)
def test_volatile_policies_remove_only_keys_with_an_expiry(servers, policy):
    assert on_both(servers, persistent_keys_stay, policy) == ((True, False), (True, False))


def shared_integers(client: redis.Redis, policy: str, maxmemory: str) -> bool:
    client.config_set("maxmemory", maxmemory)
    client.config_set("maxmemory-policy", policy)
    client.set("a", 1)
    return client.object("refcount", "a") > 1


@pytest.mark.parametrize(
    ("policy", "maxmemory", "shared"),
    [("allkeys-lru", "0", True), ("allkeys-random", "1gb", True), ("allkeys-lru", "1gb", False)],
)
def test_small_integers_are_shared_unless_eviction_needs_their_clocks(
    servers, policy, maxmemory, shared
):
    assert on_both(servers, shared_integers, policy, maxmemory) == (shared, shared)


def new_key(client: redis.Redis, policy: str, what: str) -> int:
    client.config_set("maxmemory-policy", policy)
    client.delete("foo")
    client.set("foo", "a")
    return client.object(what, "foo")


def test_a_new_key_is_not_idle_and_starts_with_frequency_five(servers):
    assert on_both(servers, new_key, "allkeys-lru", "idletime") == (0, 0)
    assert on_both(servers, new_key, "allkeys-lfu", "freq") == (5, 5)


REFUSED = [
    ("SET", "s", "v"),
    ("INCR", "n"),
    ("ZADD", "z", 2, "b"),
    ("SETNX", "new", 1),
    ("HSET", "h", "f", "v"),
    ("COPY", "s", "t"),
]
ALLOWED = [
    ("GET", "s"),
    ("ZSCORE", "z", "a"),
    ("EXPIRE", "s", 100),
    ("ZREMRANGEBYRANK", "z", 5, 9),
    ("ZPOPMIN", "z"),
    ("DEL", "s"),
    ("EXISTS", "s"),
]


def at_the_limit(client: redis.Redis) -> list[Any]:
    send(client, [("SET", "s", "v"), ("SET", "n", 1), ("ZADD", "z", 1, "a")])
    client.config_set("maxmemory", "800kb")
    replies = send(client, REFUSED + ALLOWED)
    with client.pipeline() as pipe:
        pipe.get("s")
        pipe.set("s", "v")
        try:
            pipe.execute()
        except redis.RedisError as error:
            replies.append(error)
    return [(type(r), str(r)) if isinstance(r, Exception) else r for r in replies]


def test_a_full_server_without_eviction_refuses_what_needs_memory(servers):
    real, simulated = on_both(servers, at_the_limit)
    assert simulated == real
    assert [reply[0] for reply in real[: len(REFUSED)]] == [redis.OutOfMemoryError] * len(REFUSED)


def grow_two_sets(client: redis.Redis, clock: Clock | None) -> list[tuple[int, int]]:
    """Members of both queues after each step, while people keep coming."""
    limit_mb, per_step, steps = 6, 600, 80
    client.config_set("maxmemory", f"{limit_mb}mb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    number, sizes = 0, []
    for _ in range(steps):
        commands = []
        for i in range(per_step):
            number += 1
            name = "passed" if i % 4 == 0 else "waiting"
            commands.append(("ZADD", name, 1.7e12 + number, f"{number:036d}"))
        send(client, commands)
        sizes.append((client.zcard("passed"), client.zcard("waiting")))
        if clock is not None:
            clock.now_s += 0.05
    return sizes


def vanishings(sizes: list[tuple[int, int]]) -> list[tuple[bool, bool]]:
    """For each step in which a set lost members: whether the first and whether the second did."""
    losses = [(after[0] < before[0], after[1] < before[1]) for before, after in pairwise(sizes)]
    return [loss for loss in losses if any(loss)]


def test_whole_sets_vanish_usually_one_at_a_time(servers):
    clock = Clock()
    simulated = simulated_redis(clock, **DEBIAN).client()
    seen = {
        "real": grow_two_sets(servers["real"], None),
        "simulated": grow_two_sets(simulated, clock),
    }
    counts = {}
    for name, sizes in seen.items():
        gone = vanishings(sizes)
        counts[name] = len(gone)
        assert gone, name
        for before, after in pairwise(sizes):
            for old, new in zip(before, after, strict=True):
                assert new > old or new < 600, f"{name}: part of a set went: {old} to {new}"
        assert sum(all(loss) for loss in gone) <= len(gone) / 2, name
    assert abs(counts["real"] - counts["simulated"]) <= max(1, counts["real"] // 2)


def locks_and_a_queue(client: redis.Redis, policy: str) -> tuple[int, bool]:
    """Locks left, and whether the queue's growth was refused in the end."""
    client.config_set("maxmemory", "3mb")
    client.config_set("maxmemory-policy", policy)
    for seat in range(60):
        client.set(f"lock:seatId:{seat}", "1", ex=3600)
    replies = send(client, [("ZADD", "queue", i, f"{i:036d}") for i in range(20_000)])
    left = sum(client.exists(f"lock:seatId:{seat}") for seat in range(60))
    return left, any(isinstance(reply, redis.OutOfMemoryError) for reply in replies)


@pytest.mark.parametrize("policy", VOLATILE)
def test_volatile_policies_lose_the_locks_and_then_refuse_writes(servers, policy):
    assert on_both(servers, locks_and_a_queue, policy) == ((0, True), (0, True))


def frequency_after_a_change_of_policy(client: redis.Redis) -> int:
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.set("foo", "a")
    client.config_set("maxmemory-policy", "allkeys-lfu")
    return client.object("freq", "foo") <= 1


def test_the_lru_clock_is_misread_as_a_frequency_after_a_change_of_policy(servers):
    assert on_both(servers, frequency_after_a_change_of_policy) == (True, True)


def survivors_by_ttl(client: redis.Redis, samples: int, now_ms: int) -> float:
    """Of the keys that survive, the share that is among those that would live longest."""
    tokens = 12_000
    client.config_set("maxmemory", "4mb")
    client.config_set("maxmemory-policy", "volatile-ttl")
    client.config_set("maxmemory-samples", samples)
    expiry = [now_ms + 10**7 + 20 * number for number in range(tokens)]
    random.Random(1).shuffle(expiry)
    names = [f"token:{number:054d}" for number in range(tokens)]
    send(
        client,
        [("SET", name, "v" * 230, "PXAT", at) for name, at in zip(names, expiry, strict=True)],
        at_once=100,
    )
    lives = dict(zip(names, expiry, strict=True))
    alive = {key.decode() for key in client.scan_iter(count=1000)}
    longest = set(sorted(names, key=lives.__getitem__)[-len(alive) :])
    return len(alive & longest) / len(alive)


@pytest.mark.parametrize("samples", [3, 10])
def test_sampling_finds_the_right_victims_as_often(servers, samples):
    real, simulated = on_both(servers, survivors_by_ttl, samples, int(time.time() * 1000))
    assert simulated == pytest.approx(real, abs=0.05)
    assert 0.5 < real < 1
