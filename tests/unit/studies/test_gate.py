"""A gate decides on confidence bounds, errs as rarely as it says, and never takes nothing for 0."""

import dataclasses
import itertools
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from experiments.statistics.stopping import looks
from experiments.statistics.thresholds import criteria
from experiments.studies.gate.decision import ERROR, judge, overall
from experiments.views.text.gate_text import junit, markdown, render, workflow_commands
from tests.support.synthetic import Experiment
from tests.unit.results import result


def with_rate(rate, seed=1):
    run = result(seed)
    return dataclasses.replace(run, metrics={**run.metrics, "http_req_failed": {"rate": rate}})


def runs_of(rates):
    made = [with_rate(rate, seed) for seed, rate in enumerate(rates)]
    return lambda number: made[:number]


def gate(rates, expression="rate<0.3", baseline=None, metric="http_req_failed", plan=(4, 8)):
    stored = None
    if baseline is not None:
        stored = {seed: with_rate(rate, seed) for seed, rate in enumerate(baseline)}
    return judge(criteria({metric: [expression]}, "x"), plan, runs_of(rates), stored)


NOISE = [-0.01, 0.01, -0.005, 0.005, 0.0, 0.002, -0.002, 0.001]


def around(centre):
    return [centre + noise for noise in NOISE]


@pytest.mark.parametrize(
    ("centre", "expression", "outcome"),
    [
        (0.2, "rate<0.3", "pass"),
        (0.4, "rate<0.3", "fail"),
        (0.3, "rate<0.3", "inconclusive"),
        (0.4, "rate>0.3", "pass"),
        (0.2, "rate>=0.3", "fail"),
        (0.2, "rate==0.3", "fail"),
        (0.3, "rate==0.3", "inconclusive"),
        (0.2, "rate!=0.3", "pass"),
        (0.3, "rate!=0.3", "inconclusive"),
    ],
)
def test_the_bound_decides_and_not_the_mean(centre, expression, outcome):
    (check,) = gate(around(centre), expression)
    assert check["outcome"] == outcome


@pytest.mark.parametrize(
    ("expression", "outcome"), [("rate==0", "pass"), ("rate!=0", "fail"), ("rate<=0", "pass")]
)
def test_a_number_that_never_varies_is_taken_for_certain(expression, outcome):
    (check,) = gate([0.0] * 8, expression)
    assert check["outcome"] == outcome


def test_one_run_that_meets_a_threshold_decides_nothing():
    (check,) = gate([0.1], plan=(1, 2))
    assert check["outcome"] == "inconclusive"
    assert "below 3 replications" in check["reason"]


def test_more_replications_are_made_only_while_they_can_decide():
    asked = []

    def runs(number):
        asked.append(number)
        return runs_of(around(0.2))(number)

    judge(criteria({"http_req_failed": ["rate<0.9"]}, "x"), [4, 8], runs)
    judge(criteria({"checks": ["rate>0.9"]}, "x"), [4, 8], runs)
    judge(criteria({"http_req_failed": ["rate<0.2"]}, "x"), [4, 8], runs)
    assert asked == [4, 4, 4, 8]


def test_a_metric_without_samples_is_inconclusive_and_has_no_value():
    (check,) = gate(around(0.2), "rate>0.5", metric="checks")
    assert (check["outcome"], check["value"], check["reason"]) == (
        "inconclusive",
        None,
        "no samples",
    )


def test_abort_on_fail_ends_the_gate_with_other_thresholds_open():
    asked = []

    def runs(number):
        asked.append(number)
        return runs_of(around(0.3))(number)

    thresholds = {"http_req_failed": ["rate<0.3", "rate<0.1"]}
    judge(criteria(thresholds, "x"), [4, 8], runs)
    parsed = criteria(thresholds, "x")
    parsed[1] = dataclasses.replace(parsed[1], abort_on_fail=True)
    checks = judge(parsed, [4, 8], runs)
    assert asked == [4, 8, 4]
    assert [check["outcome"] for check in checks] == ["inconclusive", "fail"]
    assert overall(checks) == "fail"


def test_worse_than_the_baseline_fails_even_below_the_threshold():
    worse = [rate + 0.01 + noise / 50 for rate, noise in zip(around(0.1), NOISE, strict=True)]
    threshold, against = gate(worse, baseline=around(0.1))
    assert threshold["outcome"] == "pass"
    assert against["outcome"] == "fail"
    assert against["value"] == pytest.approx(0.01, abs=1e-4)


@pytest.mark.parametrize("change", [0.0, -0.05])
def test_no_worse_than_the_baseline_passes(change):
    checks = gate(around(0.1 + change), baseline=around(0.1))
    assert overall(checks) == "pass"


def test_more_is_worse_or_better_as_the_threshold_says():
    checks = gate(around(0.8), "rate>0.1", baseline=around(0.9))
    assert [check["outcome"] for check in checks] == ["pass", "fail"]


def test_a_baseline_without_common_seeds_is_inconclusive():
    stored = {1000 + seed: with_rate(0.1, 1000 + seed) for seed in range(8)}
    checks = judge(
        criteria({"http_req_failed": ["rate<0.3"]}, "x"), [4], runs_of(around(0.1)), stored
    )
    assert [check["outcome"] for check in checks] == ["pass", "inconclusive"]


def shares(experiments, rate, limit):
    """Outcome -> share of gates over synthetic experiments of correlated requests."""
    plan = looks(5, 40)
    outcomes = dict.fromkeys(("pass", "fail", "inconclusive"), 0)
    parsed = criteria({"http_req_failed": [f"rate<{limit}"]}, "x")
    for seed in range(experiments):
        experiment = Experiment(np.random.default_rng(seed), rate, rate, shared=1.0, requests=1_000)

        def runs(number, experiment=experiment):
            experiment.extend(number)
            return [with_rate(one) for one in itertools.islice(experiment.base, number)]

        outcomes[overall(judge(parsed, plan, runs))] += 1
    return {outcome: count / experiments for outcome, count in outcomes.items()}


def test_false_alarms_and_false_passes_are_at_most_what_the_gate_states():
    """At the limit itself, where both errors are likeliest, over 1,000 experiments."""
    found = shares(1_000, rate=0.3, limit=0.3)
    assert found["fail"] <= ERROR
    assert found["pass"] <= ERROR


def test_five_points_off_the_limit_the_gate_decides_rightly_nearly_always():
    assert shares(150, rate=0.25, limit=0.30)["pass"] >= 0.95
    assert shares(150, rate=0.35, limit=0.30)["fail"] >= 0.95


@pytest.fixture
def found():
    checks = judge(
        criteria({"http_req_failed": ["rate<0.3", "rate<0.1"], "checks": ["rate>0.9"]}, "x"),
        [4],
        runs_of(around(0.2)),
    )
    return {
        "schema": 1,
        "config": "mine",
        "seed": 1,
        "scale": 1.0,
        "outcome": overall(checks),
        "false_alarm_rate": ERROR,
        "replications": 4,
        "looks": [4],
        "partial": False,
        "checks": checks,
        "digest": "0" * 64,
        "wall_seconds": 1.0,
        "runs": [],
    }


def test_junit_counts_failures_and_errors(found):
    suite = ET.fromstring(junit(found).split("\n", 1)[1]).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [len(case) for case in suite.iter("testcase")] == [0, 1, 1]


def test_the_text_and_the_markdown_name_every_check(found):
    for text in (render(found), markdown(found)):
        assert "http_req_failed: rate<0.3" in text
        assert "FAIL" in text
        assert "no samples" in text


def test_a_pull_request_gets_an_error_and_a_warning(found):
    lines = list(workflow_commands(found, "dir:a,b.toml"))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning"]
    assert "file=dir%3Aa%2Cb.toml" in lines[0]
