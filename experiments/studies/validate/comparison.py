"""Simulated beside measured: which measured numbers lie inside their prediction intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from experiments.statistics.intervals import Interval, count_pi95, pi95, ranked_pi95, t_quantile
from experiments.studies.validate.numbers import Numbers, is_count, is_latency, kind

_WIDEST: Final = 1.5
"""Largest width of a prediction interval, in widths of the one from measured repeats."""
_FAILED_POINTS: Final = 3.0
_RELATIVE: Final = {"requests": 0.15, "mean": 0.15, "rows": 0.20}
_ROUNDING: Final = 1e-9


class NumberRow(TypedDict):
    """One number of one run."""

    number: str
    measured: float
    median: float | None
    pi95: Interval
    """By rank (`experiments.statistics.intervals.ranked_pi95`); with fewer values than that takes,
    by Student's t, of counts with the continuity correction (`count_pi95`)."""
    inside: bool
    inside_by_t: bool
    """The same by Student's t, however many values there are."""
    width_ratio: NotRequired[float | None]
    """Width of the interval, without that correction, in widths of the one from repeats; absent
    without repeats."""


class Median(TypedDict):
    """One median of a group of repeats against their mean."""

    runs: str
    number: str
    measured: float
    median: float | None
    allowed: str
    met: bool


class RunTable(TypedDict):
    """One measured run."""

    run: str
    rows: list[NumberRow]
    hits: int
    total: int


class Hits(TypedDict):
    """Numbers of one kind."""

    hits: int
    total: int


class Met(TypedDict):
    """How many of those judged keep a limit."""

    met: int
    total: int


class Medians(Met):
    """As `Met`, with each median."""

    rows: list[Median]


class Agreement(TypedDict):
    """All measured runs beside their simulations."""

    total: int
    hits: int
    misses: int
    hits_by_t: int
    by_kind: dict[str, Hits]
    widths: Met
    medians: Medians
    runs: list[RunTable]


class Validation(Agreement):
    """What `validate --json` prints."""

    schema: Literal[1]
    config: str
    seed: int
    scale: float
    replications: int
    partial: bool
    digest: str
    wall_seconds: float


def compare_run(
    run: str, measured: Numbers, simulated: Sequence[Numbers], spread: Mapping[str, float]
) -> RunTable:
    """Hold one measured run against the replications of its world.

    Args:
        run: its name.
        measured: its numbers.
        simulated: those of each replication.
        spread: number -> width of the prediction interval from measured repeats, if there are.
    """
    names = list(measured)
    often = [name for name in _names(simulated) if _median(name, simulated)]
    # What happens in most simulated runs and never happened is a number too: measured 0.
    names += [n for n in often if n not in measured and not is_latency(n)]
    rows = [_row(name, measured.get(name, 0.0), simulated, spread) for name in names]
    return {
        "run": run,
        "rows": rows,
        "hits": sum(row["inside"] for row in rows),
        "total": len(rows),
    }


def _names(simulated: Sequence[Numbers]) -> list[str]:
    return list(dict.fromkeys(name for one in simulated for name in one))


def _values(name: str, simulated: Sequence[Numbers]) -> list[float]:
    """The number in each replication; a count that is absent is 0, a time is left out."""
    if is_latency(name):
        return [one[name] for one in simulated if name in one]
    return [one.get(name, 0.0) for one in simulated]


def _median(name: str, simulated: Sequence[Numbers]) -> float | None:
    values = _values(name, simulated)
    return statistics.median(values) if values else None


def _row(
    name: str, measured: float, simulated: Sequence[Numbers], spread: Mapping[str, float]
) -> NumberRow:
    values = _values(name, simulated)
    ranked = ranked_pi95(values)
    by_t = count_pi95(values) if is_count(name) else pi95(values)
    interval = by_t if ranked is None else ranked
    row: NumberRow = {
        "number": name,
        "measured": measured,
        "median": _median(name, simulated),
        "pi95": interval,
        "inside": _holds(interval, measured),
        "inside_by_t": _holds(by_t, measured),
    }
    if name in spread:
        # Spread against spread: what counts are widened by says nothing about either.
        row["width_ratio"] = _ratio(pi95(values) if ranked is None else ranked, spread[name])
    return row


def _holds(interval: Interval, value: float) -> bool:
    return interval is not None and interval[0] - _ROUNDING <= value <= interval[1] + _ROUNDING


def _ratio(interval: Interval, width: float) -> float | None:
    if interval is None:
        return None
    own = interval[1] - interval[0]
    if width == 0.0:
        return 1.0 if own <= _ROUNDING else None
    return own / width


def spreads(groups: Sequence[Sequence[Numbers]]) -> list[dict[str, float]]:
    """Number -> width of the t prediction interval of one more run, for each group of repeats.

    The variance of a number is pooled over the groups that repeat it; a group's own size enters
    as in the prediction interval of its mean. Groups of one have none.
    """
    squares: dict[str, float] = {}
    degrees: dict[str, int] = {}
    for group in groups:
        for name, values in _repeated(group).items():
            center = math.fsum(values) / len(values)
            squares[name] = squares.get(name, 0.0) + math.fsum((v - center) ** 2 for v in values)
            degrees[name] = degrees.get(name, 0) + len(values) - 1
    return [
        {
            name: 2.0
            * t_quantile(0.975, degrees[name])
            * math.sqrt(squares[name] / degrees[name] * (1.0 + 1.0 / len(values)))
            for name, values in _repeated(group).items()
        }
        for group in groups
    ]


def _repeated(group: Sequence[Numbers]) -> dict[str, list[float]]:
    if len(group) < 2:  # noqa: PLR2004 (one run is no repeat)
        return {}
    return {
        name: [one[name] for one in group] for name in group[0] if all(name in g for g in group)
    }


def steady_numbers(groups: Sequence[Sequence[Numbers]]) -> set[str]:
    """Numbers that the real system repeats within their limits, wherever it was repeated."""
    steady: set[str] = set()
    scattered: set[str] = set()
    for group in groups:
        for name, values in _repeated(group).items():
            center = math.fsum(values) / len(values)
            close = max(values) - min(values) <= 2.0 * _band(name, center)
            (steady if close else scattered).add(name)
    return steady - scattered


def _allowed(name: str) -> float:
    """Points of the failed share, else a share of the number; 0 without a limit."""
    return _FAILED_POINTS if name == "failed share" else _RELATIVE.get(kind(name), 0.0)


def _band(name: str, center: float) -> float:
    return _allowed(name) if name == "failed share" else _allowed(name) * center


def medians(
    runs: Sequence[str],
    measured: Sequence[Numbers],
    simulated: Sequence[Numbers],
    steady: Collection[str],
) -> list[Median]:
    """Hold simulated medians against the mean of the runs of one world.

    Only `steady` numbers are judged: whether a run without a repeat is far from the others that
    it could have been, only these tell.
    """
    found: list[Median] = []
    for name in measured[0]:
        allowed = _allowed(name)
        values = [one[name] for one in measured if name in one]
        center = math.fsum(values) / len(values)
        band = _band(name, center)
        if not allowed or len(values) < len(measured) or name not in steady:
            continue
        median = _median(name, simulated)
        found.append(
            {
                "runs": ", ".join(runs),
                "number": name,
                "measured": center,
                "median": median,
                "allowed": _limit(name, allowed),
                "met": median is not None and abs(median - center) <= band + _ROUNDING,
            }
        )
    return found


def _limit(name: str, allowed: float) -> str:
    return f"{allowed:g} points" if name == "failed share" else f"{100 * allowed:g} %"


def narrow(rows: Sequence[NumberRow]) -> tuple[int, int]:
    """Of the rows with repeats: how many intervals are at most 1.5 times as wide, and all."""
    judged = [row for row in rows if "width_ratio" in row]
    return sum(_is_narrow(row) for row in judged), len(judged)


def _is_narrow(row: NumberRow) -> bool:
    ratio = row.get("width_ratio")
    return ratio is not None and ratio <= _WIDEST
