"""When the people of a crowd come: independently of one another, around the opening of the sale."""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

from sim.load.settings import OpeningCrowd

if TYPE_CHECKING:
    from sim.kernel.random_streams import Stream


def crowd_arrivals(settings: OpeningCrowd, opens_s: float, rng: Stream) -> list[float]:
    """Return when each of them comes, in order; seconds since the load began.

    Given how many come, independent times are an inhomogeneous Poisson process. Without an
    opening during the load (`opens_s` = 0) all come after it.
    """
    opens_s = min(opens_s, settings.duration_s)
    return sorted(_one(settings, opens_s, rng) for _ in range(settings.people))


def _one(settings: OpeningCrowd, opens_s: float, rng: Stream) -> float:
    early = rng.bernoulli(settings.early_share)
    drawn = rng.random()
    after_s = settings.duration_s - opens_s
    if opens_s > 0.0 and (early or after_s == 0.0):
        return opens_s - _cut_exponential(drawn, settings.early_mean_s, opens_s)
    return opens_s + _cut_exponential(drawn, settings.late_mean_s, after_s)


def _cut_exponential(drawn: float, mean_s: float, longest_s: float) -> float:
    """An exponential time given that it is at most `longest_s`, from a uniform number."""
    within = 1.0 - exp(-longest_s / mean_s)
    return min(longest_s, -mean_s * log(1.0 - drawn * within))
