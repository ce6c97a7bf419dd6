"""`--budget` is a number of runs or a wall time, and nothing else."""

import pytest

from experiments.runs.budget import Budget


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("200", Budget(runs=200)),
        ("90s", Budget(duration_s=90.0)),
        ("1h30m", Budget(duration_s=5_400.0)),
        ("0.5m", Budget(duration_s=30.0)),
    ],
)
def test_budgets_are_read(text, expected):
    assert Budget.parse(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-3", "2d", "1h 30m", "0s", "nan", "1e3"])
def test_everything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(ValueError, match="allowed: a number of runs"):
        Budget.parse(text)


def test_a_purse_is_empty_when_its_runs_are_spent():
    purse = Budget(runs=2).started()
    purse.spent_runs = 1
    assert not purse.empty
    purse.spent_runs = 2
    assert purse.empty


def test_a_purse_without_limits_is_never_empty():
    purse = Budget().started()
    purse.spent_runs = 10**9
    assert not purse.empty
    assert Budget(duration_s=1e-9).started().empty
