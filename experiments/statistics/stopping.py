"""How many replications to make, and what their differences show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from experiments.statistics.intervals import (
    FEWEST_FOR_INTERVALS,
    LEVEL,
    MeanEstimate,
    deviation,
    t_quantile,
)

FIRST_STAGE: Final = 5
"""Replications of a first stage where neither the command line nor the config says enough."""
Finding = Literal["better", "worse", "more", "fewer", "no difference shown", "undecided"]


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


def first_stage(own: int, asked: int | None) -> int:
    """How many replications a study makes at first.

    Args:
        own: the config's, which counts if intervals can come from it.
        asked: the command line's, which counts in any case; None where it says nothing.
    """
    return asked or (own if own >= FEWEST_FOR_INTERVALS else FIRST_STAGE)


def looks(first: int, most: int) -> list[int]:
    """Numbers of replications at which a decision is tried: `first`, then twice as many each time.

    Each look gets an equal part of the error probability (Bonferroni), so that all of them
    together err with the stated one at most, however many are used.
    """
    numbers = [first]
    while numbers[-1] < most:
        numbers.append(min(most, 2 * numbers[-1]))
    return numbers
