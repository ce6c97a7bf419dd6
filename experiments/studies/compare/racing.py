"""Which variants leave a comparison early, as another one is clearly better: `compare --race`.

After 3, 6, 12, ... replications every variant is held against every other one, the config as it is
among them. A variant leaves when one that breaks nothing that the variant keeps has more seats
standing, or as many seats and less of what fails, by a one-sided t bound on the paired
differences. All tests of all looks share the error probability equally (Bonferroni): a variant that
is in truth not behind any other one in seats and in what fails leaves with at most that
probability. What is broken is that of the runs so far; no error is stated for it.

The idea is that of O. Maron and A. W. Moore, "Hoeffding Races", 1994, with Student's t on common
random numbers in place of Hoeffding's bound.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from typing_extensions import TypedDict

from experiments.statistics.intervals import FEWEST_FOR_INTERVALS, Bounds, bounds, mean
from experiments.statistics.ranking import SAME
from experiments.statistics.stopping import looks

ERROR: Final = 0.05
"""Probability that the best variant leaves, over the whole comparison."""
SEATS: Final = "seats standing"
_QUANTITIES: Final = 2


class Left(TypedDict):
    """Why a variant left: `ahead` is better by `difference` in `quantity`, at least by `surely`."""

    after: int
    ahead: str
    quantity: str
    difference: float
    surely: float


@dataclasses.dataclass(frozen=True)
class Entrant:
    """What a variant has shown so far.

    `broken` names what its verdict demands and it does not meet. `seats` is those standing at the
    end, `failing` what the config as it is fails in, less being better; one for each replication,
    None without samples.
    """

    name: str
    broken: frozenset[str]
    seats: Sequence[float]
    failing: Sequence[float | None]


def looks_before_the_end(replications: int) -> list[int]:
    """The numbers of replications after which variants may leave."""
    return [number for number in looks(FEWEST_FOR_INTERVALS, replications) if number < replications]


@dataclasses.dataclass(frozen=True)
class Race:
    """The rule, for so many entrants and looks.

    Args:
        entrants: variants, the config as it is included.
        looks: how often `leaving` is asked.
        quantity: the name of what fails.
        seats_on_sale: to tell which difference in seats matters.
        error: see `ERROR`.
    """

    entrants: int
    looks: int
    quantity: str
    seats_on_sale: int
    error: float = ERROR

    def leaving(self, entrants: Sequence[Entrant]) -> dict[str, Left]:
        """Who leaves now, and why. Never all: there is always one that nobody is ahead of.

        Args:
            entrants: those that are left, with the same replications.
        """
        found: dict[str, Left] = {}
        for one in entrants:
            reasons = [
                left
                for rival in entrants
                if rival is not one and rival.broken <= one.broken
                if (left := self._behind(one, rival)) is not None
            ]
            if reasons:
                # Seats come before what fails, and numbers of two kinds are not compared.
                found[one.name] = max(
                    reasons, key=lambda left: (left["quantity"] == SEATS, left["surely"])
                )
        return found

    def _behind(self, one: Entrant, rival: Entrant) -> Left | None:
        pairs = list(zip(one.seats, rival.seats, strict=True))
        fewer = [theirs - own for own, theirs in pairs]
        matters = SAME * self.seats_on_sale
        bound = self._bound(fewer)
        if bound is not None and bound.low > matters:
            return _left(rival, SEATS, bound)
        if abs(mean(fewer)) > matters:
            return None
        values = [
            (own, theirs)
            for own, theirs in zip(one.failing, rival.failing, strict=True)
            if own is not None and theirs is not None
        ]
        size = max((abs(value) for pair in values for value in pair), default=0.0)
        bound = self._bound([own - theirs for own, theirs in values])
        if bound is not None and bound.low > SAME * size:
            return _left(rival, self.quantity, bound)
        return None

    def _bound(self, differences: Sequence[float]) -> Bounds | None:
        tests = self.looks * (self.entrants - 1) * _QUANTITIES
        error = self.error / max(1, tests)
        return bounds(differences, error, error)


def _left(rival: Entrant, quantity: str, bound: Bounds) -> Left:
    return Left(
        after=bound.replications,
        ahead=rival.name,
        quantity=quantity,
        difference=bound.mean,
        surely=bound.low,
    )
