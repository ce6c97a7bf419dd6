"""Over 1,000 synthetic experiments on correlated requests, the procedure errs as often as it says.

The seeds are fixed, so that these numbers are the same in every run; `make coverage` has more.
"""

import pytest

from experiments.studies.compare.differences import Design
from tests.support.coverage import coverage, verdicts

EXPERIMENTS = 1_000


@pytest.mark.parametrize(
    "design", [Design(5), Design(5, 0.02), Design(3, 0.02)], ids=["one stage", "two", "two from 3"]
)
def test_intervals_hold_the_truth_in_93_to_97_percent_stopping_rule_included(design):
    assert 0.93 <= coverage(EXPERIMENTS, design) <= 0.97


def test_no_change_is_taken_for_one_in_about_5_percent_at_most():
    found = verdicts(EXPERIMENTS, Design(5, 0.02), alternative=0.30)
    # 5 % and three standard errors of 1,000 experiments.
    assert found.get("better", 0.0) + found.get("worse", 0.0) <= 0.07


def test_two_points_are_found_nearly_always_when_the_precision_is_half_of_them():
    found = verdicts(200, Design(5, 0.01), alternative=0.28)
    assert found["better"] >= 0.9
    assert found.get("worse", 0.0) == 0.0
