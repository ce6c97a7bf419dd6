"""The replications of one config, and the summary over them."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from experiments.config.reading import Config, Reading
from experiments.config.worlds import TABLE
from experiments.errors import InterruptedRunError, OutputError
from experiments.runs.memory_check import check_memory
from experiments.runs.options import RunOptions
from experiments.runs.pace import Pace, nothing_measured
from experiments.runs.storage.samples import path_of
from experiments.runs.storage.store import RunFolder, identity_of
from experiments.runs.workers.replications import processes_here, seed_of, stream_replications
from experiments.runs.workers.worker import Task
from experiments.statistics.quantities import QUANTITIES
from experiments.statistics.reproduction import reproduction
from experiments.statistics.so_far import so_far
from experiments.statistics.summary import RunSummary, Setup, summarise
from experiments.statistics.thresholds import watched
from experiments.statistics.uncertainty import again, runs_again, splits, world_number
from experiments.studies.drawn_worlds import recorded_fixes, remarks
from experiments.studies.scale_check import warnings as scale_warnings
from experiments.studies.terms import terms_of
from sim.result import INTERRUPTED, RunResult

SAVED_EVERY_S: Final = 30.0
"""Wall time after which the replications that have ended are written, others still running."""


@dataclasses.dataclass(frozen=True)
class Finished:
    """What a run came to: replication -> result, and the summary over them."""

    config: Config
    results: Mapping[int, RunResult]
    summary: RunSummary
    interrupted: bool = False
    """Whether the user interrupted, or memory ran out. A spent budget makes no difference here."""


def run(given: Reading, options: RunOptions, *, samples: bool = False) -> Finished:
    """Run the replications of a config, and keep them where `out` says.

    Args:
        given: the config as read.
        options: how to run.
        samples: keep every request beside the results; needs `out`, and no cluster.

    Raises:
        TicketsimError: `out` cannot be used, or the user interrupted before anything was measured.
    """
    work = _Work(given, options, samples=samples)
    try:
        return work.done()
    finally:
        work.close()


def keep_summary(given: Reading, options: RunOptions, summary: RunSummary) -> None:
    """Write a summary to which something was added over the one in `out`, if there is an `out`.

    Raises:
        OutputError: `out` cannot be written.
    """
    setup = _setup(given.config, options)
    folder = _folder(given.config, setup, options)
    if folder is None:
        return
    try:
        folder.write(summary, folder.open(), _as_run(given, setup, folder.path))
    finally:
        folder.close()


class _Work:
    """One run: what is asked for, what there is of it, and where it is kept."""

    def __init__(self, given: Reading, options: RunOptions, *, samples: bool) -> None:
        if samples and (options.out is None or isinstance(options.workers, str)):
            raise OutputError("--samples: needs --out DIR, and no --cluster")
        self._samples = samples
        self._began_s, self._saved_s = options.began_s, time.monotonic()
        self._options = options
        self._given = given
        self._config = given.config
        self._setup = _setup(self._config, options)
        self._watched = watched(self._config)
        if options.display.shows_verdict and self._setup.terms is not None:
            self._watched = dataclasses.replace(self._watched, judge=so_far(self._setup.terms))
        self._folder = _folder(self._config, self._setup, options)
        self._every: dict[int, RunResult] = {}
        self._budget = options.budget.started()
        self._interrupted = False
        self._so_far = ""

    def done(self) -> Finished:
        """Run what is missing and keep all of it."""
        options = self._options
        for warning in self._config.world_at(options.scale).redis.warnings():
            options.display.warn(f"redis.{warning}")
        self._every = {n: run for n, run in self._found().items() if self._is_whole(n)}
        known = len(self._every)
        wanted = [*range(self._setup.replications), *self._again()]
        self._simulate([number for number in wanted if number not in self._every])
        results = self._results()
        if not results:
            raise InterruptedRunError(nothing_measured(self._so_far))
        summary = self._summary()
        if len(self._every) > known:
            self._save(summary)
        return Finished(self._config, results, summary, self._interrupted)

    def _again(self) -> list[int]:
        """The second runs of worlds, where something is unknown."""
        return runs_again(self._setup.replications) if self._config.worlds else []

    def _found(self) -> dict[int, RunResult]:
        return self._folder.open() if self._folder else {}

    def _is_whole(self, number: int) -> bool:
        """Whether everything asked for was kept of a replication."""
        return not self._samples or number < 0 or self._samples_of(number).is_file()

    def _samples_of(self, number: int) -> Path:
        return path_of(self._options.out or Path(), number)

    def _task(self, number: int) -> Task:
        setup = self._setup
        samples = self._samples_of(number)
        if self._folder is not None:
            # What was kept of another try would not be that of this one.
            samples.unlink(missing_ok=True)
        world = self._config.drawn(setup.seed, world_number(number)).world
        kept = samples if self._samples and number >= 0 else None
        return Task(number, world, seed_of(setup.seed, number), setup.scale, kept, self._watched)

    def close(self) -> None:
        """Let others write to the folder."""
        if self._folder is not None:
            self._folder.close()

    def _simulate(self, missing: Sequence[int]) -> None:
        missing = missing[: self._budget.runs_left]
        if not missing:
            return
        setup, options = self._setup, self._options
        tasks = [self._task(number) for number in missing]
        configs = [self._config.drawn(setup.seed, world_number(number)) for number in missing]
        distinct = {id(config): config for config in configs}.values()
        worlds = [config.world_at(setup.scale) for config in distinct]
        processes = processes_here(options.workers, len(tasks))
        warning = check_memory(worlds, processes, force=options.force)
        if warning:
            options.display.warn(warning)
        pace = Pace(len(tasks), processes, options.display.tell)

        def keep(number: int, result: RunResult) -> bool:
            pace.finished(number)
            return self._keep(number, result)

        with options.display.runs(len(tasks), worlds[0].load) as report:
            stopped = stream_replications(tasks, options.workers, pace.beside(report), keep)
        self._interrupted = self._interrupted or stopped
        self._so_far = pace.so_far

    def _keep(self, number: int, result: RunResult) -> bool:
        """Take a finished replication, and save the run so far if it has not been for a while."""
        self._every[number] = result
        # Also where memory ran out.
        self._interrupted = self._interrupted or result.ended == INTERRUPTED
        self._budget.spent_runs += 1
        missing = len(self._results()) < self._setup.replications
        if missing and time.monotonic() - self._saved_s >= SAVED_EVERY_S:
            self._save(self._summary())
        # The same code would end the others as well.
        return bool(result.failure) or self._budget.seconds_left <= 0.0

    def _save(self, summary: RunSummary) -> None:
        if self._folder is not None:
            every = dict(sorted(self._every.items()))
            self._folder.write(summary, every, _as_run(self._given, self._setup, self._folder.path))
        self._saved_s = time.monotonic()

    def _results(self) -> dict[int, RunResult]:
        """What is there of what is asked for, in order."""
        wanted = range(self._setup.replications)
        return {number: self._every[number] for number in wanted if number in self._every}

    def _summary(self) -> RunSummary:
        results = self._results()
        summary = summarise(self._setup, results, time.monotonic() - self._began_s)
        if self._budget.empty and summary["partial"]:
            done = f"{summary['replications']} of {self._setup.replications} replications are done"
            more = "the same command with --out goes on"
            summary["warnings"].insert(0, f"the budget is spent: {done}; {more}")
        worlds = self._config.worlds
        if worlds is not None:
            every = self._every
            second = {number: every[again(number)] for number in results if again(number) in every}
            summary["uncertainty"] = {
                "unknowns": worlds.names,
                "worlds": [worlds.settings(self._setup.seed, number) for number in results],
                "run_twice": len(second),
                "quantities": splits(list(results.values()), second, QUANTITIES),
            }
            if self._setup.observed:
                runs = list(results.values())
                found = reproduction(self._setup.observed, runs, self._setup.scale)
                fixes = recorded_fixes(self._config)
                summary["reproduction"] = {**found, "fixes": fixes} if fixes else {**found}
        return summary


def _setup(config: Config, options: RunOptions) -> Setup:
    header = config.header
    return Setup(
        config=header.name,
        seed=options.seed_for(config),
        replications=options.replications or header.replications,
        scale=options.scale,
        observed=header.observed,
        warnings=[*scale_warnings(config, options.scale), *remarks(config)],
        terms=terms_of(config, options.scale, with_limits=True),
    )


def _folder(config: Config, setup: Setup, options: RunOptions) -> RunFolder | None:
    if options.out is None:
        return None
    return RunFolder(options.out, identity_of(config.resolved, setup.seed, setup.scale))


def _as_run(given: Reading, setup: Setup, folder: Path) -> Mapping[str, Any]:
    """The resolved config to be kept in a folder: seed and replications are those of this run."""
    kept = {**given.config.resolved, "seed": setup.seed, "replications": setup.replications}
    if given.code_folder is not None:
        kept["python_path"] = os.path.relpath(given.code_folder, folder.resolve())
    if given.config.worlds is not None:
        kept[TABLE] = given.config.worlds.relative_to(folder.resolve())
    return kept
