"""Means over independent replications and their intervals: by Student's t, and by rank.

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

LEVEL = 0.95
FEWEST_FOR_INTERVALS = 3
FEWEST_FOR_RANKS = 39
_HALF_UNIT = 0.5
Interval = tuple[float, float] | None


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean; a whole number stays one, so that counts of one run read as counts."""
    total = math.fsum(values) / len(values)
    return int(total) if total.is_integer() and all(isinstance(v, int) for v in values) else total


def ci95(values: Sequence[float]) -> Interval:
    """The 95 % confidence interval of the mean: mean +- t s / sqrt(n). None below 3 values."""
    return _interval(values, 1 / len(values) if values else 0.0)


def pi95(values: Sequence[float]) -> Interval:
    """The 95 % prediction interval of one further run: mean +- t s sqrt(1 + 1/n)."""
    return _interval(values, 1 + 1 / len(values) if values else 0.0)


def count_pi95(values: Sequence[float]) -> Interval:
    """`pi95` for whole numbers, with the continuity correction: half a unit wider on either side.

    A count k stands for all between k - 0.5 and k + 0.5, so it is inside if any of that is. Of
    Poisson counts with a mean of 1 to 5, 94.0 to 95.0 % are inside without it, 96.7 to 97.2 % with
    it (eight seen, one fresh): it errs on the wide side, by less the larger the counts are.
    """
    interval = pi95(values)
    return None if interval is None else (interval[0] - _HALF_UNIT, interval[1] + _HALF_UNIT)


def ranked_pi95(values: Sequence[float]) -> Interval:
    """The 95 % prediction interval of one further run that holds for any distribution.

    Of n + 1 values in random order, each is as likely to be of any rank. So the last one lies
    between the k-th smallest and the k-th largest of the others with a probability of
    1 - 2 k / (n + 1) or, of whole numbers, more (S. S. Wilks, Annals of Mathematical Statistics,
    1941); k is the largest with which that is 95 %. None below 39 values, where it is 1.
    """
    count = len(values)
    rank = (count + 1) // (FEWEST_FOR_RANKS + 1)
    if not rank:
        return None
    ordered = sorted(values)
    return (ordered[rank - 1], ordered[count - rank])


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _interval(values: Sequence[float], variance_factor: float) -> Interval:
    count = len(values)
    if count < FEWEST_FOR_INTERVALS:
        return None
    center = math.fsum(values) / count
    variance = math.fsum((value - center) ** 2 for value in values) / (count - 1)
    half = t_quantile(0.975, count - 1) * math.sqrt(variance * variance_factor)
    return (center - half, center + half)


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
    center = math.fsum(values) / count
    first = min(first, count)
    if first < FEWEST_FOR_INTERVALS:
        return MeanEstimate(center, None, None, None, count)
    error = deviation(values[:first]) / math.sqrt(count)
    half = t_quantile((1 + level) / 2, first - 1) * error
    p_value = _p_value(center, error, first - 1)
    return MeanEstimate(center, center - half, center + half, p_value, count)


def _p_value(center: float, error: float, degrees: int) -> float:
    from scipy.special import stdtr

    if error == 0.0:
        return 1.0 if center == 0.0 else 0.0
    return float(2 * stdtr(degrees, -abs(center) / error))


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
    center = math.fsum(values) / count
    error = deviation(values) / math.sqrt(count)
    if error == 0.0:
        return Bounds(center, center, center, count)
    return Bounds(
        center,
        center - t_quantile(1 - error_below, count - 1) * error,
        center + t_quantile(1 - error_above, count - 1) * error,
        count,
    )
