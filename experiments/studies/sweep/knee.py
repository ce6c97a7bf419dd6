"""The values of a key with which the thresholds are met: the best region, and what bounds it.

More may be harder (people), easier (connections), or both ends may be bad (capacity). So the range
is looked at from its ends inwards, at 3, 5 and then 9 values, until some meets the thresholds; from
there both sides are halved down to a sixty-fourth of the range, or to one unit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NotRequired

from typing_extensions import TypedDict

from experiments.statistics.thresholds import STEP_FAILED
from experiments.statistics.verdict import Failure, Verdict
from experiments.studies.gate.decision import Check, Outcome
from experiments.studies.sweep.designs import Parameter

RESOLUTION: Final = 64
_FIRST_LOOKS: Final = (2, 4, 8)
"""Parts of the range whose ends are looked at, one division after the other."""


@dataclasses.dataclass(frozen=True)
class Region:
    """Neighbouring values that were shown to meet the thresholds, and those that were not.

    `low` and `high` are None when no value was; `below` and `above`, the nearest values outside,
    are None where the region reaches the end of the range.
    """

    low: float | None
    high: float | None
    below: float | None
    above: float | None


class Side(TypedDict):
    """A value that does not meet the thresholds, and the one that binds there."""

    value: float
    """Of the key."""
    threshold: str
    outcome: Outcome
    found: float | None
    """The mean over the runs of what the threshold limits; None without samples."""
    limit: float
    cause: NotRequired[str]
    """The most common primary cause of failed requests behind it, or empty."""
    resource: NotRequired[str]
    """Config key of the limit behind it, or empty where none was found."""


class Knee(TypedDict):
    """Where the thresholds are met.

    `meets` is the end of the region at which more does not help, `does_not` the value beyond it; at
    the other end of the region where that is the one inside the range.
    """

    parameter: str
    meets: float | None
    does_not: float | None
    first_cause: str
    region: NotRequired[tuple[float, float] | None]
    """Lowest and highest value shown to meet all thresholds."""
    below: NotRequired[Side | None]
    above: NotRequired[Side | None]
    nearest: NotRequired[Side | None]
    """When no value meets them: the one that comes nearest, and the threshold that is not met."""


def most_tries(parameter: Parameter) -> int:
    """How many values a search can try."""
    return max(_FIRST_LOOKS) + 1 + 2 * math.ceil(math.log2(max(2, _cells(parameter) // 2)))


def _cells(parameter: Parameter) -> int:
    if parameter.whole:
        return max(1, min(RESOLUTION, round(parameter.high - parameter.low)))
    return RESOLUTION


def find_region(parameter: Parameter, outcome: Callable[[float | int], Outcome | None]) -> Region:
    """Find the largest region of a range that meets the thresholds.

    Args:
        parameter: the range.
        outcome: what the gate says at a value; None when it cannot go on. Inconclusive counts as
            not shown to meet, so that the region errs on the safe side.
    """
    return _Search(parameter, outcome).region()


class _Search:
    """One search, by cells of the range: 0 is its low end."""

    def __init__(
        self, parameter: Parameter, outcome: Callable[[float | int], Outcome | None]
    ) -> None:
        self._parameter = parameter
        self._outcome = outcome
        self._cells = _cells(parameter)
        self._met: dict[int, bool] = {}
        self._stopped = False

    def region(self) -> Region:
        """Look from the ends inwards, then halve."""
        for parts in _FIRST_LOOKS:
            for part in range(parts + 1):
                self._try(round(part * self._cells / parts))
            if any(self._met.values()):
                break
        best = self._largest()
        if best is None:
            return Region(None, None, None, None)
        low, below = self._edge(best[0], -1)
        high, above = self._edge(best[-1], 1)
        return Region(self._value(low), self._value(high), self._end(below), self._end(above))

    def _value(self, cell: int) -> float | int:
        return self._parameter.at(cell / self._cells)

    def _end(self, cell: int | None) -> float | int | None:
        return None if cell is None else self._value(cell)

    def _try(self, cell: int) -> bool | None:
        """Whether a value meets the thresholds; None when the search cannot go on."""
        if cell in self._met:
            return self._met[cell]
        if self._stopped:
            return None
        found = self._outcome(self._value(cell))
        if found is None:
            self._stopped = True
            return None
        self._met[cell] = found == "pass"
        return self._met[cell]

    def _largest(self) -> list[int] | None:
        """The longest row of neighbouring tried values that meet the thresholds."""
        rows: list[list[int]] = [[]]
        for cell in sorted(self._met):
            if self._met[cell]:
                rows[-1].append(cell)
            else:
                rows.append([])
        best = max(rows, key=lambda row: (row[-1] - row[0], -row[0]) if row else (-1, 0))
        return best or None

    def _edge(self, inside: int, step: int) -> tuple[int, int | None]:
        """The last cell inside and the first outside, on one side of a cell that is inside."""
        beyond = [cell for cell in self._met if (cell - inside) * step > 0 and not self._met[cell]]
        if not beyond:
            return inside, None
        outside = min(beyond, key=lambda cell: abs(cell - inside))
        while abs(outside - inside) > 1:
            middle = (inside + outside) // 2
            met = self._try(middle)
            if met is None:
                break
            inside, outside = (middle, outside) if met else (inside, middle)
        return inside, outside


def knee_of(
    key: str, region: Region, checks: Mapping[float, Sequence[Check]], cause: Callable[[float], str]
) -> Knee:
    """What a search found, in numbers and names.

    Args:
        key: the config key.
        region: what was found.
        checks: value -> what the gate found there, of all values tried.
        cause: value -> the most common cause of failures there.
    """
    upper = region.above is not None or region.below is None
    does_not = region.above if upper else region.below
    if region.low is None:
        nearest = min(checks, key=lambda value: _distance(checks[value])) if checks else None
        return {
            "parameter": key,
            "meets": None,
            "does_not": min(checks, default=None),
            "first_cause": "" if nearest is None else cause(nearest),
            "region": None,
            "below": None,
            "above": None,
            "nearest": None if nearest is None else side_of(nearest, checks[nearest]),
        }
    assert region.high is not None  # noqa: S101 - both ends or none
    return {
        "parameter": key,
        "meets": region.high if upper else region.low,
        "does_not": does_not,
        "first_cause": "" if does_not is None else cause(does_not),
        "region": (region.low, region.high),
        "below": None if region.below is None else side_of(region.below, checks[region.below]),
        "above": None if region.above is None else side_of(region.above, checks[region.above]),
        "nearest": None,
    }


def side_of(value: float, checks: Sequence[Check]) -> Side:
    """The threshold that binds at a value: of those not met, the one that is furthest off."""
    open_checks = [check for check in checks if check["outcome"] != "pass"] or list(checks)
    worst = max(open_checks, key=lambda check: (check["outcome"] == "fail", excess(check)))
    return {
        "value": value,
        "threshold": worst["name"],
        "outcome": worst["outcome"],
        "found": worst["value"],
        "limit": worst["limit"],
    }


def add_reasons(knee: Knee, verdicts: Mapping[float, Verdict]) -> None:
    """Add to each side of a knee, in place, what is behind the threshold that binds there.

    Args:
        knee: what `knee_of` found.
        verdicts: value -> the verdict there, of all values tried.
    """
    for side in (knee.get("below"), knee.get("above"), knee.get("nearest")):
        if side is not None:
            found = reason_of(verdicts[side["value"]], side["threshold"])
            side["cause"] = found["cause"] if found else ""
            side["resource"] = found["resource"] if found else ""


def reason_of(verdict: Verdict, threshold: str) -> Failure | None:
    """The failure that a threshold is about; None where the means meet it."""
    for failure in verdict["failures"]:
        step = f"{STEP_FAILED}{{step:{failure['name']}}}"
        if failure["name"] == threshold or threshold.startswith(step):
            return failure
    return None


def excess(check: Check) -> float:
    """How far a number is from its limit, as a share of the larger of both; 1 without samples."""
    found, limit = check["value"], check["limit"]
    if found is None:
        return 1.0
    size = max(abs(found), abs(limit))
    return abs(found - limit) / size if size else 0.0


def _distance(checks: Sequence[Check]) -> tuple[int, float]:
    """How much is missing at a value: thresholds not met, then the furthest of them."""
    missing = [check for check in checks if check["outcome"] != "pass"]
    return len(missing), max(map(excess, missing), default=0.0)
