"""Which variants to take first, for how much, when nobody knows which world it is.

Of all variants up to a cost the robust one is that which gains most where it gains least: the
lower end of the 90 % interval of the seats gained over the worlds (standing at the end, reserved
or paid) counts first, then the median of the seats gained, then the median of the failed requests
(a quantile in place of the mean or the maximum: J. Mulvey, R. Vanderbei, S. Zenios, 1995, "Robust
optimization of large-scale systems"). Failed requests come last, because a change that turns
errors into waiting lowers them and sells no seat. They decide between variants that sell alike, so
a choice may sell nothing more: its row says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import TypedDict

from experiments.statistics.quantities import BOOKED, FAILED
from experiments.studies.compare.over_worlds import Effect


@dataclass(frozen=True)
class Candidate:
    """A variant that can be paid for, and its effects over the worlds by quantity."""

    name: str
    cost: float
    effects: Mapping[str, Effect]


class Choice(TypedDict):
    """The robust choice from a cost on, until the next row.

    `better_than` is the number of other variants of at most this cost.
    """

    cost: float
    name: str
    better_than: int
    booked: Effect
    failed: Effect


Merit = tuple[float, float, float]
_POINT: Final = 2
"""Decimals of a share that are compared."""


def first_choices(candidates: Sequence[Candidate]) -> list[Choice]:
    """The robust choice at each cost at which it changes, cheapest first.

    A dearer variant is listed only if it is better than every cheaper one. Where two are equally
    good for the same cost, the one named first is taken. Empty if no variant is better than none.
    """
    usable = [one for one in candidates if {BOOKED.name, FAILED.name} <= set(one.effects)]
    found: list[Choice] = []
    best: Merit = (0.0, 0.0, 0.0)
    for one in sorted(usable, key=lambda each: (each.cost, _descending(_merit(each)))):
        if _merit(one) <= best:
            continue
        best = _merit(one)
        affordable = sum(other.cost <= one.cost for other in usable) - 1
        found.append(
            {
                "cost": one.cost,
                "name": one.name,
                "better_than": affordable,
                "booked": one.effects[BOOKED.name],
                "failed": one.effects[FAILED.name],
            }
        )
    return found


def _merit(one: Candidate) -> Merit:
    """More is better; to a whole seat and a point, as less counts as nothing."""
    booked, failed = one.effects[BOOKED.name], one.effects[FAILED.name]
    return round(booked["low"]), round(booked["median"]), -round(failed["median"], _POINT)


def _descending(merit: Merit) -> Merit:
    return -merit[0], -merit[1], -merit[2]
