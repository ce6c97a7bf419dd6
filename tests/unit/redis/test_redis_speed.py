"""The memory model costs less than it saves: commands are quicker than in plain fakeredis."""

from __future__ import annotations

import time

import pytest
import redis
from fakeredis import FakeServer
from fakeredis._socket import FakeSocket

from tests.support.redis_simulated import Clock, simulated_redis

QUEUE = 10_000
COMMANDS = 1_500
REPEATS = 5
MEMBERS = [f"{(number * 7919) % QUEUE:036d}" for number in range(COMMANDS)]


class PlainRedis(redis.Redis):
    """redis-py dispatching straight to fakeredis, without a memory model."""

    def __init__(self):
        super().__init__()
        self._socket = FakeSocket(
            FakeServer(version=(7,)), 0, client_class=redis.Redis, client_info={"resp": 3}
        )

    def execute_command(self, *args, **options):
        encode = self.get_encoder().encode
        self._socket._process_command([encode(arg) for arg in args])
        reply = self._socket.responses.get_nowait()
        if isinstance(reply, Exception):
            raise reply
        callback = self.response_callbacks.get(args[0])
        return reply if callback is None else callback(reply, **options)


def ticking_clock():
    """A clock that moves with every command, as the simulator's does."""
    clock = Clock()

    def now():
        clock.now_s += 1e-4
        return clock.now_s

    return now


def seconds(client, command):
    """The quickest of several rounds, so that other programs disturb less."""
    rounds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for member in MEMBERS:
            command(client, member)
        rounds.append(time.perf_counter() - start)
    return min(rounds)


COMMANDS_OF_THE_SERVICE = {
    "ZADD": lambda client, member: client.zadd("queue", {member: 1.7e12}),
    "ZSCORE": lambda client, member: client.zscore("queue", member),
    "ZRANK": lambda client, member: client.zrank("queue", member),
    "SET": lambda client, member: client.set(member, "1", nx=True, px=60_000),
    "GET": lambda client, member: client.get(member),
}


@pytest.fixture(scope="module")
def clients():
    unlimited = simulated_redis(ticking_clock())
    limited = simulated_redis(ticking_clock(), maxmemory="1gb", maxmemory_policy="allkeys-lru")
    found = {
        "plain": PlainRedis(),
        "unlimited": unlimited.client(lambda *_: None),
        "limited": limited.client(lambda *_: None),
    }
    for client in found.values():
        for number in range(QUEUE):
            client.zadd("queue", {f"{number:036d}": 1.7e12 + number})
    return found


@pytest.mark.parametrize("name", COMMANDS_OF_THE_SERVICE)
@pytest.mark.parametrize("kind", ["unlimited", "limited"])
def test_a_command_takes_at_most_a_third_longer_than_in_plain_fakeredis(clients, kind, name):
    command = COMMANDS_OF_THE_SERVICE[name]
    assert seconds(clients[kind], command) <= 1.3 * seconds(clients["plain"], command)


def test_zpopmin_does_not_walk_the_whole_set():
    client = simulated_redis(ticking_clock()).client()
    for start in range(0, 100_000, 1000):
        client.zadd("queue", {f"{i:036d}": i for i in range(start, start + 1000)})
    rounds = []
    for _ in range(REPEATS):
        start_s = time.perf_counter()
        for _ in range(200):
            client.zpopmin("queue")
        rounds.append((time.perf_counter() - start_s) / 200)
    assert min(rounds) < 50e-6
