"""Four ways for tokens to vanish, as shipped: each world shows its own signs, not the others'."""

from functools import cache
from itertools import pairwise

import pytest

from experiments.config.reading import load
from sim.customers.shop import BOOKING, CHECK, GENERATION, PAYMENT
from sim.measure.invariants import PASSED, WAITING
from tests.support.world_small import Played, failures

EXPIRY = "concert:1:queue:expiry"
FIRST_108_S = (
    "load.stages.0={duration_s = 108.0, target = 900}",
    "load.stages.1={duration_s = 1.0, target = 900}",
)
SHORT = "load.stages.1.duration_s=1.0"
"""A config's own length is for people; here the beginning is enough."""


@cache
def played(name, *assignments):
    config = load(name, assignments)
    return Played(config.world, config.header.seed)


def maximum(one, column):
    return max(value for _, value in one.column(column))


def drops(one, column, least):
    """Times at which a gauge fell by at least `least` from one second to the next."""
    return [
        after_s
        for (_, before), (after_s, after) in pairwise(one.column(column))
        if before - after >= least
    ]


def causes(one):
    return {cause for row in one.result.errors.values() for cause in row}


def wiped_by_sweeps(one):
    return [sweep for sweep in one.result.sweeps if sweep.passed_before > sweep.passed_after == 0]


# H1, memory.


def test_h1_evicts_one_whole_set_at_a_time_either_set_at_irregular_times():
    one = played("memory-pressure", *FIRST_108_S)
    gone = one.run.events.sets_evicted

    assert {eviction.key for eviction in gone} == {PASSED, WAITING, EXPIRY}
    assert all(eviction.members > 1 for eviction in gone)
    at_once = one.run.events.sets_at_once()
    assert at_once.count(1) > 2 * (len(at_once) - at_once.count(1))
    gaps_s = [after - before for before, after in pairwise(sorted({e.time_s for e in gone}))]
    assert max(gaps_s) > 4 * min(gaps_s)
    # Nothing before the limit, no outage, no sweep that wipes, no token too old.
    limit = one.run.world.redis.maxmemory_bytes
    first_s = gone[0].time_s
    before = [used for time_s, used in one.column("redis_used_bytes") if time_s < first_s]
    assert max(before) <= limit
    assert causes(one) == {"NotAdmittedError", "SeatTakenError"}
    assert wiped_by_sweeps(one) == []


def test_h1_says_what_was_evicted_and_when():
    notes = played("memory-pressure", *FIRST_108_S).result.notes
    first = played("memory-pressure", *FIRST_108_S).run.events.sets_evicted[0]

    assert notes[0].endswith("bytes; maxmemory 1,408,000")
    assert notes[1].startswith(f"whole sets evicted by Redis: {EXPIRY} ")
    assert f"{first.time_s:.1f} s: Redis evicted {first.key} whole ({first.members:,} members)" in (
        notes
    )


def test_h1_needs_a_limit():
    # What allkeys-lru evicts under a limit stays without one.
    one = played("memory-pressure-locks", "redis.maxmemory=0")

    assert maximum(one, "redis_evicted_keys") == 0
    assert maximum(one, "redis_used_bytes") > 2e6
    assert causes(one) == {"SeatTakenError"}
    assert one.run.events.refused.kinds == {}


def test_h1_under_noeviction_refuses_writes_and_loses_nothing():
    one = played("memory-pressure-locks", 'redis.maxmemory_policy="noeviction"')
    refused = one.run.events.refused.kinds

    assert maximum(one, "redis_evicted_keys") == 0
    assert refused["set"] > 100
    assert failures(one.result, BOOKING)["QueueStoreError"] > 100
    assert any(note.startswith("commands refused by Redis") for note in one.result.notes)


def locks_lost(one):
    return one.run.events.keys_evicted.kinds["lock:seatId:*"]


def test_h1_under_volatile_ttl_loses_locks_that_are_held_and_no_set():
    owned = played("memory-pressure-locks")
    # D10: as in the incident, locks have no TTL, and volatile-* cannot touch them.
    unowned = played("memory-pressure-locks", "policy.seat_lock_owned=false")

    assert locks_lost(owned) >= 5
    assert locks_lost(unowned) == 0
    assert owned.run.events.sets_evicted == unowned.run.events.sets_evicted == []
    # The database decides who gets a seat: nobody sits on another's.
    assert owned.result.invariants["oversold"] == 0


def test_h1_with_a_limit_below_an_empty_server_refuses_every_write():
    one = played("memory-pressure-h4-ttl", 'redis.maxmemory="500kb"', SHORT)

    assert one.result.outcomes[GENERATION].keys() == {"500"}
    assert maximum(one, "redis_keys") == 0


# H2, the sweep.


def test_h2_wipes_both_sets_300_s_after_the_last_sweep_ended_without_a_limit():
    one = played("memory-pressure-h2-sweep")
    sweeps = one.result.sweeps

    for before, after in pairwise(sweeps):
        assert after.planned_s == pytest.approx(before.ended_s + 300.0)
    wipes = wiped_by_sweeps(one)
    assert [round(sweep.ended_s) for sweep in wipes] == [280, 580]
    assert all(sweep.waiting_before > 100 for sweep in wipes)
    assert all(sweep.waiting_after == 0 for sweep in wipes)
    # Only then, and by nothing else.
    assert drops(one, "waiting", least=50) == [281.0, 581.0]
    assert maximum(one, "redis_evicted_keys") == maximum(one, "killed_processes") == 0
    assert causes(one) <= {"NotAdmittedError", "SeatTakenError"}
    assert one.result.notes == []


# H3, the host.


def test_h3_is_an_outage_with_connection_errors_then_empty_sets():
    one = played("memory-pressure-h3-host")
    (killed,) = one.run.host.killed
    killed_s = killed.time_s - one.run.world.service.started_before_s

    assert killed.name == "redis"
    assert killed.demand_mb > killed.limit_mb == 6144.0
    held = dict(one.column("redis_memory_mb"))
    # Saving doubles it: the copy is what was too much.
    assert killed.held_mb > 1.9 * held[int(killed_s) - 1.0]
    down = [time_s for time_s, mb in one.column("redis_memory_mb") if mb == 0.0]
    assert 9 <= len(down) <= 11
    assert down[0] == pytest.approx(killed_s, abs=1.0)
    assert failures(one.result, CHECK)["QueueStoreError"] > 50
    assert (one.run.redis.stats().keys, maximum(one, "redis_evicted_keys")) == (3, 0)
    waiting = dict(one.column("waiting"))
    assert waiting[int(killed_s) - 1.0] > 50
    assert waiting[down[-1]] == 0
    assert any("Redis is up again, with 0 keys" in note for note in one.result.notes)
    assert wiped_by_sweeps(one) == []


def test_h3_with_a_volume_comes_back_with_the_snapshot():
    volume = "redis.restart_loses_data=false"
    one = played("memory-pressure-h3-host", volume, 'redis.save="60 100"')
    back = [note for note in one.result.notes if "Redis is up again" in note]

    assert back
    assert not any("with 0 keys" in note for note in back)
    # Who waited when it was saved still waits.
    assert dict(one.column("waiting"))[130.0] > 50


def test_h3_ends_early_when_the_load_generator_is_the_largest():
    one = played(
        "memory-pressure-h3-host", "generator.shares_host=true", "generator.mb_per_vu=15.0"
    )

    assert one.result.ended == "generator_killed"
    assert one.result.simulated_s < 300.0


@pytest.mark.parametrize("restart_after_s", [None, 20.0])
def test_h3_when_the_service_is_the_largest_connections_are_refused_until_it_is_back(
    restart_after_s,
):
    restart = [] if restart_after_s is None else [f"service.restart_after_s={restart_after_s}"]
    one = played(
        "memory-pressure-h3-host", "memory.jvm_mb=4500.0", "memory.jvm_grown_after=500", *restart
    )
    killed_s = one.run.host.killed[0].time_s - one.run.world.service.started_before_s
    down = [time_s for time_s, mb in one.column("service_memory_mb") if mb == 0.0]

    assert one.run.host.killed[0].name == "service"
    assert {"ConnectionRefused"} <= causes(one)
    assert down[0] == pytest.approx(killed_s, abs=1.0)
    if restart_after_s is None:
        assert down[-1] == one.column("t_s")[-1][0]
    else:
        # It needs what it needed before, so it may be killed again.
        first = [time_s for at, time_s in enumerate(down) if time_s == down[0] + at]
        assert len(first) == pytest.approx(restart_after_s, abs=1.0)
        assert one.result.outcomes[CHECK]["200"] > 0
    for name in ("connections_leaked", "users_unaccounted", "failures_unaccounted", "oversold"):
        assert one.result.invariants[name] == 0


# H4, time.


def test_h4_touches_access_tokens_only_and_not_before_15_minutes():
    one = played("memory-pressure-h4-ttl")
    ttl_s = one.run.world.policy.access_ttl_s

    # Who waits stays, until there is room: when those let in first are 15 minutes old.
    (first_s, _), *_ = (row for row in one.column("passed") if row[1] > 0)
    left = drops(one, "waiting", least=1)
    assert left
    assert first_s + ttl_s - 1.0 <= left[0] <= first_s + ttl_s + 10.0
    assert failures(one.result, CHECK) == {}
    assert set(failures(one.result, PAYMENT)) == {"ExpiredTokenError"}
    assert causes(one) == {"ExpiredTokenError"}
    assert maximum(one, "redis_evicted_keys") == maximum(one, "killed_processes") == 0
