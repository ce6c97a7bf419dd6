"""What the defects around seats do: D9, D10, F17, and the outbox row of a payment."""

import pytest

from sim.customers.shop import BOOKING, SEATS
from sim.run import simulate
from tests.support.world_small import during, failures, logged, requests, small


def lost_races(result):
    causes = failures(result, BOOKING)
    return causes.get("SeatTakenError", 0) + causes.get("SeatLockedError", 0)


def test_when_everyone_takes_the_first_free_seat_most_bookings_are_conflicts():
    # All are let in at once, and think about it.
    rush = {"catalogue": {"capacity": 30, "seats": 1_000}, "load": during(8.0, 30)}
    right = simulate(small(**rush), seed=1)
    wrong = simulate(small(**rush, customer={"picks_random_seat": False}), seed=1)

    assert lost_races(wrong) > requests(wrong, BOOKING) / 2
    assert lost_races(right) <= 4
    assert right.funnel["paid"] == 30
    # Who lost looks, thinks and tries again, at a seat that others are after as well.
    assert requests(wrong, BOOKING) > 2 * requests(right, BOOKING)
    assert right.invariants["oversold"] == wrong.invariants["oversold"] == 0


CROWD = {"script": "books_seat_one", "catalogue": {"capacity": 40}, "load": during(3.0, 20)}


def test_two_people_hold_one_seat_when_its_lock_goes_before_the_commit():
    results = [simulate(small(**CROWD, defect="D10"), seed) for seed in range(8)]

    assert sum(result.invariants["oversold"] for result in results) > 0
    assert all(result.tables["booking"] >= 1 for result in results)


def test_an_owned_lock_sells_a_seat_once_whoever_comes():
    results = [simulate(small(**CROWD), seed) for seed in range(8)]

    assert [result.tables["booking"] for result in results] == [1] * 8
    assert {result.invariants["oversold"] for result in results} == {0}
    for result in results:
        assert lost_races(result) == 19


SOLD_OUT = {
    "script": "books_and_lists",
    "catalogue": {"seats": 6, "capacity": 10},
    "load": during(4.0, 6),
}


def test_a_sold_out_list_is_an_error_of_the_server_unless_mended():
    right = simulate(small(**SOLD_OUT), seed=1)
    wrong = simulate(small(**SOLD_OUT, policy={"sold_out_is_empty": False}), seed=1)

    assert right.tables["seat:occupied"] == wrong.tables["seat:occupied"] == 6
    assert right.outcomes[SEATS] == {"200": 6}
    assert wrong.outcomes[SEATS] == {"500": 6}
    assert failures(wrong, SEATS) == {"NoFreeSeatError": 6}


def test_who_finds_everything_sold_is_accounted_for_as_such():
    result = simulate(small(catalogue={"seats": 12, "capacity": 30}), seed=1)

    assert result.funnel["paid"] == 12
    assert result.funnel["sold_out"] == 18
    assert result.tables["payment"] == 12
    # What fails is a race for a seat, nothing else.
    assert set(result.errors) <= {BOOKING}
    assert requests(result, BOOKING) - lost_races(result) == 12


def test_a_payments_event_is_marked_by_its_own_id_or_another_row_is():
    right = simulate(small(), seed=1)
    wrong = simulate(small(policy={"outbox_row_by_its_id": False}), seed=1)

    assert right.funnel["paid"] == wrong.funnel["paid"] == 30
    assert right.tables["outbox:PUBLISHED"] == right.tables["outbox"] == 60
    assert logged(right, "OutboxRowMissingError") == 0
    assert logged(wrong, "OutboxRowMissingError") > 0


@pytest.mark.parametrize("seed", range(4))
def test_nobody_takes_a_page_that_is_gone_for_a_sold_out_concert(seed):
    # As many seats as people, and pages that vanish while they are looked at.
    rush = {
        "policy": {"seat_page_size": 5},
        "catalogue": {"capacity": 40, "seats": 40},
        "customer": {"think_low_s": 0.0, "think_high_s": 0.1},
        "load": during(15.0, 40),
    }
    result = simulate(small(**rush), seed)

    assert result.funnel["sold_out"] == 0
    assert result.funnel["paid"] == 40
