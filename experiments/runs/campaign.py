"""Replications of several configs with the same seeds: what compare, sweep, gate, validate run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from experiments.config.reading import Config
from experiments.runs.options import RunOptions
from experiments.runs.runner import Runner
from experiments.runs.storage.journal import Journal
from experiments.runs.wanted import Wanted, wanted_run
from experiments.runs.workers.replications import seed_of
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

    Cells share their random numbers: replication k of every cell has the same seed and, where
    something is unknown, the same draw.
    """

    def __init__(self, journal: Journal, options: RunOptions, seed: int) -> None:
        self._runner = Runner(journal, options)
        self._scale = options.scale
        self._seed = seed
        # The cell is kept as well: the id of its config must not become that of another one.
        self._wanted_runs: dict[tuple[int, int], tuple[Cell, Wanted]] = {}

    @property
    def interrupted(self) -> bool:
        """Whether the user interrupted."""
        return self._runner.interrupted

    @property
    def cut_short(self) -> bool:
        """Whether something that was wanted could not be run any more."""
        return self._runner.cut_short

    @property
    def so_far(self) -> str:
        """See `Runner.so_far`."""
        return self._runner.so_far

    def results(self, cell: Cell) -> list[RunResult]:
        """The finished replications of a cell, from the first one on without a gap."""
        runs: list[RunResult] = []
        while (run := self._result(cell, len(runs))) is not None:
            runs.append(run)
        return runs

    def run(self, wanted: Iterable[tuple[Cell, int]]) -> bool:
        """Run the replications of cells that are missing; see `Runner.run`."""
        return self._runner.run(self._wanted(cell, replication) for cell, replication in wanted)

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
        runs: dict[int, RunResult] = {}
        while (run := self._result(cell, again(len(runs)))) is not None:
            runs[len(runs)] = run
        return runs

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

    def _result(self, cell: Cell, replication: int) -> RunResult | None:
        return self._runner.result(self._wanted(cell, replication))

    def _wanted(self, cell: Cell, replication: int) -> Wanted:
        """A replication, or the second run of one."""
        place = (id(cell.config), replication)
        if place not in self._wanted_runs:
            config = cell.config.drawn(self._seed, world_number(replication))
            seed = seed_of(self._seed, replication)
            run = wanted_run(config, seed, self._scale, watched=watched(cell.config))
            self._wanted_runs[place] = cell, run
        return self._wanted_runs[place][1]
