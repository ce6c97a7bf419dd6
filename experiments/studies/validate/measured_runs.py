"""Measured runs of the real system beside what a comparison predicts for them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from experiments.config.cross_checks import virtual_users
from experiments.statistics.intervals import mean
from experiments.studies.validate.measurements import Run
from sim.load.settings import RampingVUs
from sim.world import World

_FULL_S: Final = 1_800.0
"""Length of the load at F = 1."""


def measured_runs() -> dict[str, Run]:
    """The measured runs that come with the program, by name."""
    folder = Path(str(resources.files("sim"))) / "data" / "measured" / "runs"
    return {path.name: Run(path) for path in sorted(folder.iterdir())}


def is_measured(world: World, run: Run, scale: float) -> bool:
    """Whether a world has the size, the capacity, the seats and the time scale of a run."""
    load = world.load
    if scale != 1.0 or not isinstance(load, RampingVUs):
        return False
    length_s = sum(stage.duration_s for stage in load.stages)
    meta = run.meta
    return (
        world.catalogue.capacity == int(meta["cap"])
        and world.catalogue.seats == int(meta["seats"])
        and virtual_users(world) == int(meta["peak"])
        and length_s == _FULL_S / float(meta["F"])
    )


def base_runs(world: World, runs: Mapping[str, Run], scale: float) -> list[Run]:
    """The runs of the system as it was that measured this world."""
    return [
        run
        for name, run in runs.items()
        if name.startswith("C_") and is_measured(world, run, scale)
    ]


def quantities_of(run: Run) -> dict[str, float]:
    """The quantities of a comparison, as measured; goodput per minute."""
    counts = dict(_counts(run))
    payments = counts.get("payment", 0.0)
    requests = run.metrics
    return {
        "failed": float(run.totals["failed"]) / float(run.totals["total_requests"]),
        "tokens": counts.get("token_history", 0.0),
        "bookings": counts.get("booking", 0.0),
        "payments": payments,
        "p95": float(requests["http_req_duration"]["p(95)"]),
        "goodput": payments / ((run.k6_end - run.k6_start) / 60.0),
    }


def _counts(run: Run) -> Iterator[tuple[str, float]]:
    totals: dict[str, float] = {}
    with (run.path / "db_counts.tsv").open(encoding="utf-8", newline="") as file:
        for table, _, rows in csv.reader(file, delimiter="\t"):
            totals[table] = totals.get(table, 0.0) + float(rows)
    yield from totals.items()


def beside(world: World, measured: Sequence[str], scale: float) -> list[dict[str, Any]]:
    """What the named runs measured and the difference to the system as it was; maybe nothing.

    Args:
        world: the base of the comparison.
        measured: names of runs with a fix.
        scale: of the comparison.
    """
    runs = measured_runs()
    before = [quantities_of(run) for run in base_runs(world, runs, scale)]
    after = [quantities_of(runs[name]) for name in measured if name in runs]
    if not before or not after:
        return []
    return [
        {
            "quantity": name,
            "base": mean([one[name] for one in before]),
            "variant": mean([one[name] for one in after]),
            "difference": mean([one[name] for one in after]) - mean([one[name] for one in before]),
            "base_runs": len(before),
            "runs": len(after),
        }
        for name in after[0]
    ]
