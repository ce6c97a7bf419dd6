"""Measurements kept in memory that does not grow with the length of a run."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST: Final = 4_000_000
"""Numbers kept of each kind, 32 MB; the incident at full size has 0.55 million requests."""


class Samples:
    """Numbers in the order in which they came: all of them, or evenly thinned beyond `most`.

    When they are too many, every other one is dropped and from then on only every second, fourth
    and so on is taken. So two that are given as many numbers keep those of the same moments.
    """

    __slots__ = ("_most", "_values", "count", "stride")

    def __init__(self, typecode: str = "d", most: int = MOST) -> None:
        self._values: array[Any] = array(typecode)
        self._most = most
        self.count = 0
        """How many there were."""
        self.stride = 1
        """How many of them one stands for, of those kept; 1: all are kept."""

    # Not a float: compiled code would make floats of integers, which an array of those refuses.
    def append(self, value: Any) -> None:
        """Add a number."""
        if self.count % self.stride == 0:
            self._values.append(value)
            if len(self._values) > self._most:
                self._values = self._values[::2]
                self.stride *= 2
        self.count += 1

    def since(self, count: int) -> NDArray[np.float64]:
        """Those that are kept of the ones given after the first `count`."""
        return np.array(self._values[-(-count // self.stride) :])

    def kept(self) -> NDArray[np.float64]:
        """Those that are kept, in their order."""
        return np.array(self._values)


class Total:
    """Sum and extremes of all durations of a kind, in seconds."""

    __slots__ = ("least_s", "most_s", "sum_s")

    def __init__(self) -> None:
        self.sum_s = 0.0
        self.least_s = float("inf")
        self.most_s = 0.0

    def add(self, duration_s: float) -> None:
        """Add a duration."""
        self.sum_s += duration_s
        if duration_s < self.least_s:  # noqa: PLR1730 - every request comes here
            self.least_s = duration_s
        if duration_s > self.most_s:  # noqa: PLR1730
            self.most_s = duration_s
