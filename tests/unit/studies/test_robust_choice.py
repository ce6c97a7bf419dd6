"""The robust choice: by the worst worlds first, and never by failed requests alone."""

from experiments.studies.compare.robust_choice import Candidate, first_choices


def effect(low, median, high):
    return {"helps": None, "harms": None, "median": median, "low": low, "high": high}


def candidate(name, cost, booked, failed=(0.0, 0.0, 0.0)):
    return Candidate(name, cost, {"bookings": effect(*booked), "failed": effect(*failed)})


def names(*candidates):
    return [(choice["cost"], choice["name"]) for choice in first_choices(candidates)]


def test_what_sells_in_the_worst_worlds_comes_before_what_sells_most_in_the_middle():
    risky = candidate("risky", 1.0, (-5.0, 100.0, 400.0))
    safe = candidate("safe", 1.0, (3.0, 10.0, 20.0))
    assert names(risky, safe) == [(1.0, "safe")]


def test_fewer_failures_that_sell_nothing_lose_against_seats():
    quiet = candidate("quiet", 0.5, (0.0, 0.0, 0.0), (-0.9, -0.6, 0.0))
    sells = candidate("sells", 1.0, (0.0, 8.0, 20.0), (-0.1, 0.0, 0.1))
    assert names(quiet, sells) == [(0.5, "quiet"), (1.0, "sells")]


def test_a_dearer_variant_is_named_only_if_it_is_better_than_all_cheaper_ones():
    cheap = candidate("cheap", 1.0, (5.0, 10.0, 20.0))
    dear = candidate("dear", 2.0, (5.2, 10.3, 20.0), (0.001, 0.001, 0.001))
    best = candidate("best", 3.0, (9.0, 9.0, 9.0))
    found = first_choices([best, dear, cheap])
    assert [choice["name"] for choice in found] == ["cheap", "best"]
    assert [choice["better_than"] for choice in found] == [0, 2]


def test_what_is_worse_than_nothing_is_no_choice():
    assert names(candidate("harm", 0.0, (-3.0, 2.0, 9.0))) == []
    assert names() == []
