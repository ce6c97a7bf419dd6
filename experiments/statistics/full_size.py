"""Thresholds of a run at a scale below 1: compared at full size, or refused with the reason.

A world at scale x has x times the people and seats on an x times weaker system. So shares,
durations and statistics per person are what they are at full size; numbers that count people,
requests or bytes, or so many of them per second or minute, are x times as large and are divided
by x. Of pairs of people there are x squared times as many, give or take; nobody has shown how
far that holds, so a threshold on them is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from experiments.statistics.thresholds import Measure, kind_of

_PER_PEOPLE: Final = frozenset(
    {"admissions_per_minute", "goodput", "places_lost", "vus", "vus_max"}
)
"""Trends and gauges that are larger the more people there are."""
_REFUSED: Final = {
    "order_inversions": "it counts pairs of people, so its full size cannot be read off a part "
    "of the people; use places_lost, or no --scale"
}


def grows(measure: Measure) -> bool:
    """Whether the number is larger the larger the world is."""
    return measure.metric in _PER_PEOPLE or kind_of(measure.metric) == "counter"


def refusal(measure: Measure, scale: float) -> str:
    """Why a number cannot be told of full size at this scale; nothing where it can."""
    return _REFUSED.get(measure.metric, "") if scale < 1 else ""


def whole_parts(parts: Sequence[float]) -> list[int]:
    """Round numbers to whole ones that add up to their rounded sum.

    The largest remainders are rounded up, so no number is off by one or more.
    """
    floors = [math.floor(part) for part in parts]
    missing = round(sum(parts)) - sum(floors)
    by_remainder = sorted(range(len(parts)), key=lambda one: floors[one] - parts[one])
    for one in by_remainder[:missing]:
        floors[one] += 1
    return floors


def at_full_size(measure: Measure, value: float, scale: float) -> float:
    """A number of a run at a scale, as it would be at full size; see above."""
    return value / scale if scale < 1 and grows(measure) else value
