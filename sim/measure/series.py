"""The state of the world over time, at a bounded number of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from sim.kernel.environment import Environment, Steps


class Series:
    """Samples of named gauges every `interval_s`, thinned to at most `max_points` points.

    `tallies` counts things whose names are known only once they happen: each is a column of its
    own, 0 until then.

    When the points are full every other one is dropped and the interval doubled, so that a run of
    any length needs the same memory.
    """

    def __init__(
        self,
        env: Environment,
        gauges: dict[str, Callable[[], float]],
        interval_s: float,
        max_points: int = 4_000,
        tallies: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._env = env
        self._gauges = gauges
        self._interval_s = interval_s
        self._max_points = max_points
        self._start_s = env.now
        self._rows: list[tuple[float, ...]] = []
        self._tallies = tallies
        self._tallied: list[Mapping[str, float]] = []
        """One for each row."""

    def start(self) -> None:
        """Take the first sample one interval from now."""
        self._start_s = self._env.now
        self._env.process(self._sample_again_and_again())

    def _sample_again_and_again(self) -> Steps:
        while True:
            yield self._env.timeout(self._interval_s)
            self._sample()

    def _sample(self) -> None:
        self._rows.append(
            (self._env.now - self._start_s, *(gauge() for gauge in self._gauges.values()))
        )
        self._tallied.append(self._tallies())
        if len(self._rows) >= self._max_points:
            self._rows = self._rows[1::2]
            self._tallied = self._tallied[1::2]
            self._interval_s *= 2.0

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return column -> values; "t_s" counts from `start`."""
        names = ("t_s", *self._gauges)
        table = np.array(self._rows, dtype=np.float64).reshape(len(self._rows), len(names))
        columns = {name: table[:, column].copy() for column, name in enumerate(names)}
        for name in dict.fromkeys(name for tallied in self._tallied for name in tallied):
            counts = (tallied.get(name, 0.0) for tallied in self._tallied)
            columns[name] = np.fromiter(counts, dtype=np.float64, count=len(self._tallied))
        return columns
