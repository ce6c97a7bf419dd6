"""Non-negative linear least squares with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """A non-negative least-squares fit of `matrix @ estimate` to `measured`."""

    names: Sequence[str]
    rows: Sequence[str]
    estimate: Vector
    sigma: Vector
    measured: Vector
    fitted: Vector

    def __getitem__(self, name: str) -> float:
        """Return the estimate of one parameter."""
        return float(self.estimate[self.names.index(name)])

    def error(self, name: str) -> float:
        """Return the standard error of one parameter."""
        return float(self.sigma[self.names.index(name)])


def linear(
    names: Sequence[str],
    rows: Sequence[str],
    matrix: Sequence[Sequence[float]],
    measured: Sequence[float],
    relative: float,
    absolute: float,
) -> Linear:
    """Fit with errors of `relative` times the measured value, at least `absolute`."""
    a, y = np.array(matrix, dtype=float), np.array(measured, dtype=float)
    weight = 1.0 / np.maximum(absolute, relative * np.abs(y))
    estimate, residual = nnls(a * weight[:, None], y * weight)
    free = max(1, len(y) - len(names))
    information = (a * weight[:, None]).T @ (a * weight[:, None])
    sigma = np.sqrt(np.diag(np.linalg.pinv(information))) * residual / np.sqrt(free)
    return Linear(names, rows, estimate, sigma, y, a @ estimate)
