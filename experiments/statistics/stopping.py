"""What can be said from few independent replications, and when to stop making more.

Intervals come from independent replications, never from requests within a run.

Two-stage sampling (C. Stein, 1945, "A two-sample test for a linear hypothesis whose power is
independent of the variance"): the variance of the first n0 replications fixes how many there will
be in all and is the only variance used afterwards. The mean of all n replications is independent
of it, so that  mean +- t(n0 - 1) s0 / sqrt(n)  covers at its level although the number of
replications was chosen by looking at the data. A rule that goes on until the running interval
looks narrow does not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from experiments.statistics.intervals import FEWEST_FOR_INTERVALS, t_quantile

LEVEL = 0.95
Finding = Literal["better", "worse", "more", "fewer", "no difference shown", "undecided"]


@dataclasses.dataclass(frozen=True)
class MeanEstimate:
    """A mean over replications with its interval.

    `low`, `high` and `p_value` (two-sided, against 0) are None below three replications.
    """

    mean: float
    low: float | None
    high: float | None
    p_value: float | None
    replications: int

    @property
    def half_width(self) -> float:
        """Half the length of the interval; infinite when there is none."""
        if self.low is None or self.high is None:
            return math.inf
        return (self.high - self.low) / 2

    @property
    def includes_zero(self) -> bool:
        """Whether 0 lies in the interval, or there is none."""
        return self.low is None or self.high is None or self.low <= 0.0 <= self.high


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample of at least two."""
    centre = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def two_stage(values: Sequence[float], first: int, level: float = LEVEL) -> MeanEstimate:
    """The mean of all values, its error judged by the first `first` of them alone.

    Args:
        values: one per replication, in order of replication; for a comparison the differences of
            the pairs that share their random numbers.
        first: replications of the first stage. With `first == len(values)` this is the ordinary
            t interval.
        level: probability with which the interval holds the true mean.
    """
    count = len(values)
    mean = math.fsum(values) / count
    first = min(first, count)
    if first < FEWEST_FOR_INTERVALS:
        return MeanEstimate(mean, None, None, None, count)
    error = deviation(values[:first]) / math.sqrt(count)
    half = t_quantile((1 + level) / 2, first - 1) * error
    return MeanEstimate(mean, mean - half, mean + half, _p_value(mean, error, first - 1), count)


def _p_value(mean: float, error: float, degrees: int) -> float:
    from scipy.special import stdtr

    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2 * stdtr(degrees, -abs(mean) / error))


def replications_needed(
    first_stage: Sequence[float], half_width: float, level: float = LEVEL
) -> int:
    """How many replications in all give an interval of at most this half-width.

    Stein's n = max(n0, ceil((t s0 / half_width)^2)). Raises ValueError below three values.
    """
    count = len(first_stage)
    if count < FEWEST_FOR_INTERVALS:
        raise ValueError(f"first_stage: {count} values; allowed: at least {FEWEST_FOR_INTERVALS}")
    t = t_quantile((1 + level) / 2, count - 1)
    return max(count, math.ceil((t * deviation(first_stage) / half_width) ** 2))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values so that all comparisons together err with the probability of one.

    S. Holm, 1979, "A simple sequentially rejective multiple test procedure": valid under any
    dependence, as there is here, where everything is compared with the same runs. A comparison
    without a p-value stays without and still counts as one.
    """
    count = len(p_values)
    adjusted: list[float | None] = [None] * count
    ordered = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    largest = 0.0
    for rank, (p, index) in enumerate(ordered):
        largest = max(largest, min(1.0, (count - rank) * p))
        adjusted[index] = largest
    return adjusted


def verdict_of(
    difference: MeanEstimate, adjusted_p: float | None, tolerance: float, better: Literal[-1, 0, 1]
) -> Finding:
    """What a difference shows.

    Args:
        difference: variant minus base.
        adjusted_p: its p-value, corrected for all comparisons made.
        tolerance: half-width from which on an interval around 0 shows that nothing much changed.
        better: 1 when more is better, -1 when less is, 0 when neither can be said.
    """
    if adjusted_p is not None and adjusted_p <= 1 - LEVEL:
        grew = difference.mean > 0
        if better == 0:
            return "more" if grew else "fewer"
        return "better" if grew == (better > 0) else "worse"
    if difference.includes_zero and difference.half_width <= tolerance:
        return "no difference shown"
    return "undecided"


@dataclasses.dataclass(frozen=True)
class Bounds:
    """One-sided bounds of a mean: each holds by itself with the probability it was asked for."""

    mean: float
    low: float
    high: float
    replications: int


def bounds(values: Sequence[float], error_below: float, error_above: float) -> Bounds | None:
    """The lower and the upper confidence bound of a mean; None below three values.

    Args:
        values: one per replication.
        error_below: probability that the true mean is below `low`.
        error_above: probability that it is above `high`.
    """
    count = len(values)
    if count < FEWEST_FOR_INTERVALS:
        return None
    mean = math.fsum(values) / count
    error = deviation(values) / math.sqrt(count)
    if error == 0.0:
        return Bounds(mean, mean, mean, count)
    return Bounds(
        mean,
        mean - t_quantile(1 - error_below, count - 1) * error,
        mean + t_quantile(1 - error_above, count - 1) * error,
        count,
    )


def looks(first: int, most: int) -> list[int]:
    """Numbers of replications at which a decision is tried: `first`, then twice as many each time.

    Each look gets an equal part of the error probability (Bonferroni), so that all of them
    together err with the stated one at most, however many are used.
    """
    numbers = [first]
    while numbers[-1] < most:
        numbers.append(min(most, 2 * numbers[-1]))
    return numbers
