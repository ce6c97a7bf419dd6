"""A waiting room is judged by order, places, waiting and goodput."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measure.funnel import Step
from sim.measure.waiting_room import WaitingRoom, overtaken

TIMES = st.one_of(st.integers(0, 20).map(float), st.just(math.inf))


@given(st.lists(TIMES, max_size=30))
def test_places_lost_are_counted_as_by_looking_at_every_pair(got_in):
    expected = [
        sum(later < mine for later in got_in[index + 1 :]) for index, mine in enumerate(got_in)
    ]
    assert overtaken(got_in).tolist() == expected


def room(*people):
    """Users 1, 2, ... who came, got in (None: never) and reached further steps at those times."""
    found = WaitingRoom()
    for user, (came, got_in) in enumerate(people, start=1):
        found.reached(user, Step.WAITED, came)
        if got_in is not None:
            found.reached(user, Step.ADMITTED, got_in)
    return found


def test_first_come_first_served_has_no_inversions():
    metrics = room((0, 10), (1, 11), (2, 12)).metrics(60.0)
    assert metrics["order_inversions"]["count"] == 0
    assert metrics["places_lost"]["max"] == 0


def test_who_never_gets_in_has_lost_to_everyone_later_who_did():
    metrics = room((0, None), (1, 11), (2, 10)).metrics(60.0)
    assert metrics["order_inversions"]["count"] == 3
    assert metrics["places_lost"]["max"] == 2
    assert metrics["never_let_in"]["count"] == 1


def test_waiting_times_are_of_those_who_got_in_by_cohort_of_arrival():
    people = [(float(n), float(2 * n)) for n in range(8)]
    metrics = room(*people, (100.0, None)).metrics(600.0)
    assert metrics["waiting_time"]["max"] == 7_000.0
    assert metrics["waiting_time{cohort:1}"]["avg"] == 1_000.0
    assert metrics["waiting_time{cohort:4}"]["max"] == 7_000.0


def test_smooth_admissions_have_no_variation_and_a_burst_has():
    smooth = room(*[(0.0, 60.0 * minute + 1) for minute in range(5)]).metrics(300.0)
    burst = room(*[(0.0, 1.0)] * 5).metrics(300.0)
    assert smooth["admissions_per_minute"]["cv"] == 0.0
    assert burst["admissions_per_minute"]["cv"] == pytest.approx(2.0)
    assert burst["admissions"] == {"count": 5, "rate": 5 / 300}


@pytest.mark.parametrize(
    ("told", "went_up"), [([5, 3, 3, 1, 0], 0), ([5, 6, 6, 2, 3], 2), ([0, 5], 0), ([2, 0, 4], 0)]
)
def test_a_position_that_goes_up_is_counted_and_a_new_place_is_not(told, went_up):
    found = WaitingRoom()
    for position in told:
        found.told_position(1, position)
    assert found.position_went_up == went_up


def test_seats_of_those_who_never_pay_and_goodput():
    found = room((0, 1), (0, 1), (0, 1))
    for user, step in itertools.product((1, 2, 3), (Step.BOOKED,)):
        found.reached(user, step, 5.0)
    found.reached(1, Step.PAID, 9.0)
    found.reached(2, Step.SOLD_OUT, 12.0)
    found.reached(3, Step.SOLD_OUT, 20.0)
    metrics = found.metrics(120.0)
    assert metrics["goodput"]["value"] == 0.5
    assert metrics["booked_not_paid"]["count"] == 2
    assert metrics["time_to_sell_out"]["value"] == 12_000.0


def test_what_has_no_samples_is_absent():
    metrics = WaitingRoom().metrics(60.0)
    assert set(metrics) == {"goodput", "booked_not_paid"}
    assert WaitingRoom(answers_show=False).metrics(60.0) == {}


def outside(*left, sold_out=None, opens=100.0):
    """People who were never let in; each left at that time, or stayed to the end (None)."""
    found = WaitingRoom()
    found.opens_s = opens
    for user, left_s in enumerate(left, start=1):
        found.reached(user, Step.ARRIVED, 1.0)
        found.reached(user, Step.WAITED, 2.0)
        if left_s is not None:
            found.reached(user, Step.ABANDONED, left_s)
    if sold_out is not None:
        found.reached(99, Step.ADMITTED, 101.0)
        found.reached(99, Step.SOLD_OUT, sold_out)
    return found.metrics(1000.0)["shut_out"]["count"]


def test_shut_out_are_those_who_left_or_stayed_outside_while_seats_were_free():
    assert outside(50.0, 150.0, 250.0, None) == 3
    assert outside(50.0, 150.0, 250.0, None, sold_out=200.0) == 1
    assert outside(None, sold_out=200.0) == 0
