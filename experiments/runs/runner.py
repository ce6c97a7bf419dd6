"""Makes many runs: only those that are missing, over many processes, until the budget is spent."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from experiments.runs.budget import Budget
from experiments.runs.failures import raise_if_failed
from experiments.runs.memory_check import check_memory
from experiments.runs.options import RunOptions
from experiments.runs.pace import Pace
from experiments.runs.run_reuse import FinishedRuns
from experiments.runs.storage.journal import Journal
from experiments.runs.wanted import Wanted
from experiments.runs.workers.replications import processes_here, stream_replications
from sim.result import RunResult
from sim.scale import scaled
from sim.world import World

_AT_ONCE: Final = 1_000
"""Runs handed to the workers together: looking after very many takes longer than they do."""
Finished = Callable[[Wanted, RunResult], bool]
"""Called with each new run: whether that is enough, and no further one is to begin."""


def go_on(_wanted: Wanted, _run: RunResult) -> bool:
    """Never enough."""
    return False


class Runner:
    """Makes runs, each only once, and keeps them in the journal.

    A run is taken from the journal if it is there (resume), and from a finished run of another
    config if that has to be the same (reuse). Processes, cluster, budget and display are those of
    the options.

    Args:
        journal: where runs are kept.
        options: how to run.
        budget: instead of the budget of the options.
    """

    def __init__(self, journal: Journal, options: RunOptions, budget: Budget | None = None) -> None:
        self._journal = journal
        self._options = options
        self._budget = (budget or options.budget).started()
        self.interrupted = False
        """Whether the user interrupted."""
        self.cut_short = False
        """Whether something that was wanted could not be run any more."""
        self.so_far = ""
        """How far a run under way was when the last ones ended; empty where that is not known."""
        self._used: set[str] = set()
        self._warned = False
        self._finished = FinishedRuns()

    @property
    def spent(self) -> bool:
        """Whether nothing further may be run: the budget is spent, or the user interrupted."""
        return self.interrupted or self._budget.empty

    @property
    def used(self) -> int:
        """How many different runs `results` has handed over."""
        return len(self._used)

    def result(self, wanted: Wanted) -> RunResult | None:
        """A finished run; None if there is none."""
        return self._journal.get(wanted.key)

    def results(self, wanted: Sequence[Wanted]) -> list[RunResult | None]:
        """Run what is missing; the runs in the order asked for, None where there is none."""
        self.run(wanted)
        runs = [self.result(each) for each in wanted]
        self._used |= {each.key for each, run in zip(wanted, runs, strict=True) if run is not None}
        return runs

    def run(self, wanted: Iterable[Wanted], finished: Finished = go_on) -> bool:
        """Run what is missing, in this order, as far as the budget goes.

        Args:
            wanted: what is wanted, the same run once or several times.
            finished: hears of each new run; says whether that is enough.

        Returns:
            whether everything wanted is there now.
        """
        different = list({each.key: each for each in wanted}.values())
        while missing := [each for each in different if not self._is_there(each)]:
            if self.spent:
                self.cut_short = True
                return False
            # Some of these may turn out to be needless, and leave room for others.
            batch = missing[:_AT_ONCE][: self._budget.runs_left]
            enough = self._make(batch, finished)
            if enough or all(self.result(each) is None for each in batch):
                # Where nothing at all could be run, asking again would never end.
                return False
        return True

    def _is_there(self, wanted: Wanted) -> bool:
        """Whether a run is finished, or is the same as a finished one; both are kept."""
        run = self.result(wanted)
        if run is None:
            run = self._finished.find(wanted)
            if run is None:
                return False
            self._journal.add(wanted.key, run)
        self._finished.add(wanted, run)
        return True

    def _make(self, batch: Sequence[Wanted], finished: Finished) -> bool:
        """Make runs; return whether those were enough."""
        enough = False

        def hear(number: int, run: RunResult) -> bool:
            nonlocal enough
            raise_if_failed(run)
            if run.partial:
                self.interrupted = True
                return True
            self._budget.spent_runs += 1
            self._journal.add(batch[number].key, run)
            pace.finished(number)
            # For the same runs among those that have not begun.
            self._is_there(batch[number])
            enough = finished(batch[number], run) or enough
            return enough or self._budget.seconds_left <= 0.0

        def is_needless(number: int) -> bool:
            return self._finished.find(batch[number]) is not None

        self._options.display.begin()
        self._warn_if_short_of_memory(batch)
        tasks = [
            dataclasses.replace(each.task, replication=number) for number, each in enumerate(batch)
        ]
        load = _world_as_simulated(batch[0]).load
        processes = processes_here(self._options.workers, len(tasks))
        pace = Pace(len(tasks), processes, self._options.display.tell)
        with self._options.display.runs(len(tasks), load) as report:
            listen = pace.beside(report)
            heard = stream_replications(tasks, self._options.workers, listen, hear, is_needless)
        self.so_far = pace.so_far
        self.interrupted = self.interrupted or heard
        return enough

    def _warn_if_short_of_memory(self, batch: Sequence[Wanted]) -> None:
        if self._warned:
            return
        # Replications share their world.
        different = {id(each.task.world): each for each in batch}.values()
        worlds = map(_world_as_simulated, different)
        processes = processes_here(self._options.workers, len(batch))
        warning = check_memory(worlds, processes, force=self._options.force)
        if warning:
            self._options.display.warn(warning)
        self._warned = bool(warning)


def _world_as_simulated(wanted: Wanted) -> World:
    """The world at its scale. Raises ConfigError where that leaves nothing of its load."""
    task = wanted.task
    if wanted.config is not None:
        return wanted.config.world_at(task.scale)
    return scaled(task.world, task.scale)
