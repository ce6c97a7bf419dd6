"""Checks the inference on simulated worlds whose unknowns are known.

Truths are drawn from the prior of one model, simulated, and their vectors taken for observations
(S. Talts et al., 2018, "Validating Bayesian inference algorithms with simulation-based
calibration"). Of intervals with probability p a share p should hold the truth, and the rank of the
truth among the particles should be uniform. Truths that the limits reject are passed over: the
prior is that of worlds within the limits, for truths and particles alike.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from typing_extensions import TypedDict

from experiments.studies.explain.inference import Judge, Plan, Point, Proposal, infer
from experiments.studies.explain.observations import Observation, Values

LEVELS: Final = (0.5, 0.9)
_TRIES: Final = 10


class Coverage(TypedDict):
    """One unknown: the share of truths within the intervals, beside what it should be.

    Among n worlds a truth has one of n + 1 ranks, so that an interval of nearly 90 % is the most
    that few worlds give: `nominal` is what equally likely ranks would give.

    `p_uniform` is the probability of ranks at least as uneven as these (Kolmogorov and Smirnov).
    """

    unknown: str
    nominal: list[float]
    found: list[float]
    error: list[float]
    p_uniform: float


class Calibration(TypedDict):
    """How well the intervals of the inference hold."""

    model: str
    scale: float
    truths: int
    particles: int
    levels: int
    coverage: list[Coverage]


def ranks(truth: Point, particles: Sequence[Point]) -> list[float]:
    """Of each coordinate the share of particles below the truth."""
    points = np.array(particles)
    return [float(share) for share in (points < np.array(truth)).mean(axis=0)]


def coverage(
    names: Sequence[str], found: Sequence[Sequence[float]], particles: int
) -> list[Coverage]:
    """What the ranks of many truths say of each unknown.

    Args:
        names: of the unknowns.
        found: for each truth the rank of each unknown, from 0 to 1.
        particles: worlds among which each truth was ranked.
    """
    from scipy.stats import kstest

    table = np.array(found)
    ranks_of_chance = np.linspace(0.0, 1.0, particles + 1)
    nominal = [_within(ranks_of_chance, level) for level in LEVELS]
    return [
        {
            "unknown": name,
            "nominal": nominal,
            "found": [_within(table[:, index], level) for level in LEVELS],
            "error": [math.sqrt(level * (1 - level) / len(table)) for level in nominal],
            "p_uniform": float(kstest(table[:, index], "uniform").pvalue),
        }
        for index, name in enumerate(names)
    ]


def _within(column: np.ndarray[tuple[int], np.dtype[np.float64]], level: float) -> float:
    tail = (1 - level) / 2
    return float(((column >= tail) & (column <= 1 - tail)).mean())


def truths(model: str, dimensions: int, count: int, seed: int) -> Iterator[Proposal]:
    """Worlds drawn from the prior; more than `count`, for those that are rejected."""
    rng = np.random.default_rng([seed, count])
    for number in range(count * _TRIES):
        point = tuple(float(value) for value in rng.random(dimensions))
        yield Proposal(model, point, f"truth/{number}")


def as_observed(observations: Sequence[Observation], values: Values) -> list[Observation]:
    """The observations, had this vector been observed."""
    return [
        Observation(one.name, dataclasses.replace(one.observed, value=value, bound="equal"))
        for one, value in zip(observations, values, strict=True)
        if value is not None
    ]


def infer_back(
    model: str,
    dimensions: int,
    plan: Plan,
    judge: Judge,
    seed: int,
) -> list[Point]:
    """The particles of a small inference; none when it was cut short."""
    (population,) = infer([model], dimensions, plan, judge, seed)
    if population.levels < plan.levels:
        return []
    return [particle.proposal.point for particle in population.particles]
