"""The state of the world over time, at a bounded number of points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from sim.kernel import Environment


class Series:
    """Samples of named gauges every `interval_s`, thinned to at most `max_points` points.

    When the points are full every other one is dropped and the interval doubled, so that a run of
    any length needs the same memory.
    """

    def __init__(
        self,
        env: Environment,
        gauges: dict[str, Callable[[], float]],
        interval_s: float,
        max_points: int = 4_000,
    ) -> None:
        self._env = env
        self._gauges = gauges
        self._interval_s = interval_s
        self._max_points = max_points
        self._start_s = env.now
        self._rows: list[tuple[float, ...]] = []

    def start(self) -> None:
        """Take the first sample one interval from now."""
        self._start_s = self._env.now
        self._env.call_in(self._interval_s, self._sample)

    def _sample(self) -> None:
        self._rows.append(
            (self._env.now - self._start_s, *(gauge() for gauge in self._gauges.values()))
        )
        if len(self._rows) >= self._max_points:
            self._rows = self._rows[1::2]
            self._interval_s *= 2.0
        self._env.call_in(self._interval_s, self._sample)

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """Return column -> values; "t_s" counts from `start`."""
        names = ("t_s", *self._gauges)
        table = np.array(self._rows, dtype=np.float64).reshape(len(self._rows), len(names))
        return {name: table[:, column].copy() for column, name in enumerate(names)}
