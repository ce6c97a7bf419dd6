"""The highest load that still meets the thresholds, by bisection with statistics."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from experiments.studies.gate.checks import Outcome
from experiments.studies.sweep.designs import Parameter

RESOLUTION = 64
"""A knee is found to a sixty-fourth of the range, or to one unit."""


@dataclasses.dataclass(frozen=True)
class Bracket:
    """Where the knee is: the highest value shown to meet, the lowest not shown to; None: beyond."""

    meets: float | None
    does_not: float | None


def most_tries(parameter: Parameter) -> int:
    """How many values a search can try: both ends, then one for each halving."""
    return 2 + math.ceil(math.log2(_cells(parameter)))


def _cells(parameter: Parameter) -> int:
    if parameter.whole:
        return max(1, min(RESOLUTION, round(parameter.high - parameter.low)))
    return RESOLUTION


def find_knee(parameter: Parameter, outcome: Callable[[float | int], Outcome | None]) -> Bracket:
    """Halve the range between a value that meets the thresholds and one that does not.

    Args:
        parameter: the range; more must be harder.
        outcome: what the gate says at a value; None when it cannot go on. Inconclusive counts as
            not shown to meet, so that the knee errs on the safe side.
    """
    cells = _cells(parameter)

    def value(cell: int) -> float | int:
        return parameter.at(cell / cells)

    low, high = 0, cells
    first = outcome(value(low))
    if first != "pass":
        return Bracket(None, None if first is None else value(low))
    last = outcome(value(high))
    if last is None or last == "pass":
        return Bracket(value(high if last == "pass" else low), None)
    while high - low > 1:
        middle = (low + high) // 2
        found = outcome(value(middle))
        if found is None:
            break
        low, high = (middle, high) if found == "pass" else (low, middle)
    return Bracket(value(low), value(high))
