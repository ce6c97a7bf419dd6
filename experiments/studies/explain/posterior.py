"""Reads the accepted worlds: intervals of the unknowns, what narrows them, predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from experiments.config.unknown import Unknown
from experiments.studies.explain.inference import Evidence, Particle, Population
from experiments.studies.explain.observations import Values, Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL: Final = 0.9
"""Of the intervals of unknowns: few particles say little about 2.5 % tails."""
_NEAREST: Final = 0.15
"""Share of the worlds from the prior that one observation alone accepts."""
_SHUFFLES: Final = 400
_NULL: Final = 0.95
_GRID: Final = 20


@dataclass(frozen=True)
class Weighted:
    """A world and its posterior probability."""

    particle: Particle
    weight: float


def mixture(
    populations: Sequence[Population], evidences: Sequence[Evidence], tolerance: float
) -> list[Weighted]:
    """The accepted worlds of all models, each model with its probability; weights sum to 1."""
    found = []
    for population, evidence in zip(populations, evidences, strict=True):
        near = [one for one in population.particles if one.distance <= tolerance]
        accepted = [one for one in near if math.isfinite(one.distance)]
        share = evidence.probability / len(accepted) if accepted else 0.0
        found += [Weighted(particle, share) for particle in accepted]
    total = math.fsum(one.weight for one in found)
    return [Weighted(one.particle, one.weight / total) for one in found if total]


def quantile(values: Sequence[float], weights: Sequence[float], share: float) -> float:
    """The smallest value that this share of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    cumulated = np.cumsum(np.array(weights)[order])
    index = int(np.searchsorted(cumulated, share * cumulated[-1] - 1e-12))
    return float(values[int(order[min(index, len(order) - 1)])])


@dataclass(frozen=True)
class Belief:
    """What is believed of an unknown: coordinates of the interval and of the median.

    `shares` are the posterior probabilities of the values of a choice, empty for a range.
    `narrowing` is 0 when nothing was learnt and 1 when everything was.
    """

    unknown: Unknown
    low: float
    median: float
    high: float
    shares: tuple[float, ...]
    narrowing: float
    worlds: int


def belief(
    unknown: Unknown, worlds: Sequence[Weighted], index: int, level: float = LEVEL
) -> Belief:
    """The marginal posterior of one unknown.

    Args:
        unknown: which one.
        worlds: accepted ones in which it matters.
        index: its place among the coordinates.
        level: probability of the interval.
    """
    coordinates = [one.particle.proposal.point[index] for one in worlds]
    weights = [one.weight for one in worlds]
    tail = (1 - level) / 2
    shares: tuple[float, ...] = ()
    if unknown.is_choice:
        shares = _shares(unknown, coordinates, weights)
    return Belief(
        unknown,
        quantile(coordinates, weights, tail),
        quantile(coordinates, weights, 0.5),
        quantile(coordinates, weights, 1 - tail),
        shares,
        narrowing(unknown, coordinates, weights),
        len({one.particle.proposal.label for one in worlds}),
    )


def _shares(
    unknown: Unknown, coordinates: Sequence[float], weights: Sequence[float]
) -> tuple[float, ...]:
    found = [0.0] * len(unknown.prior.values)
    for coordinate, weight in zip(coordinates, weights, strict=True):
        found[unknown.choice(coordinate)] += weight
    total = math.fsum(found)
    return tuple(share / total for share in found)


def narrowing(unknown: Unknown, coordinates: Sequence[float], weights: Sequence[float]) -> float:
    """How much narrower than the prior: a range by its middle half, a choice by its entropy.

    0 or less: nothing was learnt.
    """
    if unknown.is_choice:
        before = _entropy(unknown.shares)
        return 1 - _entropy(_shares(unknown, coordinates, weights)) / before if before else 0.0
    width = quantile(coordinates, weights, 0.75) - quantile(coordinates, weights, 0.25)
    return 1 - width / 0.5


def _entropy(shares: Sequence[float]) -> float:
    return -math.fsum(share * math.log(share) for share in shares if share > 0.0)


@dataclass(frozen=True)
class Narrowing:
    """How much one observation alone narrows one unknown, and what chance would do as well.

    `by_chance` is the narrowing that 95 % of random choices of as many worlds stay below.
    """

    observation: str
    unknown: str
    value: float
    by_chance: float

    @property
    def learnt(self) -> bool:
        """Whether it is more than chance."""
        return self.value > self.by_chance


def identifiability(
    unknowns: Sequence[tuple[int, Unknown]],
    worlds: Sequence[tuple[Particle, Values]],
    vector: Vector,
    seed: int,
) -> list[Narrowing]:
    """Which observation says something about which unknown.

    Args:
        unknowns: with their places among the coordinates.
        worlds: drawn from the prior and not rejected, with their vectors.
        vector: the observations.
        seed: of the random choices that show what chance does.
    """
    count = max(2, round(_NEAREST * len(worlds)))
    if len(worlds) < 2 * count:
        return []
    misses = np.abs([vector.differences(values) for _, values in worlds])
    points = np.array([particle.proposal.point for particle, _ in worlds])
    found = []
    for place, unknown in unknowns:
        column = points[:, place]
        limit = _by_chance(unknown, column, count, np.random.default_rng([seed, place]))
        base = narrowing(unknown, list(column), [1.0] * len(column))
        for row, one in enumerate(vector.observations):
            nearest = np.argsort(misses[:, row], kind="stable")[:count]
            # Worlds that are all equally near tell nothing apart: take all of them.
            nearest = np.flatnonzero(misses[:, row] <= misses[nearest[-1], row])
            value = narrowing(unknown, list(column[nearest]), [1.0] * len(nearest)) - base
            found.append(Narrowing(one.name, unknown.name, value, limit))
    return found


def _by_chance(
    unknown: Unknown, column: NDArray[np.float64], count: int, rng: np.random.Generator
) -> float:
    base = narrowing(unknown, list(column), [1.0] * len(column))
    values = [
        narrowing(unknown, list(rng.choice(column, count, replace=False)), [1.0] * count) - base
        for _ in range(_SHUFFLES)
    ]
    return float(np.quantile(values, _NULL))


@dataclass(frozen=True)
class Prediction:
    """What accepted worlds say of one observation, at full size."""

    observation: str
    observed: float
    low: float | None
    median: float | None
    high: float | None
    explained: bool
    """Whether what was observed, give or take its own spread, lies within what is predicted."""


def predictions(
    vector: Vector, values: Sequence[Values], weights: Sequence[float], level: float = 0.95
) -> list[Prediction]:
    """Posterior-predictive intervals of every observation."""
    found = []
    tail = (1 - level) / 2
    for index, one in enumerate(vector.observations):
        pairs = [
            (row[index], weight)
            for row, weight in zip(values, weights, strict=True)
            if row[index] is not None
        ]
        numbers = [float(number) for number, _ in pairs if number is not None]
        own = [weight for _, weight in pairs]
        if not numbers:
            found.append(Prediction(one.name, one.observed.value, None, None, None, False))
            continue
        low, middle, high = (quantile(numbers, own, share) for share in (tail, 0.5, 1 - tail))
        signed = [
            one.difference(number, one.spread(0.0, vector.scale), vector.scale)
            for number in (low, high)
        ]
        found.append(
            Prediction(
                one.name,
                one.observed.value,
                low,
                middle,
                high,
                explained=min(signed) <= 1.0 and max(signed) >= -1.0,
            )
        )
    return found


def best_per_model(populations: Sequence[Population]) -> Mapping[str, Particle | None]:
    """The nearest world that each model ever came to."""
    return {
        population.model: min(
            (one for one in population.visited if math.isfinite(one.distance)),
            key=lambda one: (one.distance, one.proposal.label),
            default=None,
        )
        for population in populations
    }
