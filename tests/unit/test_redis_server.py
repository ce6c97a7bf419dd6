"""The simulated Redis server through redis-py, as the service uses it."""

from __future__ import annotations

import random

import pytest
import redis

from sim.redis.server import RedisServer
from sim.redis.settings import RedisSettings


class Clock:
    def __init__(self):
        self.now_s = 1_700_000_000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    return RedisServer(clock, random.Random(1), RedisSettings())


@pytest.fixture
def client(server):
    return server.client()


def test_a_value_expires_when_the_clock_says_so(clock, client):
    client.set("k", "v", px=1500)
    clock.now_s += 1.5
    assert client.get("k") == b"v"
    clock.now_s += 0.001
    assert client.get("k") is None


def test_psetex_keeps_its_milliseconds(clock, client):
    clock.now_s += 0.7
    client.execute_command("PSETEX", "k", 2500, "v")
    assert client.pttl("k") == 2500


def test_a_transaction_whose_watched_key_changed_is_refused(client):
    client.set("k", 1)
    with client.pipeline() as pipe:
        pipe.watch("k")
        client.set("k", 2)
        pipe.multi()
        pipe.set("k", 3)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("k") == b"2"


def test_a_transaction_runs_in_one_turn(server):
    turns = []
    client = server.client(lambda name, cost_ns: turns.append((name, cost_ns)))
    with client.pipeline() as pipe:
        pipe.set("a", 1)
        pipe.incr("a")
        assert pipe.execute() == [True, 2]
    assert [name for name, _ in turns] == ["exec"]
    assert turns[0][1] > 0


def test_other_clients_run_before_a_command_takes_its_turn(server):
    other = server.client()
    client = server.client(lambda name, _: other.set("k", "theirs") if name == "get" else None)
    client.set("k", "mine")
    assert client.get("k") == b"theirs"


def test_writes_are_refused_at_the_limit_and_reads_are_not(client):
    client.set("k", "v")
    client.config_set("maxmemory", "900kb")
    with pytest.raises(redis.OutOfMemoryError, match="used memory > 'maxmemory'"):
        client.set("k", "w")
    assert client.get("k") == b"v"


def test_a_stopped_server_refuses_connections_until_it_is_restarted_empty(server, client):
    client.set("k", "v")
    server.stop()
    with pytest.raises(redis.ConnectionError):
        client.get("k")
    server.restart(lose_data=True)
    assert client.get("k") is None
