"""Folders of results, made up and real, for tests of the report."""

import dataclasses
import json

import numpy as np

from experiments.config.reading import load
from experiments.runs.storage.store import RunFolder, identity_of
from experiments.statistics.summary import Setup, summarise
from experiments.statistics.verdict import Terms, verdict_on
from tests.unit.results import BOOKING, CHECK, GENERATION, result

HOSTILE = "</text><script>alert('x')</script> $\\frac{1}{2}$ & \"quoted\""
POINTS = 120


def run_with_series(seed=1, **changes):
    """The made-up run, failing more and more of one cause, then of another."""
    run = result(seed, **changes)
    time_s = np.linspace(15.0, 1800.0, POINTS)
    requests = np.linspace(8.0, 1000.0, POINTS)
    late = np.clip(time_s - 600.0, 0.0, None) / 1200.0
    wave = 1.0 + np.sin(time_s / 200.0 + seed)
    series = {
        "t_s": time_s,
        "vus": 15_000.0 * wave,
        "http_reqs": requests,
        "http_req_failed": 725.0 * late,
        "waiting": 400.0 * wave,
        "passed": 50.0 * wave,
        "redis_used_bytes": 1e6 * (1.0 + wave),
        "threads_busy": np.minimum(200.0, 150.0 * wave),
        "requests_queued": 90.0 * wave,
        "pool_active": np.full(POINTS, 10.0),
        "pool_pending": 30.0 * wave,
        "pool_timeouts": 50.0 * late,
        "host_memory_mb": 4000.0 * wave,
        "host_slowdown": np.ones(POINTS),
        "generator_memory_mb": 1000.0 * wave,
        f"requests:{CHECK}": 0.7 * requests,
        f"failed:{CHECK}": 700.0 * late,
        "error:MalformedToken": 600.0 * late,
        "error:PoolTimeout": 125.0 * late,
        "exception:MalformedToken": 600.0 * late,
        "exception:NotValidToken": 550.0 * late,
    }
    durations = {"avg": 90.0, "min": 1.0, "med": 40.0, "p(95)": 3e3, "p(99)": 9e3, "max": 3e4}
    every = ("http_req_duration", f"http_req_duration{{endpoint:{CHECK}}}")
    metrics = {**run.metrics, **dict.fromkeys(every, durations)}
    return dataclasses.replace(run, series=series, metrics=metrics)


def write_run(path, results=None, *, name="smoke", wanted=None, changes=(), config=None):
    """A folder as `run` writes it, from replications."""
    results = results or {0: run_with_series()}
    config = config or load("smoke", changes)
    resolved = {**config.resolved, "name": name}
    summary = summarise(
        Setup(name, 1, wanted or len(results), 1.0, config.header.observed), results, 0.5
    )
    folder = RunFolder(path, identity_of(resolved, 1, 1.0))
    folder.open()
    folder.write(summary, results, resolved)
    folder.close()
    return path


def hostile_run():
    """A run in which every name from outside wants to be more than text."""
    run = run_with_series()
    series = {
        **run.series,
        f"exception:{HOSTILE}": run.series["exception:MalformedToken"],
        f"error:{HOSTILE}": run.series["error:PoolTimeout"],
    }
    return dataclasses.replace(
        run,
        series=series,
        outcomes={**run.outcomes, HOSTILE: {"200": 5}},
        errors={GENERATION: {HOSTILE: 60}, BOOKING: {HOSTILE: 3}},
        exceptions={HOSTILE: {HOSTILE: 60}},
        metrics={
            **run.metrics,
            f"http_req_duration{{endpoint:{HOSTILE}}}": {
                "avg": 1.0,
                "min": 1.0,
                "med": 2.0,
                "p(95)": 3.0,
                "p(99)": 3.0,
                "max": 4.0,
            },
        },
        invariants={**run.invariants, HOSTILE: 2},
        sweeps=[dataclasses.replace(run.sweeps[1], outcome=HOSTILE)],
        notes=[HOSTILE],
    )


def difference(base, variant, verdict, width=0.01):
    """One quantity of a made-up comparison."""
    change = variant - base
    return {
        "base": base,
        "variant": variant,
        "difference": change,
        "ci95": [change - width, change + width],
        "p": 0.001,
        "p_holm": 0.002,
        "verdict": verdict,
    }


def verdict(*failed, seats=90):
    """A verdict in which these steps failed, 30 % of their requests each."""
    found = verdict_on([result()], Terms())
    failures = [
        {
            "kind": "step",
            "name": step,
            "step": step,
            "value": 0.3,
            "limit": 0.01,
            "cause": "DialTimeout",
            "cause_share": 0.8,
            "resource": "service.max_connections",
        }
        for step in failed
    ]
    found["seats"] |= {"on_sale": 100, "standing": seats, "paid": seats}
    return found | {"outcome": "fails" if failed else "holds", "failures": failures, "open": []}


def row(name, failed, verdict_word, description="a fix", *, rank=1, against="better", steps=()):
    """One variant."""
    verdict_of_row = verdict(*steps)
    standing = {"verdict": verdict_of_row, "rank": rank, "tied_with": [], "against_base": against}
    quantities = {"failed": difference(0.9, failed, verdict_word)}
    for other, better in (
        ("tokens", "more"),
        ("bookings", "better"),
        ("payments", "better"),
        ("p95", "worse"),
        ("goodput", "undecided"),
    ):
        quantities[other] = difference(100.0, 120.0, better, 5.0)
    return {
        "name": name,
        "description": description,
        "changes": {"policy.x": True},
        "replications": 3,
        "digest": "b" * 64,
        "ended_early": 0,
        "quantities": quantities,
        **standing,
    }


def comparison(**changes):
    """What `compare --json` prints."""
    base = {
        "failed": 0.9,
        "tokens": 100.0,
        "bookings": 100.0,
        "payments": 100.0,
        "p95": 100.0,
        "goodput": 100.0,
    }
    return {
        "schema": 1,
        "config": "smoke",
        "seed": 1,
        "scale": 0.1,
        "replications": 3,
        "precision": None,
        "partial": False,
        "correction": "Holm",
        "base": base,
        "variants": [
            row("all-fixes", 0.02, "better"),
            row("F1", 0.9, "no difference shown", rank=2, against="tie", steps=["booking"]),
            row("F7", 0.95, "worse", rank=4, against="worse", steps=["booking", "payment"]),
        ],
        "base_verdict": verdict("booking", seats=40),
        "base_rank": 2,
        "recommended": ["all-fixes"],
        "failing": "booking failed",
        "failing_values": {"(as it is)": 0.3, "all-fixes": 0.0, "F1": 0.3, "F7": 0.3},
        "warnings": [],
        "digest": "a" * 64,
        "wall_seconds": 1.0,
        **changes,
    }


def level(mean, width):
    """One quantity of a made-up sweep."""
    return {"mean": mean, "ci95": [mean - width, mean + width]}


def ramp(**changes):
    """What `sweep --json` prints of a ramp that breaks at 2,000 users."""
    points = []
    for users, failed, p95 in ((500, 0.0, 50.0), (1000, 0.001, 200.0), (2000, 0.3, 4000.0)):
        quantities = {
            name: level(float(users), 1.0) for name in ("tokens", "bookings", "payments", "goodput")
        }
        quantities |= {"failed": level(failed, failed / 10), "p95": level(p95, p95 / 10)}
        points.append(
            {
                "values": {"load.vus": users},
                "replications": 3,
                "quantities": quantities,
                "digest": "d" * 64,
                "verdict": verdict(*(["booking"] if failed > 0.01 or p95 > 1000 else [])),
                "main_error": "DialTimeout at GET /v1/token/check" if failed else "",
            }
        )
    return {
        "schema": 1,
        "config": "ramp",
        "seed": 1,
        "scale": 1.0,
        "design": "grid",
        "replications": 3,
        "partial": False,
        "points": points,
        "thresholds": {"http_req_failed": ["rate<0.01"], "http_req_duration": ["p(95)<1000"]},
        "warnings": [],
        "digest": "c" * 64,
        "wall_seconds": 1.0,
        **changes,
    }


def gate(outcome="fail"):
    """What `gate --json` prints."""
    run = result()
    check = {
        "name": "http_req_failed: rate<0.01",
        "kind": "threshold",
        "outcome": outcome,
        "value": 0.7,
        "bounds": [0.6, 0.8],
        "limit": 0.01,
        "replications": 3,
        "reason": "not met on the confidence bound",
    }
    replication = {
        "replication": 0,
        "seed": 1,
        "digest": "e" * 64,
        "ended": "completed",
        "simulated_s": 1800.0,
        "metrics": run.metrics,
        "outcomes": run.outcomes,
        "errors": run.errors,
        "exceptions": run.exceptions,
        "tables": run.tables,
        "funnel": run.funnel,
        "invariants": run.invariants,
        "sweeps": [],
        "notes": [],
    }
    return {
        "schema": 1,
        "config": "smoke",
        "seed": 1,
        "scale": 1.0,
        "outcome": outcome,
        "false_alarm_rate": 0.05,
        "replications": 3,
        "looks": [3],
        "partial": False,
        "checks": [check],
        "digest": "e" * 64,
        "wall_seconds": 1.0,
        "runs": [replication],
    }


def write_campaign(path, command, name, content):
    """A folder as compare, sweep and gate write it."""
    path.mkdir(parents=True)
    manifest = {"format": 1, "command": command, "version": "0.1.0", "seed": 1, "scale": 1.0}
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / name).write_text(json.dumps(content))
    return path
