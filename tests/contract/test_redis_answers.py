"""The simulated server answers as the real one does, also when keys expire."""

from __future__ import annotations

import time

import pytest
import redis

from tests.support.redis_commands import Command, RandomCommands
from tests.support.redis_real import real_redis
from tests.support.redis_simulated import DEBIAN, Clock, simulated_redis

pytestmark = pytest.mark.redis_server

BATCH = 1000
STEP_S = 0.2
LATE_S = 0.03
"""Expiries are half a step after batches; a batch that would come later than this waits a step."""
ROUNDED_MS = 2
"""The real server's clock is read once per command, in whole milliseconds."""


def run(client: redis.Redis, commands: list[Command]) -> tuple[float, float, list[object]]:
    """The server's time, how many milliseconds it took, and the replies, in one transaction.

    Errors as (class, message).
    """
    with client.pipeline() as pipe:
        pipe.time()
        for command in commands:
            pipe.execute_command(*command)
        pipe.time()
        began, *replies, ended = pipe.execute(raise_on_error=False)
    began_s, ended_s = (seconds + microseconds * 1e-6 for seconds, microseconds in (began, ended))
    return (
        began_s,
        1e3 * (ended_s - began_s),
        [(type(reply), str(reply)) if isinstance(reply, Exception) else reply for reply in replies],
    )


def same(command: Command, real: object, simulated: object, took_ms: float) -> bool:
    """Whether replies are the same; a batch takes `took_ms` there, in the simulation nothing.

    The time to live may have been set late in an earlier batch: the longest one counts.
    """
    if command[0] in {"TTL", "PTTL"} and isinstance(real, int) and isinstance(simulated, int):
        tolerated = took_ms + ROUNDED_MS if command[0] == "PTTL" else 1
        return abs(real - simulated) <= tolerated and (real < 0) == (simulated < 0)
    return real == simulated


def sleep_to_next_step(start_s: float) -> None:
    """Until whole steps have passed; again if a busy machine wakes us too late for that."""
    while True:
        time.sleep(STEP_S - (time.monotonic() - start_s) % STEP_S)
        if (time.monotonic() - start_s) % STEP_S < LATE_S:
            return


def compare(n_commands: int, seed: int) -> None:
    """Both servers get the same commands; expiries fall between batches, never inside one."""
    commands = RandomCommands(seed, ttl_step_ms=int(STEP_S * 1000), ttl_offset_ms=100)
    clock = Clock()
    with real_redis() as real:
        clock.now_s = time.time()
        simulated = simulated_redis(clock, **DEBIAN).client()
        start_s = time.monotonic()
        longest_ms = 0.0
        for number in range(n_commands // BATCH):
            batch = commands.batch(BATCH)
            sleep_to_next_step(start_s)
            clock.now_s, took_ms, expected = run(real, batch)
            longest_ms = max(longest_ms, took_ms)
            *_, answered = run(simulated, batch)
            for command, left, right in zip(batch, expected, answered, strict=True):
                assert same(command, left, right, longest_ms), (number, command, left, right)
        # The last batch may have taken its time: both at one moment, between two expiries.
        sleep_to_next_step(start_s)
        clock.now_s = time.time()
        assert set(real.keys()) == set(simulated.keys())
        expired = real.info("stats")["expired_keys"]
        assert expired > 0
        assert simulated.info("stats")["expired_keys"] == pytest.approx(expired, abs=3)


def test_fifty_thousand_random_commands_get_the_same_answers():
    compare(50_000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_random_commands_get_the_same_answers_over_more_seeds(seed):
    compare(100_000, seed=seed)


WRONG: list[Command] = [
    ("NOSUCHCOMMAND", "a", "b"),
    ("GET",),
    ("SET", "k"),
    ("ZADD", "k", "1"),
    ("CONFIG", "SET", "maxmemory", "1t"),
    ("CONFIG", "SET", "maxmemory", "1.5gb"),
    ("CONFIG", "SET", "maxmemory", "-1"),
    ("CONFIG", "SET", "maxmemory-policy", "allkeys-first"),
    ("CONFIG", "SET", "maxmemory-samples", "0"),
    ("CONFIG", "SET", "maxmemory-samples", "few"),
    ("CONFIG", "SET", "lfu-log-factor", "-1"),
    ("OBJECT", "FREQ", "word"),
    ("CONFIG", "SET", "nosuchsetting", "1"),
    ("CONFIG", "SET", "save", "60"),
    ("INCR", "word"),
    ("DEBUG", "OBJECT", "missing"),
    ("SET", "k", "v", "EX", "0"),
    ("PSETEX", "k", "-1", "v"),
    ("EXPIRE", "k", "1", "NX", "XX"),
    ("EXEC",),
    ("DISCARD",),
]


@pytest.fixture(scope="module")
def servers():
    with real_redis() as real:
        simulated = simulated_redis(Clock(time.time()), **DEBIAN).client()
        for client in (real, simulated):
            client.set("word", "abc")
        yield real, simulated


@pytest.mark.parametrize("command", WRONG, ids=" ".join)
def test_a_wrong_command_gets_the_real_servers_complaint(servers, command):
    complaints = []
    for client in servers:
        with pytest.raises(redis.ResponseError) as caught:
            client.execute_command(*command)
        complaints.append((type(caught.value), str(caught.value)))
    assert complaints[1] == complaints[0]


@pytest.mark.parametrize("spelling", ["0", "100", "1k", "1KB", "10m", "10mb", "1G", "2gb", "7b"])
def test_memory_units_mean_what_they_mean_to_the_real_server(servers, spelling):
    values = []
    for client in servers:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", spelling)
        values.append(client.config_get("maxmemory")["maxmemory"])
        client.config_set("maxmemory", "0")
    assert values[1] == values[0]


def test_a_compared_expiry_is_strict_on_both(servers):
    for client in servers:
        client.set("k", "v", px=60_000)
        at = client.pexpiretime("k")
        assert not client.pexpireat("k", at, gt=True)
        assert not client.pexpireat("k", at, lt=True)
        assert client.pexpireat("k", at + 1, gt=True)
        assert client.pexpireat("k", at, lt=True)
