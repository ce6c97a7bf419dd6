"""Many runs of many worlds: which are still missing, over which processes, and until when."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from experiments.config.memory_check import memory_warning
from experiments.config.reading import Config
from experiments.runs.failures import raise_if_failed
from experiments.runs.journal import Journal, key_of
from experiments.runs.options import RunOptions
from experiments.runs.replications import (
    processes_here,
    seed_of,
    stream_replications,
)
from experiments.runs.run_reuse import Twins
from experiments.runs.store import identity_of
from experiments.runs.worker import Task
from experiments.statistics.quantities import QUANTITIES
from experiments.statistics.thresholds import watched
from experiments.statistics.uncertainty import Uncertainty, again, runs_again, splits, world_number
from sim.result import RunResult


@dataclasses.dataclass(frozen=True)
class Cell:
    """One world to be replicated, under the name that results give it."""

    name: str
    config: Config


class Campaign:
    """Runs replications of cells, each only once, and keeps them.

    Cells share their random numbers: replication k of every cell has the same seed, and where
    something is unknown the same draw. Where a cell
    differs from another only in what that one's run never asked for, it is the same run.
    """

    def __init__(self, journal: Journal, options: RunOptions, seed: int) -> None:
        self._journal = journal
        self._options = options
        self._seed = seed
        self._purse = options.budget.started()
        self.interrupted = False
        self.cut_short = False
        """Whether something that was wanted could not be run any more."""
        self._warned = False
        self._twins = Twins()

    def result(self, cell: Cell, replication: int) -> RunResult | None:
        """A finished run; None if there is none."""
        return self._journal.get(self._key(cell, replication))

    def results(self, cell: Cell) -> list[RunResult]:
        """The finished replications of a cell, from the first one on without a gap."""
        found: list[RunResult] = []
        while (run := self.result(cell, len(found))) is not None:
            found.append(run)
        return found

    def run_again(self, cells: Iterable[Cell], replications: int) -> bool:
        """Make the second runs of some worlds, where something is unknown. As `run`."""
        return self.run(
            (cell, number)
            for cell in cells
            if cell.config.worlds is not None
            for number in runs_again(replications)
        )

    def second_runs(self, cell: Cell) -> dict[int, RunResult]:
        """World -> its second run, of those that were made."""
        found: dict[int, RunResult] = {}
        while (run := self.result(cell, again(len(found)))) is not None:
            found[len(found)] = run
        return found

    def uncertainty(self, cell: Cell, runs: Sequence[RunResult]) -> Uncertainty | None:
        """What the intervals of these replications cover; None where everything is known."""
        worlds = cell.config.worlds
        if worlds is None:
            return None
        second = self.second_runs(cell)
        return {
            "unknowns": worlds.names,
            "worlds": [worlds.settings(self._seed, number) for number in range(len(runs))],
            "run_twice": len(second),
            "quantities": splits(runs, second, QUANTITIES),
        }

    @property
    def spent(self) -> bool:
        """Whether nothing further may be run: the budget is spent, or the user interrupted."""
        return self.interrupted or self._purse.empty

    def run(self, wanted: Iterable[tuple[Cell, int]]) -> bool:
        """Run what is missing, in this order, as far as the budget goes.

        Returns:
            whether everything wanted is there now.
        """
        pairs = {self._key(cell, number): (cell, number) for cell, number in wanted}
        while missing := {key: pair for key, pair in pairs.items() if not self._known(key, *pair)}:
            if self.spent:
                self.cut_short = True
                return False
            # Some of these may turn out to be needless, and leave room for others.
            affordable = list(missing)[: self._purse.runs_left]
            self._run([missing[key] for key in affordable], affordable)
            if all(self._journal.get(key) is None for key in affordable):
                # Whoever should run them cannot: asking again would never end.
                return False
        return True

    def _known(self, key: str, cell: Cell, replication: int) -> bool:
        """Whether a run is there, or is the same as one that is there; both are kept."""
        run = self._journal.get(key)
        if run is None:
            run = self._twin(cell, replication)
            if run is None:
                return False
            self._journal.add(key, run)
        self._twins.add(self._config(cell, replication), run)
        return True

    def _twin(self, cell: Cell, replication: int) -> RunResult | None:
        config = self._config(cell, replication)
        return self._twins.find(config, seed_of(self._seed, replication))

    def _run(self, pairs: Sequence[tuple[Cell, int]], keys: Sequence[str]) -> None:
        tasks = [
            Task(
                number,
                self._config(cell, replication).world,
                seed_of(self._seed, replication),
                self._options.scale,
                watched=watched(cell.config),
            )
            for number, (cell, replication) in enumerate(pairs)
        ]

        def finished(number: int, result: RunResult) -> bool:
            raise_if_failed(result)
            if result.partial:
                self.interrupted = True
                return True
            self._purse.spent_runs += 1
            self._journal.add(keys[number], result)
            # For its twins among those that have not begun.
            self._known(keys[number], *pairs[number])
            return self._purse.seconds_left <= 0.0

        def needless(number: int) -> bool:
            return self._twin(*pairs[number]) is not None

        self._warn_if_short_of_memory([self._config(*pair) for pair in pairs])
        load = self._config(*pairs[0]).world_at(self._options.scale).load
        with self._options.display.runs(len(tasks), load) as report:
            heard = stream_replications(tasks, self._options.workers, report, finished, needless)
        self.interrupted = self.interrupted or heard

    def _warn_if_short_of_memory(self, configs: Sequence[Config]) -> None:
        if self._warned:
            return
        # Cells share their config over all replications.
        distinct = {id(config): config for config in configs}.values()
        worlds = [config.world_at(self._options.scale) for config in distinct]
        processes = processes_here(self._options.workers, len(configs))
        warning = memory_warning(worlds, processes)
        if warning:
            self._options.display.warn(warning)
        self._warned = bool(warning)

    def _key(self, cell: Cell, replication: int) -> str:
        seed = seed_of(self._seed, replication)
        config = self._config(cell, replication)
        return key_of(identity_of(config.resolved, seed, self._options.scale))

    def _config(self, cell: Cell, replication: int) -> Config:
        """The world of a replication, or of the second run of one."""
        return cell.config.drawn(self._seed, world_number(replication))
