"""Which keys survive at the limit: sampling is good, not perfect, as measured on real servers."""

from __future__ import annotations

import random

import pytest

from sim.redis.keys.eviction import FrequencyClock
from tests.support.redis_simulated import Clock, simulated_redis

TOKENS = 25_000
LIMIT = "6mb"


def insert_tokens(*, policy: str, samples: int) -> tuple[set[int], float]:
    """Tokens inserted over 500 seconds that survive, and their overlap with the newest ones."""
    clock = Clock()
    client = simulated_redis(
        clock, maxmemory=LIMIT, maxmemory_policy=policy, maxmemory_samples=samples
    ).client()
    for number in range(TOKENS):
        clock.now_s += 500 / TOKENS
        client.set(f"token:{number:054d}", "v" * 230)
    alive = {int(key.partition(b":")[2]) for key in client.scan_iter(count=1000)}
    newest = set(range(TOKENS - len(alive), TOKENS))
    return alive, len(alive & newest) / len(alive)


@pytest.mark.parametrize(("samples", "measured"), [(5, 0.91), (10, 0.95)])
def test_the_overlap_with_the_newest_is_as_measured_under_lru(samples, measured):
    alive, overlap = insert_tokens(policy="allkeys-lru", samples=samples)
    assert 0.4 * TOKENS < len(alive) < 0.7 * TOKENS
    assert overlap == pytest.approx(measured, abs=0.035)


def test_random_eviction_does_not_prefer_the_old():
    alive, overlap = insert_tokens(policy="allkeys-random", samples=5)
    assert overlap < 0.75
    assert any(number < TOKENS // 10 for number in alive)


def test_often_used_keys_survive_under_lfu():
    clock = Clock()
    client = simulated_redis(clock, maxmemory="2mb", maxmemory_policy="allkeys-lfu").client()
    for _ in range(50):
        for name in range(20):
            client.setnx(f"hot:{name}", "v" * 100)
            client.get(f"hot:{name}")
    for number in range(5_000):
        client.set(f"cold:{number}", "v" * 200)
    assert sum(client.exists(f"hot:{name}") for name in range(20)) == 20
    assert client.info("stats")["evicted_keys"] > 1_000


def test_the_frequency_counter_grows_logarithmically_and_decays():
    clock = FrequencyClock(random.Random(1), log_factor=10, decay_minutes=1)
    access = clock.fresh()
    counts = []
    for uses in range(1, 100_001):
        access = clock.touched(access)
        if uses in {100, 1_000, 100_000}:
            counts.append(clock.count(access))
    # redis.conf gives 10, 18 and 142 for 100, 1,000 and 100,000 hits at log factor 10.
    assert counts == [
        pytest.approx(10, abs=4),
        pytest.approx(18, abs=5),
        pytest.approx(142, abs=15),
    ]
    clock.minute += 30
    assert clock.count(access) == counts[-1] - 30
