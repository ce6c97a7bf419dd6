"""How well accepted worlds predict what was observed: one observation at a time, and all at once.

Posterior predictive p-values (A. Gelman, X. Meng, H. Stern, 1996, "Posterior predictive assessment
of model fitness via realized discrepancies"): how often a world drawn from the posterior shows
something at least as far off as what was observed. Of a single observation it is two-sided; of a
limit that was observed, the share of worlds that keep to it. Of the whole vector it is the share
of worlds whose own numbers lie at least as far from the median of the worlds as the observed ones.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from typing_extensions import TypedDict

from experiments.studies.explain.observations import Observation, Values, Vector

_SHOWN = 1.0
"""Spreads up to which a world counts as showing an observation."""


class Joint(TypedDict):
    """All observations at once.

    `p` is the posterior predictive p of the whole, `all_at_once` the probability of a world that
    shows every observation within its own spread, `most_at_once` the largest number that any
    world shows, `shown` for how many observations the average world does.
    """

    p: float | None
    all_at_once: float
    most_at_once: int
    shown: float


def predictive_p(
    one: Observation, values: Sequence[float | None], weights: Sequence[float]
) -> float | None:
    """The p-value of one observation; None where no world has the number."""
    pairs = [(v, w) for v, w in zip(values, weights, strict=True) if v is not None]
    total = sum(weight for _, weight in pairs)
    if not total:
        return None
    target = one.observed.value
    below = sum(weight for value, weight in pairs if value <= target) / total
    above = sum(weight for value, weight in pairs if value >= target) / total
    match one.observed.bound:
        case "at_least":
            return above
        case "at_most":
            return below
        case "equal":
            return min(1.0, 2 * min(below, above))


def joint(vector: Vector, worlds: Sequence[Values], weights: Sequence[float]) -> Joint:
    """What weighted worlds say of the whole vector; at least one world."""
    spreads = [one.spread(0.0, vector.scale) for one in vector.observations]
    shown = [
        [
            abs(one.difference(value, spread, vector.scale)) <= _SHOWN
            for one, value, spread in zip(vector.observations, values, spreads, strict=True)
        ]
        for values in worlds
    ]
    total = sum(weights)
    together = sum(w for row, w in zip(shown, weights, strict=True) if all(row)) / total
    average = sum(sum(row) * w for row, w in zip(shown, weights, strict=True)) / total
    return {
        "p": _whole_p(vector, worlds, weights, spreads),
        "all_at_once": together,
        "most_at_once": max(sum(row) for row in shown),
        "shown": average,
    }


def _whole_p(
    vector: Vector, worlds: Sequence[Values], weights: Sequence[float], spreads: Sequence[float]
) -> float | None:
    columns = [
        (one, spread, [row[index] for row in worlds])
        for index, (one, spread) in enumerate(zip(vector.observations, spreads, strict=True))
        # Of a limit only the limit was observed: how far beyond it nobody knows.
        if one.observed.bound == "equal"
    ]
    centres: list[tuple[Observation, float, float, int]] = []
    for one, spread, values in columns:
        numbers = [one.compared(value, vector.scale) for value in values if value is not None]
        if numbers:
            index = vector.observations.index(one)
            centres.append((one, spread, statistics.median(numbers), index))
    if not centres:
        return None

    def off(values: Sequence[float | None]) -> float:
        gaps = [
            5.0
            if (value := values[index]) is None
            else abs(one.compared(value, vector.scale) - centre) / spread
            for one, spread, centre, index in centres
        ]
        return statistics.fmean(gaps)

    observed = off([one.observed.value for one in vector.observations])
    farther = sum(
        weight for row, weight in zip(worlds, weights, strict=True) if off(row) >= observed
    )
    return farther / sum(weights)
