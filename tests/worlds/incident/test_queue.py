"""What the defects of the queue do: D3, D4, D5, D7, D8, D12."""

import pytest

from sim.customers.shop import BOOKING, CHECK, GENERATION, PAYMENT
from sim.run import simulate
from tests.support.world_small import (
    Played,
    during,
    failures,
    logged,
    lose_redis_data,
    one_by_one,
    requests,
    small,
)


def test_a_sweep_by_rank_wipes_both_sets_and_bookings_are_refused_with_valid_tokens():
    # Thought takes longer than the time between two sweeps.
    slow = {"customer": {"think_low_s": 1.2, "think_high_s": 1.5}, "load": during(6.0, 30)}
    right = simulate(small(**slow), seed=1)
    wrong = simulate(small(**slow, defect="D3"), seed=1)

    wiped = [sweep for sweep in wrong.sweeps if sweep.passed_before or sweep.waiting_before]
    assert len(wiped) >= 4
    assert all(sweep.passed_after == sweep.waiting_after == 0 for sweep in wiped)
    assert failures(wrong, BOOKING)["NotAdmittedError"] >= 20
    # No token expired: they live for a minute, the run lasted six seconds.
    assert logged(wrong, "ExpiredTokenError") == 0
    assert wrong.funnel["paid"] == 0

    assert failures(right, BOOKING) == failures(right, PAYMENT) == {}
    assert any(sweep.passed_after == 10 for sweep in right.sweeps)
    assert right.funnel["paid"] >= 10


def test_a_sweep_by_score_drops_those_whose_time_is_over():
    ttl = {"access_ttl_s": 3.0}
    world = small(script="asks_for_one_token", policy=ttl, load=during(6.0, 5))
    passed = dict(Played(world).column("passed"))

    assert passed[2.0] == 5
    assert passed[5.0] == 0


@pytest.mark.parametrize("defect", ["D4", "D5", "D8"])
def test_nobody_who_waits_is_ever_let_in(defect):
    load = one_by_one(20.0, 30)
    right = simulate(small(load=load), seed=1)
    wrong = simulate(small(load=load, defect=defect), seed=1)

    assert right.funnel["paid"] == 30
    assert wrong.funnel["paid"] == 10
    assert wrong.funnel["waited"] == 20
    # The queue works otherwise: they ask for their place and get it.
    assert failures(wrong, GENERATION) == failures(wrong, CHECK) == {}


def test_promotion_from_the_passed_set_leaves_the_line_as_it_is():
    wrong = simulate(small(load=one_by_one(20.0, 30), defect="D4"), seed=1)

    # Ten have paid and left, twenty wait until their places expire.
    idle = [sweep for sweep in wrong.sweeps if sweep.started_s > 10.0]
    assert {sweep.outcome for sweep in idle} == {"ok"}
    assert {(sweep.passed_after, sweep.waiting_after) for sweep in idle} == {(0, 20)}


def test_promotion_that_parses_uuids_as_tokens_ends_the_sweep():
    wrong = simulate(small(defect="D5"), seed=1)

    failed = [sweep for sweep in wrong.sweeps if sweep.outcome != "ok"]
    assert len(failed) > 10
    assert {sweep.outcome for sweep in failed} == {"MalformedTokenError"}
    assert wrong.exceptions["sweeper"] == {"MalformedTokenError": len(failed)}


def test_a_payment_that_removes_the_token_gives_no_slot_back():
    right = Played(small())
    wrong = Played(small(defect="D8"))

    assert wrong.result.tables["payment"] == 10
    assert wrong.column("passed")[-1][1] == 10
    assert right.column("passed")[-1][1] == 0


LOCKED_OUT = {
    "script": "asks_for_tokens_in_turn",
    "policy": {"access_ttl_s": 8.0, "waiting_ttl_s": 5.0, "sweep_interval_s": 100.0},
    "load": during(12.0, 20),
}


def test_a_wiped_queue_locks_everyone_out_until_their_history_expires():
    wrong = Played(small(**LOCKED_OUT, defect="D7"), events=[(2.0, lose_redis_data)])

    def in_queue(time_s):
        return dict(wrong.column("passed"))[time_s] + dict(wrong.column("waiting"))[time_s]

    assert in_queue(1.0) == 20
    # Nobody is in the queue, nobody gets a token, everybody asks.
    assert all(in_queue(time_s) == 0 for time_s in (3.0, 4.0))
    assert failures(wrong.result, GENERATION)["TokenExistsError"] > 20
    # The waiting tokens' history (5 s) ends first and those let in (8 s) come last.
    assert in_queue(7.0) == 10
    assert in_queue(10.0) == 20


def test_a_wiped_queue_fills_again_at_once_when_the_guard_asks_it():
    right = Played(small(**LOCKED_OUT), events=[(2.0, lose_redis_data)])

    assert failures(right.result, GENERATION) == {}
    assert dict(right.column("passed"))[3.0] == 10
    assert dict(right.column("waiting"))[3.0] == 10


def test_a_wiped_queue_poisons_a_client_that_keeps_error_bodies():
    load = during(5.0, 20)
    storm = {
        "customer": {"backs_off": False, "think_low_s": 0.0, "think_high_s": 0.1},
        "host": {"cores": 1.0},
        "load": load,
    }
    wrong = Played(small(**storm, defect="D7"), events=[(2.0, lose_redis_data)]).result
    right = Played(small(**storm), events=[(2.0, lose_redis_data)]).result

    assert failures(wrong, GENERATION)["TokenExistsError"] > 0
    assert logged(wrong, "MalformedTokenError") > 100
    assert failures(right, GENERATION) == {}
    assert logged(right, "MalformedTokenError") == 0


def test_count_then_add_lets_more_in_than_allowed():
    burst = {
        "script": "asks_for_one_token",
        "load": during(2.0, 40),
        "policy": {"sweep_interval_s": 9.0},
        # With a connection for everyone, more than are to be let in count at the same time.
        "pool": {"connections": 40},
    }
    right = [simulate(small(**burst), seed) for seed in range(5)]
    wrong = [simulate(small(**burst, defect="D12"), seed) for seed in range(5)]

    assert sum(result.invariants["over_capacity"] for result in wrong) > 0
    for result in wrong:
        let_in = 10 + result.invariants["over_capacity"]
        assert result.tables["token_history:ACCESS"] == let_in
    for result in right:
        assert result.invariants["over_capacity"] == 0
        assert result.tables["token_history:ACCESS"] == 10
        assert requests(result, GENERATION) == 40
