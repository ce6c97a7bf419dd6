"""Which unknown moves which observation: first-order indices from the worlds of the prior.

The share of the variance of an observation that is gone when one unknown is known (the first-order
index of I. Sobol, 1993), estimated from given data: worlds are divided into classes by the value
of the unknown, and the variance between the means of the classes is compared with the whole (E.
Plischke, E. Borgonovo, C. Smith, 2013, "Global sensitivity measures from given data"). No further
run is needed. What chance gives with as many worlds is stated beside it, from random orders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import TypedDict

from experiments.config.unknown import Unknown
from experiments.studies.explain.cross_validation import Drawn
from experiments.studies.explain.observations import Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSES: Final = 5
"""Classes of equal size into which a range is divided."""
_SHUFFLES: Final = 400
_BY_CHANCE: Final = 0.95
_FEWEST_WORLDS: Final = 20


class InfluenceRow(TypedDict):
    """How much of the variance of an observation one unknown explains, from 0 to 1.

    `by_chance` is what 95 % of random orders of the same worlds stay below.
    """

    unknown: str
    observation: str
    share: float
    by_chance: float


def influences(
    unknowns: Sequence[tuple[int, Unknown]], drawn: Sequence[Drawn], vector: Vector, seed: int
) -> Iterator[InfluenceRow]:
    """Every unknown beside every observation that varies.

    Args:
        unknowns: with their places among the coordinates.
        drawn: from the priors, not rejected.
        vector: the observations.
        seed: of the random orders.
    """
    for index, one in enumerate(vector.observations):
        rows = [world for world in drawn if world.values[index] is not None]
        column = np.array(
            [
                one.compared(value, vector.scale)
                for world in rows
                for value in [world.values[index]]
                if value is not None
            ]
        )
        if len(rows) < _FEWEST_WORLDS or float(column.var()) == 0.0:
            continue
        for place, unknown in unknowns:
            classes = _classes(unknown, [world.point[place] for world in rows])
            rng = np.random.default_rng([seed, index, place])
            chance = [
                _between(classes, rng.permutation(column)) / column.var() for _ in range(_SHUFFLES)
            ]
            yield {
                "unknown": unknown.name,
                "observation": one.name,
                "share": _between(classes, column) / float(column.var()),
                "by_chance": float(np.quantile(chance, _BY_CHANCE)),
            }


def _classes(unknown: Unknown, coordinates: Sequence[float]) -> NDArray[np.int64]:
    """The class of each world: the value of a choice, a fifth of a range."""
    if unknown.is_choice:
        return np.array([unknown.choice(one) for one in coordinates], dtype=np.int64)
    ranks = np.argsort(np.argsort(np.array(coordinates), kind="stable"), kind="stable")
    return ranks * _CLASSES // len(coordinates)


def _between(classes: NDArray[np.int64], column: NDArray[np.float64]) -> float:
    """The variance between the means of the classes."""
    counts = np.bincount(classes)
    present = counts > 0
    means = np.bincount(classes, weights=column)[present] / counts[present]
    return float(np.average((means - column.mean()) ** 2, weights=counts[present]))
