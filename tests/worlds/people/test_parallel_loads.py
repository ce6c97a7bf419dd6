"""Several loads at once, thresholds that end a run, and limits on requests and iterations."""

from dataclasses import replace

import pytest

from experiments.config.reading import load
from experiments.statistics.thresholds import criteria, watched
from sim.load.settings import ConstantArrivalRate, ConstantVUs, PerVUIterations, RampingVUs, Stage
from sim.measure.watched import Watched
from sim.run import simulate
from sim.scale import scaled
from tests.support.world_small import SMALL, small

CUSTOMERS = "tests.support.world_customers"
WARM_UP = ConstantVUs(
    "constant-vus", duration_s=4.0, vus=3, graceful_stop_s=0.0, scenario="warm-up"
)
SPIKE = ConstantArrivalRate(
    "constant-arrival-rate",
    duration_s=1.99,
    rate=10.0,
    pre_allocated_vus=5,
    scenario="spike",
    start_s=6.0,
    script=f"{CUSTOMERS}:asks_for_tokens",
)


@pytest.fixture(scope="module")
def warm_up_and_spike():
    told = []
    run = simulate(
        small(load=(WARM_UP, SPIKE)),
        seed=1,
        listener=lambda time_s, endpoint, *_: told.append((time_s, endpoint)),
    )
    return run, told


def test_each_load_has_its_users_its_start_and_its_script(warm_up_and_spike):
    run, told = warm_up_and_spike
    assert run.metrics["vus_max"]["value"] == 3 + 5
    late = [endpoint for time_s, endpoint in told if time_s > 5.0]
    assert set(late) == {"POST /v1/token/generation"}
    assert len(late) == 20
    assert not [time_s for time_s, _ in told if 4.5 < time_s < 6.0]


def test_metrics_of_each_scenario_add_up_to_those_of_all(warm_up_and_spike):
    run, _ = warm_up_and_spike
    for metric in ("http_reqs", "iterations"):
        parts = [run.metrics[f"{metric}{{scenario:{name}}}"] for name in ("warm-up", "spike")]
        assert sum(part["count"] for part in parts) == run.metrics[metric]["count"]
    assert run.metrics["iterations{scenario:spike}"]["count"] == 20
    label = "{endpoint:POST /v1/token/generation,scenario:spike}"
    assert run.metrics[f"http_req_duration{label}"]["avg"] > 0.0


def test_thresholds_can_ask_for_one_scenario(warm_up_and_spike):
    run, _ = warm_up_and_spike

    def value(name, expression):
        (criterion,) = criteria({name: (expression,)}, "mine.toml")
        return criterion.measure.of(run)

    assert value("http_reqs{scenario:spike}", "count>1") == 20
    assert value("http_reqs{scenario:spike,status:200}", "count>1") == 20
    assert value("http_reqs{scenario:spike,status:500}", "count>1") is None
    assert value("http_req_duration{scenario:spike}", "p(95)<1") > 0.0


def test_the_same_loads_and_seed_give_the_same_run_again(warm_up_and_spike):
    assert simulate(small(load=(WARM_UP, SPIKE)), seed=1).digest == warm_up_and_spike[0].digest


def test_one_load_alone_is_the_run_that_it_was():
    alone = simulate(SMALL, seed=1)
    named = simulate(replace(SMALL, load=replace(SMALL.load, scenario="all")), seed=1)
    assert named.digest == simulate(replace(SMALL, load=(SMALL.load,)), seed=1).digest
    assert named.digest == alone.digest


def test_every_load_is_scaled():
    half = scaled(small(load=(WARM_UP, replace(SPIKE, pre_allocated_vus=0, max_vus=4))), 0.5)
    assert [half.load[0].vus, half.load[1].rate, half.load[1].max_vus] == [2, 5.0, 2]
    assert half.load[1].pre_allocated_vus == 0


def test_users_that_are_not_allocated_are_made_when_they_are_missed():
    run = simulate(small(load=replace(SPIKE, pre_allocated_vus=0, max_vus=2, start_s=0.0)), seed=1)
    assert run.metrics["vus_max"]["value"] >= 1
    assert run.metrics["dropped_iterations"]["count"] >= 1
    assert run.metrics["iterations"]["count"] > 10


def config(tmp_path, thresholds, more=""):
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "smoke"\n{more}\n[thresholds]\n{thresholds}\n', encoding="utf-8")
    return load(str(path))


ALWAYS = '{ threshold = "rate<0", abortOnFail = true'


def test_abort_on_fail_ends_the_load_at_the_first_look(tmp_path):
    found = config(tmp_path, f"http_req_failed = [{ALWAYS} }}]")
    run = simulate(found.world, 1, watched=watched(found))
    assert (run.ended, run.simulated_s) == ("threshold_crossed", 2.0)
    assert "http_req_failed: rate<0: crossed after 2 s" in run.notes[0]
    assert run.metrics["interrupted_iterations"]["count"] > 0


def test_delay_abort_eval_lets_the_load_go_on(tmp_path):
    found = config(tmp_path, f'http_req_failed = [{ALWAYS}, delayAbortEval = "5s" }}]')
    assert simulate(found.world, 1, watched=watched(found)).simulated_s == 6.0


@pytest.mark.parametrize(
    "threshold",
    [
        pytest.param('http_req_failed = ["rate<0"]', id="crossed, but not to end the load"),
        pytest.param(
            'http_req_failed = [{ threshold = "rate<0.9", abortOnFail = true }]', id="not crossed"
        ),
        pytest.param(
            'abandoned_after = [{ threshold = "avg<0", abortOnFail = true }]', id="no samples"
        ),
    ],
)
def test_the_load_goes_on_to_its_end(tmp_path, threshold):
    found = config(tmp_path, threshold)
    watching = simulate(found.world, 1, watched=watched(found))
    assert watching.ended == "completed"
    assert watching.digest == simulate(found.world, 1).digest


@pytest.mark.parametrize(
    ("name", "at_s"),
    [
        ("http_req_duration", 2.0),
        ("http_req_duration{expected_response:true}", 2.0),
        ("http_reqs{endpoint:POST /v1/token/generation}", 2.0),
        ("iterations{scenario:early}", 2.0),
        ("http_reqs{scenario:late}", 62.0),
    ],
)
def test_every_metric_can_end_the_load(tmp_path, name, at_s):
    loads = """
[[load]]
executor = "constant-vus"
scenario = "early"
duration_s = 8.0
vus = 3
script = "tests.support.world_customers:asks_for_tokens"
[[load]]
executor = "constant-vus"
scenario = "late"
start_s = 60.0
duration_s = 1.0
"""
    expression = "avg<0" if "duration" in name else "count<1"
    found = config(
        tmp_path,
        f'"{name}" = [{{ threshold = "{expression}", abortOnFail = true }}]',
        loads,
    )
    run = simulate(found.world, 1, watched=watched(found))
    assert (run.ended, run.simulated_s) == ("threshold_crossed", at_s)


def test_other_percentiles_are_measured_where_a_threshold_asks_for_them(tmp_path):
    found = config(tmp_path, 'http_req_duration = ["p(99.9)<9000", "p(33)<9000"]')
    wanted = watched(found)
    assert wanted == Watched((33.0, 99.9))
    durations = simulate(found.world, 1, watched=wanted).metrics["http_req_duration"]
    assert durations["min"] < durations["p(33)"] < durations["med"]
    assert durations["p(99)"] <= durations["p(99.9)"] <= durations["max"]


def test_rps_limits_all_users_together():
    load = ConstantVUs("constant-vus", duration_s=5.0, vus=20, graceful_stop_s=0.0)
    world = small(script="asks_for_tokens", load=load, generator={"max_rps": 10.0})
    run = simulate(world, 1)
    assert run.metrics["http_reqs"]["count"] == pytest.approx(50, abs=2)
    # The wait for the turn is not the request's, but it is the iteration's.
    assert run.metrics["http_req_duration"]["avg"] < 200.0
    assert run.metrics["iteration_duration"]["avg"] > 1_000.0


def test_a_shorter_iteration_waits_and_does_not_count_the_wait():
    load = PerVUIterations("per-vu-iterations", vus=1, iterations=5)
    world = small(script="asks_for_tokens", load=load, generator={"min_iteration_s": 2.0})
    run = simulate(world, 1)
    assert run.simulated_s == pytest.approx(10.0, abs=0.01)
    assert run.metrics["iteration_duration"]["max"] < 1_000.0


def test_a_user_that_waits_after_a_short_iteration_leaves_at_the_end():
    load = RampingVUs(stages=(Stage(3.0, 2),), graceful_stop_s=1.0, graceful_ramp_down_s=0.0)
    world = small(script="asks_for_tokens", load=load, generator={"min_iteration_s": 60.0})
    assert simulate(world, 1).simulated_s == pytest.approx(4.0)
