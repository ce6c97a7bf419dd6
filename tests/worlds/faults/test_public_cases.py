"""Situations from public reports about load tests, pools, sockets and queues; docs/cases.md."""

from dataclasses import replace

import numpy as np
import pytest

from sim.faults.settings import JvmPause
from sim.load.plan import ramping_arrivals, ramping_plan
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    Stage,
)
from sim.run import simulate
from tests.support.world_small import small
from tests.unit.sim.test_local_ports import failures

CUSTOMERS = "tests.support.public_case_customers"


def world(script, load, *, pause_s=0.5, **parts):
    """A small world whose customers pause for `pause_s`."""
    customer = {"script": f"{CUSTOMERS}:{script}", "think_low_s": pause_s, "think_high_s": pause_s}
    return small(load=load, customer=customer, **parts)


def arrivals(rate, duration_s, vus, most=None):
    """So many iterations a second."""
    return ConstantArrivalRate(
        "constant-arrival-rate",
        duration_s=duration_s,
        rate=rate,
        pre_allocated_vus=vus,
        max_vus=most,
        graceful_stop_s=30.0,
    )


def users(count, duration_s):
    """So many users without a pause of the load's own."""
    return ConstantVUs("constant-vus", duration_s=duration_s, vus=count, graceful_stop_s=30.0)


def test_one_user_of_two_second_iterations_makes_every_other_of_one_a_second():
    run = simulate(world("naps", arrivals(1.0, 29.9, 1), pause_s=1.9), 1)
    assert run.metrics["iterations"]["count"] == 15
    assert run.metrics["dropped_iterations"]["count"] == 15


def test_two_users_reach_what_their_iterations_allow_of_fifty_a_second():
    run = simulate(world("naps", arrivals(50.0, 30.0, 2), pause_s=0.147), 1)
    assert run.metrics["iterations"]["rate"] == pytest.approx(2 / 0.147, rel=0.1)


def test_further_users_are_made_one_at_a_time_and_what_came_meanwhile_is_dropped():
    run = simulate(world("naps", arrivals(30.0, 30.0, 2, most=50), pause_s=0.5), 1)
    assert 15 <= run.metrics["vus_max"]["value"] <= 17
    dropped = run.metrics["dropped_iterations"]["count"]
    assert dropped >= 13
    assert run.metrics["iterations"]["count"] + dropped == pytest.approx(900, abs=2)


@pytest.mark.parametrize(
    ("rate", "reuse", "first_s"),
    [
        pytest.param(470.0, 2, None, id="470 a second is what 28,232 ports and a minute allow"),
        pytest.param(600.0, 2, 28_232 / 600, id="600 a second for 47 s"),
        pytest.param(1_000.0, 2, 28_232 / 1_000, id="1,000 a second for 28 s"),
        pytest.param(1_000.0, 1, None, id="1,000 a second with tcp_tw_reuse"),
    ],
)
def test_new_connections_to_another_machine_last_as_long_as_its_ports(rate, reuse, first_s):
    failed = failures(
        rate,
        70.0,
        service={"keep_alive_requests": 1},
        network={"one_way_s": 1e-6},
        generator={"tcp_tw_reuse": reuse, "local_ports": 28_232},
    )
    if first_s is None:
        assert failed == []
    else:
        assert failed[0] == pytest.approx(first_s, rel=0.02)


def test_kept_connections_need_a_port_for_each_user_that_waits():
    # The server answers too slowly: every arrival needs another connection.
    slow = {"generator": {"local_ports": 100}, "network": {"one_way_s": 5.0}}
    run = simulate(world("asks_and_waits", arrivals(20.0, 20.0, 500), pause_s=0.0, **slow), 1)
    assert run.errors["POST /v1/token/generation"]["PortsExhausted"] > 100


def test_a_ramp_of_less_than_a_user_a_second_is_spread_over_all_of_it():
    plan = ramping_plan(RampingVUs(stages=(Stage(300.0, 10),)))
    assert [step.at_s for step in plan.wanted[1:11]] == pytest.approx(
        [30.0 * n for n in range(1, 11)]
    )
    starts = RampingArrivalRate(
        "ramping-arrival-rate",
        (Stage(300.0, 10),),
        pre_allocated_vus=1,
        start_rate=10.0,
        time_unit_s=60.0,
    )
    assert np.diff(list(ramping_arrivals(starts))) == pytest.approx(6.0)


def test_an_open_load_piles_up_as_many_users_as_come_while_one_stays():
    run = simulate(world("naps", arrivals(100.0, 20.0, 500), pause_s=2.0), 1)
    assert run.series["vus"][10] == pytest.approx(200, abs=3)


@pytest.mark.parametrize("answer_s", [0.1, 0.5])
def test_pacing_keeps_the_rate_whatever_the_answers_take(answer_s):
    paced = {"generator": {"min_iteration_s": 3.0}}
    run = simulate(world("naps", users(30, 30.0), pause_s=answer_s, **paced), 1)
    assert run.metrics["iterations"]["count"] == pytest.approx(300, abs=30)


@pytest.mark.parametrize("answer_s", [0.5, 1.0])
def test_a_constant_pause_makes_fewer_requests_when_answers_are_slow(answer_s):
    slow = {"network": {"one_way_s": answer_s / 2}}
    run = simulate(world("asks_and_waits", users(20, 60.0), pause_s=5.0, **slow), 1)
    assert run.metrics["http_reqs"]["rate"] == pytest.approx(20 / (5.0 + answer_s), rel=0.12)


def test_equal_pauses_keep_users_in_step_and_make_each_other_wait():
    found = {}
    for script in ("asks_and_waits", "asks_and_waits_at_random"):
        host = {"host": {"cores": 1.0}}
        run = simulate(world(script, users(40, 30.0), pause_s=1.0, **host), 1)
        found[script] = run.metrics["http_req_duration"]["med"]
    assert found["asks_and_waits"] > 1.2 * found["asks_and_waits_at_random"]


def test_a_closed_load_hides_a_service_that_stands_still_for_half_the_time():
    found = {}
    pause = JvmPause("jvm_pause", 7.0, 15.0)
    for name, load in (("closed", users(1, 30.0)), ("open", arrivals(20.0, 30.0, 600))):
        paused = replace(world("asks_and_waits", load, pause_s=0.01), faults=(pause,))
        found[name] = simulate(paused, 1).metrics["http_req_duration"]["avg"]
    assert found["closed"] < 100.0
    assert found["open"] == pytest.approx(15_000.0 * 15 / 2 / 30, rel=0.15)


def slow_database(connections):
    """Forty users at once whose statements are slow, and a pool whose patience is a second."""
    parts = {
        "pool": {"connections": connections, "timeout_s": 1.0},
        "database": {"speed": 0.002},
        "host": {"cores": 64.0},
    }
    return simulate(world("asks_and_waits", users(40, 10.0), pause_s=0.0, **parts), 1)


def test_a_pool_that_is_too_small_fails_requests_just_after_its_timeout():
    told = []
    parts = {"pool": {"connections": 1, "timeout_s": 1.0}, "database": {"speed": 0.002}}
    simulate(
        world("asks_and_waits", users(40, 10.0), pause_s=0.0, host={"cores": 64.0}, **parts),
        1,
        listener=lambda _, _endpoint, status, duration_s: told.append((status, duration_s)),
    )
    failed = [duration_s for status, duration_s in told if status == 500]
    assert len(failed) > 20
    assert min(failed) >= 1.0
    assert np.median(failed) < 1.5


def test_no_more_statements_run_at_once_than_the_pool_and_its_overflow_have():
    run = slow_database(15)
    assert run.series["pool_active"].max() == 15
    assert run.series["pool_pending"].max() > 0


def test_a_pool_as_large_as_its_users_fails_nobody():
    assert "PoolTimeoutError" not in slow_database(40).errors.get("POST /v1/token/generation", {})


def queue(**policy):
    """Thirty people, ten let in at once for twenty seconds."""
    load = PerVUIterations("per-vu-iterations", vus=30, iterations=1, max_duration_s=500.0)
    policy = {"access_ttl_s": 20.0, "waiting_ttl_s": 300.0, "sweep_interval_s": 1.0, **policy}
    return simulate(
        world(
            "queues_and_the_middle_third_leaves", load, policy=policy, catalogue={"capacity": 10}
        ),
        1,
    )


def test_people_who_leave_the_queue_do_not_stop_it():
    run = queue(absence_s=10.0)
    # Ten left; everyone else was let in, and soon.
    assert run.metrics["admissions"]["count"] == pytest.approx(20, abs=2)
    assert run.metrics["waiting_time"]["max"] < 60_000.0


def test_without_a_rule_for_absence_those_behind_wait_for_places_nobody_takes():
    with_rule, without = queue(absence_s=10.0), queue()
    assert without.metrics["waiting_time"]["max"] > with_rule.metrics["waiting_time"]["max"]


def test_who_left_is_not_counted_as_waiting_for_ever():
    assert queue(absence_s=10.0).series["waiting"][-1] == 0


def test_the_last_seat_is_sold_once_where_its_lock_has_an_owner():
    load = PerVUIterations("per-vu-iterations", vus=30, iterations=1, max_duration_s=30.0)
    right = simulate(small(script="books_seat_one", load=load, catalogue={"capacity": 50}), 1)
    assert right.tables["booked_seats"] == 1
    assert right.invariants["oversold"] == 0
    assert right.outcomes["POST /v1/concerts/{id}/booking"]["409"] == 29
