"""Of 200 random small worlds: what the verdict and the ranking promise."""

import dataclasses
import random
from operator import ge, gt, le, lt

import pytest

from experiments.config.reading import load
from experiments.statistics.ranking import Entry, failing_quantity, ranked, recommended
from experiments.statistics.thresholds import criteria
from experiments.statistics.verdict import Terms, verdict_on
from experiments.studies.gate.verdict_checks import judged
from model.service import BOOKING, CHECK, DATES, GENERATION, PAYMENT, SEATS
from sim.load.settings import ConstantVUs
from sim.run import simulate

WORLDS = 200
STEPS = {
    "token": [GENERATION],
    "seats": [DATES, SEATS],
    "booking": [BOOKING],
    "payment": [PAYMENT],
}
THRESHOLDS = [
    ("http_req_failed", "rate<{}", [0.001, 0.05, 0.5]),
    ("http_req_duration", "p(95)<{}", [20, 200, 5_000]),
    ("goodput", "value>={}", [0, 5, 20]),
    (f"http_req_failed{{endpoint:{CHECK}}}", "rate<={}", [0.0, 0.2]),
    ("step_failed{step:booking}", "rate<={}", [0.0, 0.05, 0.9]),
    ("http_reqs", "count>{}", [1, 40]),
]
COMPARE = {"<": lt, "<=": le, ">": gt, ">=": ge}
SMOKE = load("smoke").world
INCIDENT = load("incident").world


def random_world(rng):
    """A dozen people at most for some seconds, with enough of everything or too little."""
    people = rng.randint(2, 12)
    bad = rng.random() < 0.3
    return dataclasses.replace(
        SMOKE,
        policy=INCIDENT.policy if bad else SMOKE.policy,
        load=ConstantVUs("constant-vus", rng.choice([5.0, 15.0]), people, graceful_stop_s=5.0),
        catalogue=dataclasses.replace(
            SMOKE.catalogue,
            users=people + 2,
            capacity=rng.choice([1, 3, 20]),
            seats=rng.choice([1, 4, 40]),
        ),
        pool=dataclasses.replace(
            SMOKE.pool,
            connections=rng.choice([1, 10]),
            timeout_s=rng.choice([0.25, 30.0]),
        ),
        host=dataclasses.replace(SMOKE.host, speed=rng.choice([0.02, 0.2, 1.0])),
        service=dataclasses.replace(
            SMOKE.service,
            threads=rng.choice([1, 200]),
            max_connections=rng.choice([1, 8192]),
            accept_count=rng.choice([1, 100]),
        ),
        generator=dataclasses.replace(
            SMOKE.generator, request_timeout_s=rng.choice([1.0, 60.0]), dial_timeout_s=1.0
        ),
    )


def random_terms(rng):
    chosen = rng.sample(THRESHOLDS, rng.randint(0, 3))
    table = {metric: [text.format(rng.choice(limits))] for metric, text, limits in chosen}
    return Terms(tuple(criteria(table, "random")))


@pytest.fixture(scope="module")
def worlds():
    """Two hundred worlds, each with its terms and two runs; a few seconds."""
    found = []
    for number in range(WORLDS):
        rng = random.Random(number)
        world = random_world(rng)
        found.append((random_terms(rng), [simulate(world, seed) for seed in (1, 2)]))
    return found


def failed_share(result, endpoints):
    """By hand: requests neither answered nor refused as business, of all of a step."""
    total = failed = 0
    for endpoint in endpoints:
        for status, count in result.outcomes.get(endpoint, {}).items():
            total += count
            failed += 0 if 200 <= int(status) < 400 or status == "409" else count
        for cause in ("SeatLockedError", "NoFreeSeatError", "NotEnoughPointsError"):
            failed -= result.errors.get(endpoint, {}).get(cause, 0)
        failed -= result.errors.get(endpoint, {}).get("BookingStatusError", 0)
    return failed / total if total else None


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def test_the_worlds_are_of_all_kinds(worlds):
    outcomes = [verdict_on(runs, terms)["outcome"] for terms, runs in worlds]
    assert min(outcomes.count("holds"), outcomes.count("fails")) >= WORLDS // 10


def test_holds_means_thresholds_met_steps_within_limits_and_no_invariant_broken(worlds):
    for terms, runs in worlds:
        verdict = verdict_on(runs, terms)
        own = {"booking"} & {
            dict(one.measure.tags).get("step") for one in terms.criteria if one.measure.tags
        }
        steps = {
            step: mean([failed_share(run, endpoints) for run in runs])
            for step, endpoints in STEPS.items()
        }
        above = [step for step, share in steps.items() if (share or 0.0) > 0.01 and step not in own]
        missed = [
            one.name
            for one in terms.criteria
            if (value := mean([one.measure.of(run) for run in runs])) is None
            or not COMPARE[one.operator](value, one.bound)
        ]
        broken = [name for run in runs for name, count in run.invariants.items() if count]
        if verdict["outcome"] == "holds":
            assert not above
            assert not missed
            assert not broken
        elif not verdict["failures"]:
            assert verdict["open"]
        if above or broken:
            assert verdict["outcome"] == "fails"


def test_the_four_numbers_of_seats_are_those_of_the_tables(worlds):
    for terms, runs in worlds:
        seats = verdict_on(runs, terms)["seats"]
        assert seats["held"] == seats["standing"] + seats["cancelled"]
        assert seats["paid"] <= seats["standing"]
        assert seats["paid"] == mean([run.tables.get("booking:PAID", 0) for run in runs])


def test_requests_of_a_step_add_up(worlds):
    for terms, runs in worlds:
        for counts in verdict_on(runs, terms)["steps"].values():
            parts = counts["answered"] + counts["refused"] + counts["failed"]
            assert parts == pytest.approx(counts["requests"])
            assert min(counts["answered"], counts["refused"], counts["failed"]) >= 0


def test_nothing_is_recommended_that_breaks_a_threshold_which_the_base_meets(worlds):
    recommendations = 0
    for number in range(WORLDS):
        terms, base_runs = worlds[number]
        others = [worlds[(number + step) % WORLDS][1] for step in (1, 2, 3)]
        entries = [
            Entry(name, verdict_on(runs, terms), runs)
            for name, runs in zip(["base", "a", "b", "c"], [base_runs, *others], strict=True)
        ]
        base = entries[0]
        verdicts = {one.name: one.verdict for one in entries}
        ranks = ranked(entries, failing_quantity(base.verdict, terms.criteria))
        assert sorted(rank.name for rank in ranks) == ["a", "b", "base", "c"]
        for name in recommended(ranks, verdicts, "base"):
            recommendations += 1
            assert verdicts[name]["outcome"] == "holds"
            met = {row["name"] for row in base.verdict["thresholds"] if row["met"]}
            assert met <= {row["name"] for row in verdicts[name]["thresholds"] if row["met"]}
    assert recommendations > 0


def test_a_gate_that_passes_has_a_verdict_that_holds(worlds):
    """Of three runs: the two of a world and the first again, as if another seed gave the same."""
    for terms, runs in worlds:
        made = [*runs, dataclasses.replace(runs[0], seed=3)]
        checks, verdict = judged(terms, [3], lambda _number, made=made: made)
        outcomes = {check["outcome"] for check in checks}
        if outcomes == {"pass"}:
            assert verdict["outcome"] == "holds"
        if verdict["outcome"] == "fails":
            assert outcomes != {"pass"}
