"""Replications of several configs with the same seeds: what compare, sweep, gate, validate run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from experiments.config.reading import Config
from experiments.runs.journal import Journal
from experiments.runs.options import RunOptions
from experiments.runs.replications import seed_of
from experiments.runs.runner import Runner
from experiments.runs.wanted import Wanted, wanted_run
from sim.result import RunResult


@dataclasses.dataclass(frozen=True)
class Cell:
    """One world to be replicated, under the name that results give it."""

    name: str
    config: Config


class Campaign:
    """Runs replications of cells; replication k of every cell has the same seed."""

    def __init__(self, journal: Journal, options: RunOptions, seed: int) -> None:
        self._runner = Runner(journal, options)
        self._scale = options.scale
        self._seed = seed

    @property
    def interrupted(self) -> bool:
        """Whether the user interrupted."""
        return self._runner.interrupted

    @property
    def cut_short(self) -> bool:
        """Whether something that was wanted could not be run any more."""
        return self._runner.cut_short

    def results(self, cell: Cell) -> list[RunResult]:
        """The finished replications of a cell, from the first one on without a gap."""
        runs: list[RunResult] = []
        while (run := self._runner.result(self._wanted(cell, len(runs)))) is not None:
            runs.append(run)
        return runs

    def run(self, wanted: Iterable[tuple[Cell, int]]) -> bool:
        """Run the replications of cells that are missing; see `Runner.run`."""
        return self._runner.run(self._wanted(cell, replication) for cell, replication in wanted)

    def _wanted(self, cell: Cell, replication: int) -> Wanted:
        return wanted_run(cell.config, seed_of(self._seed, replication), self._scale)
