"""Simulates every measured run of the real system and compares the numbers."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from experiments.config.reading import Config, Reading
from experiments.errors import InterruptedRunError, OptionError
from experiments.runs.campaign import Campaign, Cell
from experiments.runs.options import RunOptions
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import identity_of
from experiments.runs.study_result import StudyResult
from experiments.statistics.summary import combined_digest
from experiments.studies.validate.comparison import (
    Agreement,
    Hits,
    Median,
    RunTable,
    Validation,
    compare_run,
    medians,
    narrow,
    spreads,
    steady_numbers,
)
from experiments.studies.validate.measured_runs import measured_runs
from experiments.studies.validate.measurements import FITTED_RUNS, Run
from experiments.studies.validate.numbers import (
    Numbers,
    kind,
    measured_numbers,
    simulated_numbers,
)
from experiments.studies.validate.worlds import Preludes, config_of, estimates
from sim.result import RunResult

_NAMES: Final = {False: "validate", True: "validate, one run left out"}


@dataclasses.dataclass(frozen=True)
class _World:
    """One simulated world and the measured runs that it is held against."""

    cell: Cell
    system: str
    """Equal for runs that repeat each other, whatever was estimated from other runs for each."""
    runs: list[Run]


def validate(
    given: Reading,
    options: RunOptions,
    runs: Path | None = None,
    *,
    leave_one_out: bool = False,
) -> StudyResult[Validation]:
    """Simulate every measured run and compare.

    Args:
        given: the config of the system that was measured, as read.
        options: how to run.
        runs: a folder of measured runs; None takes those that come with the program.
        leave_one_out: whether what whole runs tell is estimated without the run that is judged.

    Raises:
        TicketsimError: runs or `out` cannot be used, or a world was not simulated.
    """
    base, worlds = given.config, _worlds(given, runs, leave_one_out=leave_one_out)
    seed = options.seed_for(base)
    replications = options.replications or base.header.replications
    identity = identity_of(base.resolved, seed, options.scale)
    journal = Journal(options.out, _NAMES[leave_one_out], identity)
    campaign = Campaign(journal, options, seed)
    campaign.run((world.cell, number) for number in range(replications) for world in worlds)
    results = [campaign.results(world.cell)[:replications] for world in worlds]
    if not all(results):
        raise InterruptedRunError("ended before every world was simulated once")
    report: Validation = {
        "schema": 1,
        "config": base.name,
        "seed": seed,
        "scale": options.scale,
        "replications": min(len(runs) for runs in results),
        "partial": campaign.interrupted,
        **_compared(worlds, results),
        "digest": combined_digest([run.digest for runs in results for run in runs]),
        "wall_seconds": round(time.monotonic() - options.began_s, 3),
    }
    return StudyResult(report, campaign.interrupted, journal)


def _worlds(given: Reading, folder: Path | None, *, leave_one_out: bool) -> list[_World]:
    """The distinct worlds of all runs."""
    shipped = measured_runs()
    runs = shipped if folder is None else _runs(folder)
    fitted = [shipped[name] for name in FITTED_RUNS]
    worlds: dict[str, _World] = {}
    all_preludes = Preludes(fitted)
    for name, run in runs.items():
        system = _key(config_of(run, given.merged, all_preludes))
        others = [other for other in fitted if not leave_one_out or other.name != name]
        config = config_of(run, given.merged, Preludes(others), estimates(others))
        worlds.setdefault(_key(config), _World(Cell(name, config), system, [])).runs.append(run)
    return list(worlds.values())


def _key(config: Config) -> str:
    return json.dumps(config.resolved, sort_keys=True)


def _runs(folder: Path) -> Mapping[str, Run]:
    found = {p.name: Run(p) for p in sorted(folder.glob("*")) if (p / "meta.csv").is_file()}
    if not found:
        raise OptionError("runs", f"{folder}: no folder in it has a meta.csv")
    return found


def _compared(worlds: list[_World], results: list[list[RunResult]]) -> Agreement:
    measured = [[measured_numbers(run) for run in world.runs] for world in worlds]
    simulated = [[simulated_numbers(result) for result in runs] for runs in results]
    repeats: defaultdict[str, list[Numbers]] = defaultdict(list)
    for world, numbers in zip(worlds, measured, strict=True):
        repeats[world.system] += numbers
    spread_of = dict(zip(repeats, spreads(list(repeats.values())), strict=True))
    tables: list[RunTable] = []
    judged: list[Median] = []
    steady = steady_numbers(list(repeats.values()))
    for world, numbers, runs in zip(worlds, measured, simulated, strict=True):
        names = [run.name for run in world.runs]
        spread = spread_of[world.system]
        tables += [
            compare_run(name, one, runs, spread) for name, one in zip(names, numbers, strict=True)
        ]
        judged += medians(names, repeats[world.system], runs, steady)
    rows = [row for table in tables for row in table["rows"]]
    width_met, width_total = narrow(rows)
    return {
        "total": len(rows),
        "hits": sum(row["inside"] for row in rows),
        "misses": sum(not row["inside"] for row in rows),
        "hits_by_t": sum(row["inside_by_t"] for row in rows),
        "by_kind": _by_kind(tables),
        "widths": {"met": width_met, "total": width_total},
        "medians": {"met": sum(m["met"] for m in judged), "total": len(judged), "rows": judged},
        "runs": tables,
    }


def _by_kind(tables: list[RunTable]) -> dict[str, Hits]:
    counts: defaultdict[str, Hits] = defaultdict(lambda: {"hits": 0, "total": 0})
    for table in tables:
        for row in table["rows"]:
            entry = counts[kind(row["number"])]
            entry["total"] += 1
            entry["hits"] += row["inside"]
    return dict(counts)
