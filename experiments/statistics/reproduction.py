"""What was observed beside the worlds that are drawn: which numbers they reproduce, and why.

A number is reproduced when it lies in the interval that holds 95 % of the worlds; a limit that was
observed, when that interval reaches it.

Of worlds at a smaller scale, a count is held beside what was observed only if at least `FEWEST`
events of it would have been observed at that scale: one event more or less is a large part of
fewer. Shares and durations are held beside it as they are.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NotRequired

from typing_extensions import TypedDict

from experiments.config.reading import Observed
from experiments.statistics.intervals import FEWEST_FOR_RANKS, ranked_pi95
from experiments.statistics.summary import is_count, number_at
from sim.result import RunResult

_TAIL = 0.025
FEWEST: Final = 5
"""Events expected of a count that is compared, as in chi-squared tests (Cochran 1954)."""


class Reproduced(TypedDict):
    """One observation; durations in milliseconds, counts at full size.

    `low` and `high` hold 95 % of the worlds (all of them where there are fewer than 39).
    """

    metric: str
    observed: float
    bound: str
    median: float | None
    low: float | None
    high: float | None
    reproduced: bool | None
    """None: cannot be told at the scale of the worlds."""


class Cause(TypedDict):
    """A primary cause of failed requests at an endpoint; `share` is the median over the worlds."""

    error: str
    endpoint: str
    share: float


class Happened(TypedDict):
    """What the worlds have in common; each number is the median, with what holds 90 % of them."""

    people: tuple[float, float, float]
    requests: tuple[float, float, float]
    causes: list[Cause]
    tokens_deleted: tuple[float, float, float]
    cleanups: tuple[float, float, float]
    deleting_worlds: float
    """Share of the worlds in which the cleanup deleted tokens that had not expired."""
    memory_worlds: float
    """Share in which tokens vanished although the cleanup deleted none: evicted, or Redis died."""
    lost_seats: tuple[float, float, float]
    """Bookings refused as the seat was taken already."""


class Reproduction(TypedDict):
    """Everything that the worlds say of what was observed."""

    worlds: int
    rows: dict[str, Reproduced]
    happened: Happened
    fixes: NotRequired[list[dict[str, Any]]]


def reproduction(
    observed: Mapping[str, Observed], runs: Sequence[RunResult], scale: float
) -> Reproduction:
    """Hold worlds beside what was observed; at least one world."""
    return {
        "worlds": len(runs),
        "rows": {name: _row(one, runs, scale) for name, one in observed.items()},
        "happened": _happened(runs, scale),
    }


def _row(one: Observed, runs: Sequence[RunResult], scale: float) -> Reproduced:
    factor = 1.0 / scale if is_count(one.metric) else 1.0
    numbers = [number_at(run, one.metric) for run in runs]
    values = sorted(factor * value for value in numbers if value is not None)
    low, high = _interval(values)
    return {
        "metric": one.metric,
        "observed": one.value,
        "bound": one.bound,
        "median": statistics.median(values) if values else None,
        "low": low,
        "high": high,
        "reproduced": None if _is_too_small(one, scale) else _reached(one, low, high),
    }


def _is_too_small(one: Observed, scale: float) -> bool:
    """Whether an observed count is too few events at this scale."""
    return scale < 1 and is_count(one.metric) and one.value * scale < FEWEST


def _reached(one: Observed, low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and _holds(one, low, high)


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    if not values:
        return None, None
    if len(values) >= FEWEST_FOR_RANKS:
        found = ranked_pi95(values)
        if found is not None:
            return found
    return values[0], values[-1]


def _holds(one: Observed, low: float, high: float) -> bool:
    match one.bound:
        case "at_least":
            return high >= one.value
        case "at_most":
            return low <= one.value
        case "equal":
            return low <= one.value <= high


def _happened(runs: Sequence[RunResult], scale: float) -> Happened:
    return {
        "people": _middle([run.metrics.get("vus_max", {}).get("value", 0) / scale for run in runs]),
        "requests": _middle([_requests(run) / scale for run in runs]),
        "causes": _causes(runs),
        "tokens_deleted": _middle([_deleted(run) / scale for run in runs]),
        "cleanups": _middle([float(len(run.sweeps)) for run in runs]),
        "deleting_worlds": statistics.fmean(_deleted(run) > 0 for run in runs),
        "memory_worlds": statistics.fmean(
            _deleted(run) == 0 and bool(number_at(run, "tokens_vanished.any")) for run in runs
        ),
        "lost_seats": _middle([_conflicts(run) / scale for run in runs]),
    }


def _middle(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, and the ends of what holds 90 % of the values."""
    ordered = sorted(values)
    cut = int(2 * _TAIL * (len(ordered) - 1))
    return statistics.median(ordered), ordered[cut], ordered[len(ordered) - 1 - cut]


def _requests(run: RunResult) -> float:
    return run.metrics.get("http_reqs", {}).get("count", 0.0)


def _deleted(run: RunResult) -> int:
    return sum(
        max(0, one.passed_before + one.waiting_before - one.passed_after - one.waiting_after)
        for one in run.sweeps
    )


def _conflicts(run: RunResult) -> int:
    return sum(counts.get("409", 0) for counts in run.outcomes.values())


def _causes(runs: Sequence[RunResult]) -> list[Cause]:
    """The causes with the largest share of the failed requests, by the median over the worlds."""
    shares: list[Counter[tuple[str, str]]] = []
    for run in runs:
        total = sum(sum(counts.values()) for counts in run.errors.values())
        shares.append(
            Counter(
                {
                    (error, endpoint): count / total
                    for endpoint, counts in run.errors.items()
                    for error, count in counts.items()
                    if total
                }
            )
        )
    names = dict.fromkeys(name for one in shares for name in one)
    medians = {name: statistics.median(one[name] for one in shares) for name in names}
    ordered = sorted(medians.items(), key=lambda item: -item[1])[:4]
    return [
        {"error": error, "endpoint": endpoint, "share": share}
        for (error, endpoint), share in ordered
        if share > 0.0
    ]
