"""Priors become worlds, runs become distances."""

import dataclasses
import math

import pytest

from experiments.config.changes import changed, parse_set
from experiments.config.reading import Observed, check
from experiments.config.sources import Merged, merge, read_merged, read_source
from experiments.config.unknown import stopped_after
from experiments.errors import ConfigError
from experiments.runs.limits import Limits
from experiments.runs.workers.worker import Task
from experiments.statistics.summary import number_at
from experiments.studies.explain.observations import MOST, Observation, Vector, observations_of
from experiments.studies.explain.unknowns import Unknowns
from sim.result import Cleanup, RunResult

STAGES = [{"duration_s": 10.0, "target": 20.0}, {"duration_s": 30.0, "target": 40.0}]


def unknowns(tables, *assignments):
    merged = read_merged(read_source("smoke"))
    table = {}
    merge(table, merged.table)
    merge(table, {"explain": tables})
    merged = Merged(table, merged.origins)
    for text in assignments:
        merged = changed(merged, parse_set(text))
    return Unknowns(merged, check(merged, "mine"), "mine")


def made_up(**parts):
    """A run of which only these parts matter."""
    empty = {key: {} for key in ("metrics", "outcomes", "errors", "exceptions", "tables")}
    rest = {"funnel": {}, "invariants": {}, "sweeps": [], "notes": []}
    return RunResult(1, "", 10.0, "completed", **{**empty, **rest, **parts})


def prior(**values):
    return {"reason": "made up", **values}


def world(found, *point, model="(as it is)"):
    return found.config(model, point).world


def test_a_range_a_choice_and_a_table_of_keys():
    found = unknowns(
        {
            "priors": {
                "speed": prior(key="host.speed", distribution="log-uniform", low=0.25, high=4.0),
                "capacity": prior(
                    key="catalogue.capacity",
                    distribution="choice",
                    values=[5, 50],
                    weights=[1.0, 3.0],
                ),
                "where": prior(
                    distribution="choice",
                    values=[{"generator.shares_host": True}, {"generator.shares_host": False}],
                ),
            }
        }
    )
    one = world(found, 0.5, 0.2, 0.4)
    assert one.host.speed == pytest.approx(1.0)
    assert one.catalogue.capacity == 5
    assert one.generator.shares_host
    other = world(found, 1.0, 0.3, 0.6)
    assert other.host.speed == pytest.approx(4.0)
    assert other.catalogue.capacity == 50
    assert not other.generator.shares_host


def test_whole_numbers_stay_whole_and_what_scales_multiplies():
    found = unknowns(
        {"priors": {"threads": prior(key="service.threads", low=0.5, high=1.5, scales=True)}},
        "service.threads=10",
    )
    assert [world(found, at).service.threads for at in (0.0, 0.5, 1.0)] == [5, 10, 15]


def test_a_load_that_was_stopped_by_hand_is_the_ramp_up_to_that_moment():
    assert stopped_after(STAGES, 25.0) == [
        {"duration_s": 10.0, "target": 20.0},
        {"duration_s": 15.0, "target": 30.0},
    ]
    assert stopped_after(STAGES, 5.0) == [{"duration_s": 5.0, "target": 10.0}]


def test_fewer_people_and_an_early_end_together():
    stages = "load.stages=[{duration_s = 10.0, target = 20}, {duration_s = 30.0, target = 20}]"
    found = unknowns(
        {
            "priors": {
                "stopped": prior(key="load.stages", low=10.0, high=50.0),
                "people": prior(key="load.stages.target", low=0.1, high=0.9, scales=True),
            }
        },
        stages,
    )
    load = world(found, 0.25, 0.5).load
    assert [(stage.duration_s, stage.target) for stage in load.stages] == [(10.0, 10), (10.0, 10)]
    assert load.graceful_stop_s == 0.0
    to_its_end = world(found, 0.75, 0.5).load
    assert sum(stage.duration_s for stage in to_its_end.stages) == 40.0


def test_an_early_end_cuts_the_stages_that_a_hypothesis_sets():
    stages = [{"duration_s": 30.0, "target": 6.0}]
    found = unknowns(
        {
            "hypotheses": {"A": {"description": "a", "on": {"load.stages": stages}}},
            "priors": {"stopped": prior(key="load.stages", low=10.0, high=20.0)},
        },
        "load={executor = 'ramping-vus', stages = [{duration_s = 10.0, target = 2}]}",
    )
    load = world(found, 0.5, model="A").load
    assert [(stage.duration_s, stage.target) for stage in load.stages] == [(15.0, 3)]


HYPOTHESES = {
    "A": {"description": "a", "on": {"pool.connections": 3}, "off": {"pool.connections": 4}},
    "B": {
        "description": "b",
        "off": {"host.speed": 1.0},
        "priors": {"speed": prior(key="host.speed", low=2.0, high=4.0)},
    },
}


def test_hypotheses_alone_and_together():
    found = unknowns({"hypotheses": HYPOTHESES})
    assert found.models == {"A": ("A",), "B": ("B",), "A+B": ("A", "B")}
    alone, other, both = (world(found, 0.5, model=model) for model in found.models)
    assert (alone.pool.connections, alone.host.speed) == (3, 1.0)
    assert (other.pool.connections, other.host.speed) == (4, 3.0)
    assert (both.pool.connections, both.host.speed) == (3, 3.0)
    assert [one.name for one in found.in_model("A")] == []


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"priors": {"x": prior(key="host.speed", low=2.0, high=2.0)}}, "no support: low = 2"),
        ({"priors": {"x": prior(key="host.speed", low=2.0)}}, "needs low and high"),
        (
            {"priors": {"x": prior(key="host.speed", distribution="log-uniform", low=0, high=1)}},
            "more than 0",
        ),
        ({"priors": {"x": prior(key="host.speed", distribution="choice")}}, "needs values"),
        (
            {
                "priors": {
                    "x": prior(key="host.speed", distribution="choice", values=[1.0], weights=[0.0])
                }
            },
            "not all 0",
        ),
        ({"priors": {"x": prior(key="host.sped", low=1.0, high=2.0)}}, "did you mean host.speed"),
        ({"priors": {"x": prior(key="host.speed", low=-1.0, high=2.0)}}, "explain.priors.x"),
        ({"priors": {"x": prior(low=1.0, high=2.0)}}, "needs a key"),
        ({"hypotheses": HYPOTHESES, "combinations": [["A", "C"]]}, "no hypothesis C"),
        (
            {"priors": {name: prior(key="host.speed", low=1.0, high=2.0) for name in "xy"}},
            "explain.priors.y: host.speed is set by explain.priors.x too",
        ),
        (
            {
                "hypotheses": HYPOTHESES,
                "priors": {"x": prior(key="host.speed", low=1.0, high=2.0)},
            },
            "host.speed is set by explain.hypotheses.B.off too, both in the model A",
        ),
        (
            {
                "priors": {
                    "x": prior(key="host.speed", low=1.0, high=2.0),
                    "y": prior(distribution="choice", values=[{"host.speed": 3.0, "label": "a"}]),
                }
            },
            "explain.priors.y: host.speed",
        ),
        (
            {
                "priors": {
                    "x": prior(key="host.speed", low=1.0, high=2.0),
                    "y": prior(distribution="choice", values=[{"host": {"speed": 3.0}}]),
                }
            },
            "explain.priors.y: host is set by explain.priors.x too",
        ),
    ],
)
def test_what_is_wrong_with_a_prior_is_said_in_one_line(tables, words):
    with pytest.raises(ConfigError) as raised:
        unknowns(tables)
    assert words in str(raised.value)
    assert raised.value.exit_code == 104


def observation(metric, value, **rest):
    return Observation("it", Observed(metric=metric, value=value, **rest))


def test_shares_differ_by_points_and_durations_and_counts_by_ratios():
    share = observation("http_req_failed.rate", 0.7)
    assert share.difference(0.8, 0.05, 1.0) == pytest.approx(2.0)
    slow = observation("http_req_duration.max", 30_000.0)
    assert slow.difference(60_000.0, 0.5, 1.0) == pytest.approx(math.log(2) / 0.5, rel=1e-3)
    rows = observation("tables.token_history", 766.0)
    assert rows.difference(383.0, 0.5, 1.0) == pytest.approx(-math.log(2) / 0.5, rel=1e-2)
    assert share.difference(None, 0.05, 1.0) == MOST
    assert share.difference(0.0, 0.05, 1.0) == -MOST


def test_a_bound_is_only_missed_on_its_own_side():
    quick = observation("http_req_duration.med", 1_000.0, bound="at_most")
    assert quick.difference(10.0, 0.5, 1.0) == 0.0
    assert quick.difference(5_000.0, 0.5, 1.0) > 1.0
    many = observation("refused_tokens.rate", 0.01, bound="at_least")
    assert many.difference(0.5, 0.01, 1.0) == 0.0
    assert many.difference(0.0, 0.01, 1.0) == pytest.approx(-1.0)


def test_a_few_expected_payments_say_little_at_a_tenth_of_the_size():
    payments = observation("tables.payment", 6.0, spread=0.7)
    at_full_size = payments.difference(0.0, payments.spread(0.0, 1.0), 1.0)
    scaled = payments.difference(0.0, payments.spread(0.0, 0.1), 0.1)
    assert at_full_size < -3.0
    assert -1.0 < scaled < 0.0


def test_without_a_stated_spread_the_prior_gives_one():
    share = observation("http_req_failed.rate", 0.7)
    vector = Vector([share], 0.1)
    vector.adapt([(0.1,), (0.3,), (0.5,), (0.7,), (0.9,)])
    assert vector.spreads == pytest.approx([0.2 * 1.4826])


@pytest.mark.parametrize("metric", ["tables.bookings", "http_req_failed.rat", "exceptions", "no"])
def test_an_observation_that_no_run_produces_is_refused(metric):
    config = check(
        Merged({"name": "x", "observed": {"it": {"metric": metric, "value": 1.0}}}, {}), "mine"
    )
    with pytest.raises(ConfigError, match="no run produces this number"):
        observations_of(config, "mine")


def test_the_incident_names_only_what_there_is():
    merged = read_merged(read_source("incident"))
    config = check(merged, "incident")
    assert len(observations_of(config, "incident")) == 10
    found = Unknowns(merged, config, "incident")
    assert list(found.models) == ["H2+H4", "H1+H2+H4", "H2+H3+H4"]


@pytest.mark.parametrize(
    ("limits", "ended"),
    [
        (Limits(3.0, 1e9), "rejected: too many tokens"),
        (Limits(1e9, 5.0), "rejected: too many requests"),
        (Limits(1e9, 1e9), "completed"),
    ],
)
def test_a_hopeless_run_is_stopped(limits, ended):
    assignments = [
        "load.stages=[{duration_s = 5.0, target = 10.0}, {duration_s = 5.0, target = 10.0}]",
        "load.graceful_stop_s=0.0",
    ]
    base = unknowns({}, *assignments)
    trial = Task(0, world(base), 1, 1.0, limits=limits)
    run = trial.simulate(lambda _progress: False, lambda: False)
    assert run.ended == ended
    observed = [observation("tables.token_history", 10.0)]
    values = Vector(observed, 1.0).values(run)
    assert (values is None) == (ended != "completed")


def test_a_load_generator_that_was_killed_has_printed_no_summary():
    base = unknowns(
        {},
        "generator.shares_host=true",
        "generator.mb_per_vu=5000.0",
        'host.on_memory_exhausted="kill"',
    )
    run = Task(0, world(base), 1, 1.0, limits=Limits(1e9, 1e9)).simulate(
        lambda _progress: False, lambda: False
    )
    assert run.ended == "generator_killed"
    assert Vector([observation("tables.token_history", 10.0)], 1.0).values(run) is None


def test_tokens_that_a_sweep_or_an_eviction_took_have_vanished():
    sweep = Cleanup(300.0, 300.0, 301.0, "ok", 50, 10, 50, 10)
    kept = made_up(sweeps=[sweep])
    wiped = made_up(sweeps=[dataclasses.replace(sweep, passed_after=0)])
    evicted = made_up(redis_losses={"sets_evicted": 1, "redis_killed": 0})
    killed = made_up(redis_losses={"sets_evicted": 0, "redis_killed": 1})
    neither = made_up(
        notes=["0.1 s: Redis evicted nothing"],
        redis_losses={"sets_evicted": 0, "redis_killed": 0},
    )
    runs = (kept, neither, wiped, evicted, killed)
    vanished = [number_at(run, "tokens_vanished.any") for run in runs]
    assert vanished == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_shares_of_exceptions_and_of_refused_tokens():
    run = made_up(
        exceptions={"GET /v1/token/check": {"A": 3}, "sweep": {"B": 1}},
        outcomes={
            "GET /v1/token/check": {"401": 5, "200": 1},
            "GET /v1/concerts/{id}/available-dates": {"401": 2, "200": 2},
        },
    )
    assert number_at(run, "exception_share.GET /v1/token/check") == 0.75
    assert number_at(run, "refused_tokens.rate") == 0.2
    assert number_at(made_up(), "exception_share.GET /v1/token/check") is None
    assert number_at(made_up(), "refused_tokens.rate") is None
