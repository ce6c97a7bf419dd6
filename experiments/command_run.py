"""`ticketsim run`: a config to results, from reading it to the summary."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.config import Config, load
from experiments.errors import InterruptedRunError
from experiments.progress import progress_bar
from experiments.replications import Task, Workers, run_replications, seed_of
from experiments.scale_check import warnings as scale_warnings
from experiments.store import RunFolder, identity_of
from experiments.summary import RunSummary, Setup, summarise
from experiments.text import render
from sim.result import RunResult
from sim.scale import scaled

_OK, _INTERRUPTED = 0, 130


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The options of the command line; None where the config or the machine decides."""

    config: str
    assignments: tuple[str, ...] = ()
    seed: int | None = None
    replications: int | None = None
    workers: Workers = None
    scale: float = 1.0
    out: str | None = None
    json: bool = False
    quiet: bool = False


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a run came to: replication -> result, and the summary over them."""

    config: Config
    results: Mapping[int, RunResult]
    summary: RunSummary


def run(options: RunOptions) -> int:
    """Run the replications of a config and report them.

    Returns:
        0, or 130 when the user interrupted the run.

    Raises:
        TicketsimError: the config or `--out` cannot be used, or nothing was measured.
    """
    summary = perform(options).summary
    _print(summary, options)
    return _INTERRUPTED if summary["partial"] else _OK


def perform(options: RunOptions) -> Finished:
    """Run the replications of a config, and keep them where `out` says. Raises as `run`."""
    began = time.perf_counter()
    config = load(options.config, options.assignments)
    for warning in scaled(config.world, options.scale).redis.warnings():
        sys.stderr.write(f"warning: redis.{warning}\n")
    setup = _setup(config, options)
    folder = _folder(config, setup, options)
    known = folder.open() if folder else {}
    wanted = range(setup.replications)
    fresh = _simulate(config, setup, options, [n for n in wanted if n not in known])
    every = dict(sorted({**known, **fresh}.items()))
    results = {number: every[number] for number in wanted if number in every}
    if not results:
        raise InterruptedRunError("interrupted before anything was measured")
    summary = summarise(setup, results, time.perf_counter() - began)
    if folder and fresh:
        folder.write(summary, every, _as_run(config, setup))
    return Finished(config, results, summary)


def _setup(config: Config, options: RunOptions) -> Setup:
    header = config.header
    return Setup(
        config=header.name,
        seed=header.seed if options.seed is None else options.seed,
        replications=options.replications or header.replications,
        scale=options.scale,
        observed=header.observed,
        warnings=scale_warnings(options.scale),
    )


def _folder(config: Config, setup: Setup, options: RunOptions) -> RunFolder | None:
    if options.out is None:
        return None
    return RunFolder(Path(options.out), identity_of(config.resolved, setup.seed, setup.scale))


def _as_run(config: Config, setup: Setup) -> Mapping[str, Any]:
    """The resolved config with the seed and the replications of this run."""
    return {**config.resolved, "seed": setup.seed, "replications": setup.replications}


def _simulate(
    config: Config, setup: Setup, options: RunOptions, missing: list[int]
) -> dict[int, RunResult]:
    if not missing:
        return {}
    tasks = [
        Task(number, config.world, seed_of(setup.seed, number), setup.scale) for number in missing
    ]
    with progress_bar(len(tasks), quiet=options.quiet) as report:
        return run_replications(tasks, options.workers, report)


def _print(summary: RunSummary, options: RunOptions) -> None:
    if not options.quiet:
        sys.stderr.write(render(summary, shutil.get_terminal_size((100, 24)).columns))
    if options.json:
        sys.stdout.write(json.dumps(summary, indent=2) + "\n")
