"""When users come and go and iterations start, by hand."""

from itertools import pairwise

import pytest

from sim.load.plan import (
    constant_arrivals,
    constant_plan,
    ramping_arrivals,
    ramping_plan,
)
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    RampingArrivalRate,
    RampingVUs,
    Stage,
)


def ramp(*stages, start=0, down=30.0, stop=30.0):
    return RampingVUs(
        stages=tuple(Stage(*stage) for stage in stages),
        start_vus=start,
        graceful_ramp_down_s=down,
        graceful_stop_s=stop,
    )


def wanted(load):
    return [(round(step.at_s, 9), step.vus) for step in ramping_plan(load).wanted]


def allowed(load):
    return [(round(step.at_s, 9), step.vus) for step in ramping_plan(load).allowed]


def test_on_the_way_up_the_last_user_comes_at_the_end_of_the_stage():
    assert wanted(ramp((10, 5), (10, 5))) == [
        (0, 0),
        (2, 1),
        (4, 2),
        (6, 3),
        (8, 4),
        (10, 5),
        (20, 0),
    ]


def test_on_the_way_down_the_first_user_goes_a_step_after_the_beginning():
    assert wanted(ramp((8, 0), start=4)) == [(0, 4), (2, 3), (4, 2), (6, 1), (8, 0)]


def test_a_stage_without_length_jumps():
    assert wanted(ramp((5, 3), (0, 9), (5, 9), start=3)) == [(0, 3), (5, 9), (10, 0)]


def test_users_are_interrupted_one_graceful_period_after_they_were_ramped_down():
    assert allowed(ramp((2, 0), (20, 0), start=2, down=5))[1:] == [(6, 1), (7, 0)]


def test_users_wanted_again_in_time_are_not_interrupted():
    load = ramp((1, 1), (1, 2), (9, 2), start=2, down=5, stop=7)
    assert allowed(load) == [(0, 2), (18, 0)]


def test_the_documented_example_of_k6():
    load = ramp((2, 6), (5, 1), (4, 5), (4, 1), (3, 4), (1, 4), (3, 1), (0, 0), start=4)
    assert allowed(load)[-1][1] == 0
    plan = ramping_plan(load)
    assert plan.most == 6
    assert plan.regular_s == 22
    # The six users of second 2 are ramped down from second 3 on.
    assert next(step for step in plan.allowed if step.at_s > 2) == (33, 5)


def test_the_graceful_stop_cuts_the_graceful_ramp_down_short():
    load = ramp((4, 0), start=4, down=30, stop=2)
    assert allowed(load) == [(0, 4), (6, 0)]
    assert ramping_plan(load).end_s == 6


def test_a_ramp_to_nobody_ends_the_load_before_the_graceful_stop():
    assert ramping_plan(ramp((4, 0), start=4, down=3, stop=30)).end_s == 7


def test_stages_of_nobody_at_the_end_are_not_waited_for():
    plan = ramping_plan(ramp((4, 0), (60, 0), start=4, down=3))
    assert (plan.regular_s, plan.end_s) == (4, 7)


def test_without_a_graceful_period_going_and_interruption_are_one():
    load = ramp((4, 0), start=2, down=0, stop=0)
    assert allowed(load) == wanted(load) == [(0, 2), (2, 1), (4, 0)]


def test_the_order_at_equal_times_is_first_ramp_then_interrupt():
    load = ramp((4, 0), start=2, down=0, stop=0)
    order = [(step.at_s, is_wanted) for step, is_wanted in ramping_plan(load).in_order()]
    assert order == [(0, True), (0, False), (2, True), (2, False), (4, True), (4, False)]


def test_constant_users_are_one_step_up_and_one_down():
    plan = constant_plan(ConstantVUs("constant-vus", 60.0, 7, 5.0))
    assert plan.wanted == ((0, 7), (60, 0))
    assert plan.allowed == ((0, 7), (65, 0))
    assert (plan.most, plan.regular_s, plan.end_s) == (7, 60, 65)


def constant_times(duration_s, rate, time_unit_s=1.0):
    load = ConstantArrivalRate("constant-arrival-rate", duration_s, rate, 1, time_unit_s)
    return list(constant_arrivals(load))


def ramping_times(*stages, start_rate=0.0, time_unit_s=1.0):
    load = RampingArrivalRate(
        "ramping-arrival-rate", tuple(Stage(*s) for s in stages), 1, start_rate, time_unit_s
    )
    return list(ramping_arrivals(load))


def test_constant_arrivals_begin_at_once_and_go_on_to_the_very_end():
    assert constant_times(2, 2) == [0, 0.5, 1, 1.5, 2]
    assert constant_times(1.9, 2) == [0, 0.5, 1, 1.5]
    assert constant_times(60, 3, time_unit_s=60) == [0, 20, 40, 60]


def test_a_period_cut_to_nanoseconds_makes_room_for_one_more():
    assert len(constant_times(1, 3)) == 4
    assert constant_times(1, 3)[-1] == 0.999999999


def test_ramping_arrivals_come_when_the_area_under_the_rate_is_whole():
    assert ramping_times((2, 4)) == pytest.approx([1, 2**0.5, 3**0.5, 2])
    assert ramping_times((2, 0), start_rate=4) == pytest.approx(
        [2 - 3**0.5, 2 - 2**0.5, 1, 2], abs=1e-6
    )


def test_a_part_of_an_arrival_is_carried_into_the_next_stage():
    assert ramping_times((0.75, 2), (1, 2), start_rate=2) == pytest.approx([0.5, 1, 1.5])
    assert ramping_times((0.75, 2), (0, 4), (0.5, 4), start_rate=2) == pytest.approx(
        [0.5, 0.875, 1.125]
    )


def test_nothing_arrives_at_rate_nought():
    times = ramping_times((1, 10), (0, 0), (5, 0), (0, 10), (1, 10), start_rate=10)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 20
    assert max(gaps) == pytest.approx(5.1)
