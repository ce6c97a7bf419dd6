"""What a run under way already fails in: the verdict of the live view.

Of the thresholds, those that limit a number from above: what must be large, such as the seats sold
in a minute, grows until the end. The limits of the steps of buying count as they do at the end.
"""

from __future__ import annotations

import dataclasses

from experiments.statistics.full_size import at_full_size, refusal
from experiments.statistics.thresholds import Criterion, holds
from experiments.statistics.verdict import Terms, default_criteria
from sim.measure.watched import Measured


@dataclasses.dataclass(frozen=True)
class SoFar:
    """Judges a run under way by the terms of its verdict."""

    criteria: tuple[Criterion, ...]
    scale: float

    def __call__(self, measured: Measured) -> tuple[tuple[str, float], ...]:
        """Thresholds that are not met, each with its number at full size."""
        found = []
        for one in self.criteria:
            value = one.measure.of(measured)
            if value is None:
                continue
            full = at_full_size(one.measure, value, self.scale)
            if not holds(full, one.operator, one.bound):
                found.append((one.name, full))
        return tuple(found)


def so_far(terms: Terms) -> SoFar:
    """The judge of the runs that a verdict will be made on."""
    every = [*terms.criteria, *default_criteria(terms.criteria)]
    told = (one for one in every if one.worse > 0 and not refusal(one.measure, terms.scale))
    return SoFar(tuple(told), terms.scale)
