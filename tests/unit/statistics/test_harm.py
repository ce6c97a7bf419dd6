"""A change passes only if the stated harm is excluded."""

import itertools

import numpy as np
import pytest

from experiments.statistics.harm import HARM, judge_change
from experiments.statistics.stopping import looks
from experiments.statistics.thresholds import criteria
from experiments.studies.gate.decision import ERROR, judge, overall
from tests.unit.results import result


def lognormal_pairs(rng, ratio, count, deviation=0.2):
    before = 200.0 * np.exp(deviation * rng.standard_normal(count))
    after = 200.0 * ratio * np.exp(deviation * rng.standard_normal(count))
    return list(zip(before.tolist(), after.tolist(), strict=True))


@pytest.mark.parametrize(("deviation", "most"), [(0.2, 0), (0.6, 5)])
def test_a_fourfold_slowdown_does_not_pass_with_three_replications(deviation, most):
    """Of 500: none at the noise of real runs, and one in a hundred at three times that noise."""
    passed = 0
    for seed in range(500):
        pairs = lognormal_pairs(np.random.default_rng(seed), 4.0, 3, deviation)
        passed += judge_change(pairs, 1, "trend", ERROR, ERROR).outcome == "pass"
    assert passed <= most


def test_the_same_runs_pass_at_once():
    pairs = [(200.0, 200.0), (210.0, 210.0), (190.0, 190.0)]
    for kind in ("trend", "rate", "counter"):
        assert judge_change(pairs, 1, kind, ERROR, ERROR).outcome == "pass"


@pytest.mark.parametrize(
    ("kind", "before", "after", "outcome"),
    [
        ("rate", [0.0, 0.0, 0.001], [0.001, 0.002, 0.001], "pass"),
        ("rate", [0.1, 0.12, 0.11], [0.1, 0.3, 0.02], "inconclusive"),
        ("counter", [0, 0, 0], [0, 0, 0], "pass"),
        ("counter", [100, 90, 110], [300, 20, 400], "inconclusive"),
        ("counter", [100, 90, 110], [200, 190, 211], "fail"),
    ],
)
def test_shares_and_counts_are_compared_by_difference(kind, before, after, outcome):
    pairs = list(zip(before, after, strict=True))
    assert judge_change(pairs, 1, kind, ERROR, ERROR).outcome == outcome


def test_where_more_is_better_less_is_harm():
    pairs = [(100.0, 50.0), (110.0, 56.0), (90.0, 46.0)]
    assert judge_change(pairs, -1, "gauge", ERROR, ERROR).outcome == "fail"
    assert judge_change(pairs, 1, "gauge", ERROR, ERROR).outcome == "pass"


def test_below_three_pairs_nothing_is_said():
    assert judge_change([(1.0, 1.0)] * 2, 1, "trend", ERROR, ERROR) is None


def with_p95(value, seed):
    metrics = {"http_req_duration": {"p(95)": value}}
    made = result(seed)
    return type(made)(**{f: getattr(made, f) for f in made.__slots__} | {"metrics": metrics})


def share_of_passes(ratio, first, most, experiments=400, deviation=0.2):
    parsed = criteria({"http_req_duration": ["p(95)<1e9"]}, "x")
    passed = 0
    for seed in range(experiments):
        pairs = lognormal_pairs(np.random.default_rng(seed), ratio, most, deviation)
        stored = {n: with_p95(before, n) for n, (before, _) in enumerate(pairs)}
        made = [with_p95(after, n) for n, (_, after) in enumerate(pairs)]

        def runs(number, made=made):
            return list(itertools.islice(made, number))

        passed += overall(judge(parsed, looks(first, most), runs, stored)) == "pass"
    return passed / experiments


@pytest.mark.parametrize("ratio", [1.0 + HARM, 1.5, 4.0])
def test_the_whole_gate_passes_harm_in_one_of_twenty_at_most(ratio):
    """With three standard errors of 400 experiments at 5 %."""
    assert share_of_passes(ratio, first=3, most=24) <= ERROR + 3 * (ERROR * 0.95 / 400) ** 0.5


def test_enough_replications_pass_a_change_that_does_nothing():
    assert share_of_passes(1.0, first=6, most=24, experiments=100) > 0.6
