"""The simulated Redis server through redis-py, as the service uses it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import redis

from sim.redis.errors import UnsupportedCommandError
from tests.support.redis_simulated import Clock, simulated_redis, used_memory

MEGABYTE = 1024 * 1024


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock):
    return simulated_redis(clock)


@pytest.fixture
def client(server):
    return server.client()


def fill_queue(client, count, name="queue"):
    for start in range(0, count, 500):
        client.zadd(name, {f"{i:036d}": 1.7e12 + i for i in range(start, min(start + 500, count))})


# Time


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


def test_ttl_rounds_half_a_second_up(client):
    client.set("k", "v", px=2500)
    assert client.ttl("k") == 3


def test_expired_keys_go_in_the_background_without_being_asked_for(clock, server, client):
    for i in range(1000):
        client.set(f"k{i}", "v", px=500)
    clock.now_s += 5
    server.tick()
    assert server.stats().expired_keys > 850
    assert server.stats().keys < 150


def test_an_expiry_in_the_past_removes_the_key_at_once(client, server):
    client.set("k", "v")
    assert client.expire("k", -1)
    assert server.stats().keys == 0
    assert server.stats().expired_keys == 0


def test_neither_wall_time_nor_global_chance_is_asked(client, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("asked")

    for name in ("time", "monotonic", "perf_counter", "sleep", "time_ns"):
        monkeypatch.setattr(f"time.{name}", forbidden)
    for name in ("random", "randrange", "sample", "choices", "choice", "shuffle", "getrandbits"):
        monkeypatch.setattr(f"random.{name}", forbidden)
    client.sadd("s", "a", "b", "c")
    client.zadd("z", {"a": 1, "b": 2})
    client.hset("h", mapping={"f": 1, "g": 2})
    client.xadd("x", {"f": 1})
    answers = [
        client.time()[0],
        client.spop("s"),
        client.srandmember("s"),
        client.zrandmember("z"),
        client.hrandfield("h"),
        client.randomkey(),
        client.lastsave(),
        client.client_info()["id"],
        client.client_list()[0]["id"],
        client.bgsave(),
    ]
    with client.pipeline() as pipe:
        pipe.watch("z")
        pipe.multi()
        pipe.zcard("z")
        answers += pipe.execute()
    assert None not in answers
    assert answers[0] == 1_700_000_000


# Transactions and turns


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


def test_a_transaction_whose_watched_key_expired_or_was_evicted_is_refused(clock, client):
    client.set("k", 1, px=100)
    with client.pipeline() as pipe:
        pipe.watch("k")
        clock.now_s += 1
        pipe.multi()
        pipe.set("other", 1)
        with pytest.raises(redis.WatchError):
            pipe.execute()


def test_a_connection_that_was_watching_does_not_remember_it(client):
    with client.pipeline() as pipe:
        pipe.watch("k")
    client.set("k", 2)
    with client.pipeline() as pipe:
        pipe.set("k", 3)
        assert pipe.execute() == [True]


def test_a_transaction_runs_in_one_turn(server):
    turns = []
    client = server.client(lambda name, cost_ns: turns.append((name, cost_ns)))
    with client.pipeline() as pipe:
        pipe.set("a", 1)
        pipe.incr("a")
        assert pipe.execute() == [True, 2]
    assert [name for name, _ in turns] == ["exec"]
    assert turns[0][1] > 0


def test_a_pipeline_without_transaction_takes_a_turn_for_each_command(server):
    turns = []
    client = server.client(lambda name, _: turns.append(name))
    with client.pipeline(transaction=False) as pipe:
        pipe.set("a", 1)
        pipe.get("a")
        assert pipe.execute() == [True, b"1"]
    assert turns == ["set", "get"]


def test_other_clients_run_before_a_command_takes_its_turn(server):
    other = server.client()
    client = server.client(lambda name, _: other.set("k", "theirs") if name == "get" else None)
    client.set("k", "mine")
    assert client.get("k") == b"theirs"


def test_an_error_in_a_transaction_leaves_the_other_commands_done(client):
    with client.pipeline() as pipe:
        pipe.set("s", "text")
        pipe.incr("s")
        pipe.set("t", 1)
        replies = pipe.execute(raise_on_error=False)
    assert [type(reply) for reply in replies] == [bool, redis.ResponseError, bool]
    assert client.get("t") == b"1"


def test_a_client_that_decodes_gets_text(server):
    client = server.client(decode_responses=True)
    client.set("k", "ü")
    client.zadd("z", {"a": 1})
    assert client.get("k") == "ü"
    assert client.zrange("z", 0, -1, withscores=True) == [("a", 1.0)]
    with client.pipeline() as pipe:
        pipe.get("k")
        assert pipe.execute() == ["ü"]


@pytest.mark.parametrize(
    "command",
    [("BLPOP", "q", 1), ("BZPOPMIN", "q", 0), ("SUBSCRIBE", "c"), ("WAIT", 1, 0)],
    ids=lambda command: command[0],
)
def test_commands_that_would_wait_say_so(client, command):
    with pytest.raises((UnsupportedCommandError, redis.ResponseError)):
        client.execute_command(*command)


def test_a_blocking_command_that_need_not_wait_answers(client):
    client.rpush("q", "a")
    assert client.blpop("q") == (b"q", b"a")


def test_a_copy_is_a_value_of_its_own(client):
    client.zadd("a", {"x": 1})
    client.copy("a", "b")
    client.zadd("b", {"y": 2})
    assert (client.zcard("a"), client.zcard("b")) == (1, 2)


# Memory


def test_writes_are_refused_at_the_limit_and_reads_are_not(client):
    client.set("k", "v")
    client.config_set("maxmemory", "900kb")
    with pytest.raises(redis.OutOfMemoryError, match="used memory > 'maxmemory'"):
        client.set("k", "w")
    assert client.get("k") == b"v"


def test_a_limit_below_the_empty_server_refuses_every_write(clock):
    client = simulated_redis(clock, maxmemory="100kb", maxmemory_policy="allkeys-lru").client()
    with pytest.raises(redis.OutOfMemoryError):
        client.set("k", "v")
    pipe = client.pipeline().zadd("q", {"m": 1})
    with pytest.raises(redis.OutOfMemoryError):
        pipe.execute()
    assert client.dbsize() == 0


def test_thirty_thousand_waiting_people_need_five_megabytes(client):
    fill_queue(client, 30_000)
    assert used_memory(client) == pytest.approx(4.7 * MEGABYTE, rel=0.1)


def test_memory_comes_back_when_the_keys_go(clock, client):
    client.set("warm", 1)
    client.delete("warm")
    client.zremrangebyrank("queue", 0, -1)
    client.zadd("queue", {"m": 1})
    client.zrem("queue", "m")
    assert client.dbsize() == 0
    before = used_memory(client)
    fill_queue(client, 5_000)
    client.zremrangebyrank("queue", 0, 10**13)
    clock.now_s += 10
    assert used_memory(client) == before - 15_360  # the first reply buffer has shrunk


def test_eviction_takes_the_whole_queue(clock):
    server = simulated_redis(clock, maxmemory="3mb", maxmemory_policy="allkeys-lru")
    client = server.client()
    sizes = []
    for i in range(40_000):
        client.zadd("queue", {f"{i:036d}": i})
        sizes.append(server.stats(["queue"]).members["queue"])
    drops = [(a, b) for a, b in pairwise(sizes) if b < a]
    assert len(drops) == server.stats().evicted_keys > 0
    assert all(after == 1 for _, after in drops)


def test_looking_at_the_statistics_changes_nothing(clock, server, client):
    client.zadd("queue", {"m": 1})
    clock.now_s += 50
    server.stats(["queue", "missing"])
    assert client.object("idletime", "queue") == 50
    assert server.stats(["missing"]).members == {"missing": 0}


# Costs


def test_deleting_a_large_queue_takes_as_long_as_on_the_real_server(server, client):
    costs = {}
    slow = server.client(costs.__setitem__)
    fill_queue(client, 100_000)
    slow.zcard("queue")
    slow.delete("queue")
    assert costs["del"] == pytest.approx(14e6, rel=0.05)
    assert costs["zcard"] < 30_000


def test_time_spent_on_eviction_is_paid_with_the_next_command(clock):
    server = simulated_redis(clock, maxmemory="3mb", maxmemory_policy="allkeys-lru")
    filler = server.client()
    costs = []
    client = server.client(lambda _, cost_ns: costs.append(cost_ns))
    i = 0
    while server.stats().evicted_keys == 0:
        filler.zadd("queue", {f"{i:036d}": i})
        i += 1
    client.ping()
    client.ping()
    assert costs[0] > costs[1] + 500_000


# Saving and restarting


def test_a_stopped_server_refuses_connections_until_it_is_restarted_empty(server, client):
    client.set("k", "v")
    server.stop()
    with pytest.raises(redis.ConnectionError):
        client.get("k")
    server.restart(lose_data=True)
    assert client.get("k") is None


def test_a_restart_finds_what_the_last_save_point_saved(clock):
    forks = []
    server = simulated_redis(clock, save="60 100")
    server.on_fork = forks.append
    client = server.client()
    fill_queue(client, 200)
    client.set("token", "v", ex=300)
    clock.now_s += 61
    client.ping()
    clock.now_s += 5
    client.ping()
    assert len(forks) == 1
    assert client.info("persistence")["rdb_saves"] == 1
    client.zadd("queue", {"late": 1})
    client.set("lock", 1)
    server.restart(lose_data=False)
    assert client.zcard("queue") == 200
    assert client.get("lock") is None
    assert client.ttl("token") == 300 - 66
    server.restart(lose_data=True)
    assert client.dbsize() == 0


def test_too_few_changes_are_not_saved_yet(clock):
    server = simulated_redis(clock, save="60 100")
    client = server.client()
    fill_queue(client, 50)
    clock.now_s += 1000
    client.ping()
    assert client.info("persistence")["rdb_changes_since_last_save"] == 50
    assert server.forks == 0


def test_a_graceful_stop_saves_first_and_a_killed_server_does_not(clock):
    server = simulated_redis(clock)
    client = server.client()
    client.set("k", "v")
    server.restart(lose_data=False, graceful=True)
    assert client.get("k") == b"v"
    client.set("k", "w")
    server.restart(lose_data=False)
    assert client.get("k") == b"v"


def test_what_expired_while_the_server_was_down_is_not_loaded(clock, server, client):
    client.set("k", "v", ex=10)
    server.stop(graceful=True)
    clock.now_s += 20
    server.restart(lose_data=False)
    assert client.dbsize() == 0


def test_a_snapshot_in_progress_needs_memory_and_stalls_the_server(clock):
    forks = []
    server = simulated_redis(clock, fork_copied_share=1.0, fork_s_per_gb=1.0, save_mb_per_s=1.0)
    server.on_fork = forks.append
    costs = []
    client = server.client(lambda _, cost_ns: costs.append(cost_ns))
    fill_queue(client, 30_000)
    resident = server.stats().resident_bytes
    client.bgsave()
    assert server.stats().resident_bytes == pytest.approx(
        resident + forks[0].copied_bytes, rel=0.02
    )
    assert forks[0].copied_bytes == pytest.approx(server.stats().used_memory, rel=0.02)
    client.ping()
    assert costs[-1] > 1e9 * forks[0].stall_s > 3e6
    clock.now_s += forks[0].writing_s + 0.2
    client.ping()
    assert server.stats().resident_bytes == pytest.approx(resident, rel=0.02)


def test_a_pipeline_that_was_watching_when_the_server_restarted_is_told(server, client):
    with client.pipeline() as pipe:
        pipe.watch("k")
        server.restart(lose_data=True)
        pipe.multi()
        pipe.set("k", 1)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("k") is None


def test_final_keys_depend_on_the_contents_only(clock):
    first, second = simulated_redis(clock, seed=1), simulated_redis(clock, seed=2)
    for server, names in ((first, "abc"), (second, "cba")):
        for name in names:
            server.client().sadd(f"s{name}", *names)
            server.client().zadd("z", {name: ord(name)})
    assert first.final_keys() == second.final_keys()
    first.client().set("more", 1)
    assert first.final_keys() != second.final_keys()
