"""The comparison with the measured runs: what is compared, with which world, and how judged."""

import json
from collections import Counter
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from experiments.cli.main import main
from experiments.config.reading import read
from experiments.config.sources import read_merged, read_source
from experiments.errors import ConfigError
from experiments.statistics.intervals import FEWEST_FOR_RANKS, count_pi95, pi95, ranked_pi95
from experiments.studies.validate.comparison import (
    compare_run,
    medians,
    narrow,
    spreads,
    steady_numbers,
)
from experiments.studies.validate.measured_runs import measured_runs
from experiments.studies.validate.measurements import FITTED_RUNS, Run
from experiments.studies.validate.numbers import measured_numbers
from experiments.studies.validate.study import _worlds
from experiments.studies.validate.worlds import Preludes, config_of, estimates
from experiments.views.text.validate_text import render
from sim.service.cost_errors import CostErrors
from sim.service.costs import Costs


@pytest.fixture(scope="module")
def runs():
    return measured_runs()


@pytest.fixture(scope="module")
def worlds(runs):
    base = read_merged(read_source("measured"))
    preludes = Preludes([runs[name] for name in FITTED_RUNS])
    return {name: config_of(run, base, preludes).world for name, run in runs.items()}


def test_a_run_changes_what_its_meta_file_says_and_nothing_else(worlds):
    assert worlds["C_cap50_1000"] == worlds["C_cap50_1000_r2"]
    plain, repaired = worlds["C_cap50_1000"], worlds["D_cap50_fix12"]
    assert not plain.policy.wait_token_expires
    assert repaired.policy.wait_token_expires
    assert (repaired.policy.access_ttl_s, repaired.policy.waiting_ttl_s) == (35.0, 25.0)
    assert worlds["D_cap50_sweep"].policy.sweep_by_score
    assert worlds["C_cap20000_1000"].catalogue.capacity == 20_000
    for name, world in worlds.items():
        assert world.host == plain.host
        if name != "C_iso_cap50_1000":
            assert (world.generator, world.pool) == (plain.generator, plain.pool)


def test_time_outs_and_limits_of_a_run_are_set(worlds):
    world = worlds["C_iso_cap50_1000"]
    assert (world.pool.timeout_s, world.service.max_connections) == (1.0, 273)
    assert world.generator.request_timeout_s == 2.0


def test_every_repair_of_the_repaired_run_is_on(worlds):
    policy = worlds["D_cap50_full"].policy
    assert policy.promote_from_waiting
    assert policy.promote_by_uuid
    assert policy.position_by_uuid
    assert policy.position_is_set
    assert policy.guard_asks_queue
    assert policy.release_by_uuid
    assert policy.reissued_tokens == "not_recorded"
    assert not policy.seat_lock_owned


def test_a_literal_run_ends_while_its_users_are_there(worlds):
    load = worlds["C_literal_cap20000_3000"].load
    assert [(stage.duration_s, stage.target) for stage in load.stages] == [
        (45.0, 3000.0),
        (244.0, 3000.0),
    ]
    assert load.graceful_stop_s == 0.0


def test_a_switch_that_is_not_known_is_refused(runs, tmp_path):
    folder = tmp_path / "X_cap50_1000"
    folder.mkdir()
    text = (runs["D_cap50_sweep"].path / "meta.csv").read_text("utf-8")
    folder.joinpath("meta.csv").write_text(text.replace("cb.fix.sweep", "cb.fix.sweeep"), "utf-8")
    preludes = Preludes([runs[name] for name in FITTED_RUNS])
    with pytest.raises(ConfigError, match=r"javaopts.*sweeep.*allowed"):
        config_of(Run(folder), read_merged(read_source("measured")), preludes)


def test_long_seat_lists_leave_time_for_fewer_requests_before_the_load(worlds):
    short = worlds["C_cap50_1000"].service.requests_before
    long = worlds["C_cap20000_1000"].service.requests_before
    assert short.generation == long.generation
    assert 500 < short.seats < 700
    assert 70 < long.seats < 120


def test_every_run_has_numbers_of_every_kind(runs):
    for run in runs.values():
        numbers = measured_numbers(run)
        kinds = {name.split()[0] for name in numbers}
        assert kinds == {"failed", "requests", "iterations", "mean", "p95", "rows", "exceptions"}
        per_status = [v for n, v in numbers.items() if n.startswith("requests ")]
        assert sum(per_status) == numbers["requests"]


def test_the_warm_up_before_the_load_does_not_count(runs):
    numbers = measured_numbers(runs["C_cap20000_1000_r2"])
    assert numbers["exceptions MalformedJwtException"] == 167
    assert numbers["requests GET /v1/token/check 401"] == 167


def test_repeats_repeat_each_other_although_each_is_simulated_without_itself():
    worlds = _worlds(read("measured"), None, leave_one_out=True)
    assert len(worlds) == 12
    systems = Counter(world.system for world in worlds)
    # Three with capacity for all, two with 50, and the others once each.
    assert sorted(systems.values(), reverse=True) == [3, 2, *[1] * 7]


@pytest.mark.parametrize("count", [39, 60, 79, 200])
def test_a_fresh_value_of_any_distribution_is_between_the_ranks_19_times_of_20(count):
    rng = np.random.default_rng(count)
    values = np.exp(2.0 * rng.standard_normal((2_000, count + 1)))
    inside = 0
    for *seen, fresh in values.tolist():
        low, high = ranked_pi95(seen)
        inside += low <= fresh <= high
    rank = (count + 1) // 40
    assert inside / 2_000 == pytest.approx(1 - 2 * rank / (count + 1), abs=0.015)
    assert rank / (count + 1) <= 0.025


def test_too_few_values_for_ranks_are_judged_by_t():
    assert ranked_pi95([1.0] * (FEWEST_FOR_RANKS - 1)) is None
    # Nearly always 0, rarely many: t would hold up to 39, the ranks hold what was seen.
    seen = [{"requests": 0.0}] * 38 + [{"requests": 100.0}]
    rows = [compare_run("x", {"requests": 90.0}, seen[n:], {})["rows"][0] for n in (0, 1)]
    assert [row["inside"] for row in rows] == [True, False]
    assert [row["inside_by_t"] for row in rows] == [False, False]
    assert rows[0]["pi95"] == (0.0, 100.0)


def test_a_number_is_inside_or_not():
    simulated = [{"requests": float(v)} for v in (90, 100, 110)]
    half = float(stats.t.ppf(0.975, 2)) * 10.0 * sqrt(1 + 1 / 3)
    for measured, inside in ((100 + half + 0.4, True), (100 + half + 0.6, False)):
        table = compare_run("x", {"requests": measured}, simulated, {"requests": 4 * half})
        (row,) = table["rows"]
        assert row["inside"] is inside
        assert row["pi95"] == pytest.approx((100 - half - 0.5, 100 + half + 0.5))
        assert row["width_ratio"] == pytest.approx(0.5)
    assert narrow(table["rows"]) == (1, 1)


def test_times_and_shares_are_not_widened():
    simulated = [{"failed share": v, "mean x": v} for v in (1.0, 1.0, 1.0)]
    table = compare_run("x", {"failed share": 1.1, "mean x": 1.1}, simulated, {})
    assert [(row["pi95"], row["inside"]) for row in table["rows"]] == [((1.0, 1.0), False)] * 2


# From 5 on the interval without it holds 95 % too.
@pytest.mark.parametrize("mean", [1.0, 2.0, 3.0])
def test_intervals_of_small_counts_hold_95_percent_with_the_correction_and_fewer_without(mean):
    draws = np.random.default_rng(1).poisson(mean, (10_000, 9))
    plain = corrected = 0
    for *seen, fresh in draws.tolist():
        low, high = pi95(seen)
        plain += low <= fresh <= high
        low, high = count_pi95(seen)
        corrected += low <= fresh <= high
    assert corrected >= 0.95 * len(draws)
    assert plain < 0.95 * len(draws)


def test_what_only_the_simulation_does_is_a_number_measured_as_zero():
    simulated = [{"requests": 1.0, "requests X 500": v} for v in (7.0, 8.0, 9.0)]
    table = compare_run("x", {"requests": 1.0}, simulated, {})
    assert [(row["number"], row["inside"]) for row in table["rows"]] == [
        ("requests", True),
        ("requests X 500", False),
    ]


def test_repeats_pool_their_variance():
    groups = [[{"a": 1.0}, {"a": 3.0}], [{"a": 10.0}, {"a": 12.0}, {"a": 14.0}], [{"a": 5.0}]]
    pair, triple, single = spreads(groups)
    variance = (2.0 + 8.0) / 3
    t = stats.t.ppf(0.975, 3)
    assert pair["a"] == pytest.approx(2 * t * sqrt(variance * 1.5))
    assert triple["a"] == pytest.approx(2 * t * sqrt(variance * (1 + 1 / 3)))
    assert single == {}


def test_medians_are_judged_where_the_real_system_is_steady():
    simulated = [{"requests": 110.0, "rows b": 5.0, "failed share": 93.5}] * 3
    measured = [
        {"requests": 100.0, "rows b": 1.0, "failed share": 90.0},
        {"requests": 102.0, "rows b": 4.0, "failed share": 91.0},
    ]
    steady = steady_numbers([measured, [{"rows a": 3.0}]])
    judged = {row["number"]: row for row in medians(["x", "y"], measured, simulated, steady)}
    assert set(judged) == {"requests", "failed share"}
    assert judged["requests"]["met"]
    assert judged["failed share"]["met"]


def test_a_run_without_a_repeat_is_judged_by_what_repeats_of_others_hold():
    repeated = [{"rows a": 100.0, "rows b": 100.0}, {"rows a": 110.0, "rows b": 160.0}]
    elsewhere = [{"rows a": 50.0}, {"rows a": 90.0}]
    alone = [{"rows a": 7.0, "rows b": 7.0, "rows c": 7.0}]
    assert steady_numbers([repeated, alone]) == {"rows a"}
    assert steady_numbers([repeated, elsewhere, alone]) == set()


def test_the_table_names_every_miss():
    table = compare_run("run A", {"requests": 7.0}, [{"requests": v} for v in (1.0, 1.0, 1.0)], {})
    text = render(
        {
            "hits": 0,
            "total": 1,
            "misses": 1,
            "replications": 3,
            "seed": 1,
            "widths": {"met": 0, "total": 0},
            "medians": {"met": 0, "total": 0, "rows": []},
            "by_kind": {"requests": {"hits": 0, "total": 1}},
            "runs": [table],
        }
    )
    assert "0 of 1 measured numbers" in text
    assert "| requests | 7 | 1 | 0.5 to 1.5 | **no** |" in text


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("validate", {"total", "hits", "misses", "runs", "digest"}),
        ("calibrate", {"service_times", "parameters", "fragment"}),
    ],
)
def test_what_is_printed_as_json_has_a_schema(command, keys, capsys):
    assert main(["schema", "--output", command]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert keys | {"schema"} <= set(schema["required"]) == set(schema["properties"])


def test_a_run_that_is_left_out_has_no_part_in_its_own_costs(runs):
    base = read_merged(read_source("measured"))
    fitted = [runs[name] for name in FITTED_RUNS]
    others = [run for run in fitted if run.name != "D_cap50_sweep"]
    assert not list(estimates(fitted))
    config = config_of(runs["D_cap50_sweep"], base, Preludes(others), estimates(others))
    assert config.world.service.costs_without == "D_cap50_sweep"
    # Its listener did not fail: three of the six others did.
    assert config.world.broker.listener_fails_probability == pytest.approx(3 / 6)
    assert Costs.load(without="D_cap50_sweep") != Costs.load()
    assert CostErrors.load("D_cap50_sweep") != CostErrors.load()


@pytest.mark.parametrize("name", FITTED_RUNS)
def test_a_cost_table_without_each_fitted_run_is_shipped(name):
    assert Costs.load(without=name).generator.request_s > 0.0
    assert CostErrors.load(name).independent
