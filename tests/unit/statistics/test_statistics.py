"""Intervals, stopping rules and corrections, checked against closed forms and by coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from experiments.statistics.intervals import bounds, two_stage
from experiments.statistics.stopping import holm, looks, replications_needed, verdict_of

VALUES = [0.31, 0.28, 0.35, 0.30, 0.33]


def test_a_single_stage_gives_the_ordinary_t_interval():
    estimate = two_stage(VALUES, first=5)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(VALUES), scale=stats.sem(VALUES))
    assert (estimate.low, estimate.high) == pytest.approx((low, high))
    assert estimate.p_value == pytest.approx(stats.ttest_1samp(VALUES, 0.0).pvalue)


def test_later_replications_move_the_mean_and_never_the_variance():
    estimate = two_stage([*VALUES, 5.0, -5.0], first=5)
    error = np.std(VALUES, ddof=1) / math.sqrt(7)
    assert estimate.half_width == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert estimate.mean == pytest.approx(sum(VALUES) / 7)


def test_below_three_replications_there_is_no_interval_and_nothing_is_decided():
    estimate = two_stage([0.1, 0.2], first=2)
    assert estimate.low is None
    assert estimate.p_value is None
    assert verdict_of(estimate, None, 1.0, -1) == "undecided"


@pytest.mark.parametrize("half_width", [0.001, 0.01, 0.1])
def test_the_number_of_replications_makes_the_interval_narrow_enough_and_is_the_smallest(
    half_width,
):
    needed = replications_needed(VALUES, half_width)
    t_s = stats.t.ppf(0.975, 4) * np.std(VALUES, ddof=1)
    assert t_s / math.sqrt(needed) <= half_width
    assert needed == 5 or t_s / math.sqrt(needed - 1) > half_width


def test_two_replications_are_too_few_to_plan_with():
    with pytest.raises(ValueError, match="at least 3"):
        replications_needed([1.0, 2.0], 0.1)


def test_holm_agrees_with_its_definition_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.001]) == [pytest.approx(1.0), None, pytest.approx(0.003)]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("values", "better", "expected"),
    [
        ([-0.20, -0.21, -0.19, -0.2], -1, "better"),
        ([0.20, 0.21, 0.19, 0.2], -1, "worse"),
        ([0.20, 0.21, 0.19, 0.2], 1, "better"),
        ([0.20, 0.21, 0.19, 0.2], 0, "more"),
        ([-0.20, -0.21, -0.19, -0.2], 0, "fewer"),
        ([0.001, -0.001, 0.002, -0.002], -1, "no difference shown"),
        ([0.5, -0.5, 0.4, -0.4], -1, "undecided"),
        ([0.0, 0.0, 0.0, 0.0], -1, "no difference shown"),
    ],
)
def test_verdicts(values, better, expected):
    estimate = two_stage(values, first=4)
    assert verdict_of(estimate, estimate.p_value, 0.02, better) == expected


def test_an_interval_off_zero_that_the_correction_does_not_confirm_stays_undecided():
    estimate = two_stage([0.004, 0.006, 0.005, 0.007], first=4)
    assert not estimate.includes_zero
    assert verdict_of(estimate, 0.2, 0.02, -1) == "undecided"


def test_bounds_are_one_sided_t_bounds():
    found = bounds(VALUES, 0.05, 0.01)
    error = stats.sem(VALUES)
    assert found.low == pytest.approx(np.mean(VALUES) - stats.t.ppf(0.95, 4) * error)
    assert found.high == pytest.approx(np.mean(VALUES) + stats.t.ppf(0.99, 4) * error)
    assert bounds(VALUES[:2], 0.05, 0.05) is None


def test_looks_double_up_to_the_most():
    assert looks(5, 40) == [5, 10, 20, 40]
    assert looks(5, 23) == [5, 10, 20, 23]
    assert looks(8, 3) == [8]
