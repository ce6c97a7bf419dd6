"""Two scales of one config are compared by shares and durations."""

import pytest

from experiments.config.reading import read
from experiments.errors import ConfigError
from experiments.runs.options import RunOptions
from experiments.statistics.summary import Setup, summarise
from experiments.statistics.verdict import Terms
from experiments.studies.two_scales import check_scale, compare_scales, remarks
from tests.unit.statistics.test_verdict import sale


def summary(scale, **changes):
    return summarise(Setup("x", 1, 1, scale, {}, terms=Terms()), {0: sale(**changes)}, 1.0)


def test_what_agrees_and_what_differs_is_named():
    check = compare_scales(summary(0.1), summary(0.3, failed=58))
    assert not check["same_outcome"]
    off = {row["name"] for row in check["rows"] if not row["agrees"]}
    assert off == {"booking failed"}
    first, differs, agrees = remarks(check)
    assert "different verdicts" in first
    assert "booking failed" in differs
    assert "seats sold" in agrees


def test_the_same_runs_agree_in_everything():
    check = compare_scales(summary(0.1), summary(0.3))
    assert check["same_outcome"]
    assert all(row["agrees"] for row in check["rows"])
    assert len(list(remarks(check))) == 1


def test_full_size_has_nothing_larger_to_compare_with():
    with pytest.raises(ConfigError, match="needs --scale below 1"):
        check_scale(read("smoke"), RunOptions(), summary(1.0))
