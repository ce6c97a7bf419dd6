"""Faults at their times, and what the machines make of them."""

from dataclasses import replace

import pytest

from sim.customers.shop import GENERATION
from sim.faults.settings import HostMemoryHog, RedisMemoryHog, RedisRestart
from sim.scale import scaled
from tests.support.world_small import Played, during, failures, small


def with_faults(*faults, **parts):
    world = small(script="asks_for_tokens_in_turn", load=during(20.0, 10), **parts)
    return replace(world, faults=faults)


def waiting_at(played, time_s):
    return dict(played.column("waiting"))[time_s] + dict(played.column("passed"))[time_s]


@pytest.mark.parametrize("lose_data", [True, False])
def test_a_redis_restart_is_an_outage_at_its_time_and_then_empty_or_as_saved(lose_data):
    fault = RedisRestart("redis_restart", at_s=10.0, restart_after_s=3.0, lose_data=lose_data)
    played = Played(with_faults(fault, redis={"save": "2 1"}))
    held = dict(played.column("redis_memory_mb"))

    assert [time_s for time_s, mb in held.items() if mb == 0.0] == [10.0, 11.0, 12.0]
    # Ten people ask twice a second, and fail for three seconds.
    assert failures(played.result, GENERATION)["QueueStoreError"] == pytest.approx(60, abs=10)
    assert waiting_at(played, 9.0) == 10
    assert any(
        note == f"13.0 s: Redis is up again, with {0 if lose_data else 1} keys"
        for note in played.result.notes
    )
    assert waiting_at(played, 20.0) == 10
    assert played.result.invariants["connections_leaked"] == 0


def test_a_redis_hog_fills_redis_and_goes_on_where_it_is_refused():
    hog = RedisMemoryHog("redis_memory_hog", at_s=5.0, keys=100, value_bytes=100_000, over_s=5.0)
    free = Played(with_faults(hog))
    full = Played(with_faults(hog, redis={"maxmemory": "5mb"}))

    used = dict(free.column("redis_used_bytes"))
    assert used[11.0] - used[4.0] == pytest.approx(100 * 100_000, rel=0.2)
    assert full.run.events.refused.kinds["set"] > 50
    assert max(used for _, used in full.column("redis_used_bytes")) < 5.5 * 1024**2


def test_a_host_hog_slows_everything_down_while_there_is_swap():
    hog = HostMemoryHog("host_memory_hog", at_s=5.0, memory_mb=14_000.0, over_s=5.0)
    played = Played(with_faults(hog))
    slowdown = dict(played.column("host_slowdown"))

    assert slowdown[4.0] == 1.0
    assert slowdown[15.0] > 2.0
    assert dict(played.column("other_memory_mb"))[15.0] == 14_000.0
    assert played.run.host.killed == []


def test_without_swap_the_kernel_kills_the_largest_process_which_is_the_hog():
    hog = HostMemoryHog("host_memory_hog", at_s=5.0, memory_mb=14_000.0, over_s=5.0)
    played = Played(with_faults(hog, host={"on_memory_exhausted": "kill"}))

    assert [killed.name for killed in played.run.host.killed] == ["host_memory_hog-1"]
    assert failures(played.result, GENERATION) == {}
    assert played.result.ended == "completed"


@pytest.mark.parametrize(
    ("victim", "memory"),
    [("database", {"database_mb": 9_000.0}), ("generator", {})],
)
def test_a_run_that_cannot_go_on_ends_early_and_says_why(victim, memory):
    hog = HostMemoryHog("host_memory_hog", at_s=5.0, memory_mb=8_000.0)
    world = with_faults(
        hog,
        host={"on_memory_exhausted": "kill"},
        memory=memory,
        generator={"shares_host": True, "mb_per_vu": 900.0 if victim == "generator" else 1.0},
    )
    played = Played(world)

    assert played.result.ended == f"{victim}_killed"
    assert 4.0 < played.result.simulated_s < 7.0


def test_faults_scale_with_the_world():
    world = with_faults(
        RedisMemoryHog("redis_memory_hog", at_s=5.0, keys=100, value_bytes=10),
        HostMemoryHog("host_memory_hog", at_s=5.0, memory_mb=1_000.0),
        RedisRestart("redis_restart", at_s=5.0),
    )
    redis_hog, host_hog, restart = scaled(world, 0.1).faults

    assert (redis_hog.keys, host_hog.memory_mb, restart) == (10, 100.0, world.faults[2])
