"""Does a config tell the same at two scales? The check of `ticketsim run --check-scale`.

Agreement at two scales does not prove that full size agrees; disagreement proves that the smaller
one does not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from experiments.config.reading import Reading
from experiments.errors import ConfigError
from experiments.runs.options import RunOptions
from experiments.statistics.summary import RunSummary, ScaleCheck, ScaleRow
from experiments.statistics.verdict import Verdict
from experiments.studies.run import Finished, keep_summary, run
from experiments.studies.scale_check import RATE_TOLERANCE, RATIO_TOLERANCE, warnings

_TIMES: Final = 3.0
"""How much larger the second scale is, up to full size."""
LARGER: Final = "larger"
"""Folder of the runs at the larger scale, in the one of the runs that are checked."""


def add_scale_check(given: Reading, options: RunOptions, finished: Finished) -> None:
    """Check a finished run against a larger scale; its summary, kept too, says what came of it.

    Raises as `check_scale`.
    """
    summary = finished.summary
    check = check_scale(given, options, summary)
    unknown = warnings(given.config, options.scale)
    summary["scale_check"] = check
    summary["warnings"] = [
        *remarks(check),
        *(warning for warning in summary["warnings"] if warning not in unknown),
    ]
    keep_summary(given, options, summary)


def check_scale(given: Reading, options: RunOptions, summary: RunSummary) -> ScaleCheck:
    """Run a config at three times the scale of a summary, and compare.

    Args:
        given: the config.
        options: those that the summary was made with.
        summary: of the smaller scale.

    Raises:
        ConfigError: the scale is 1 already.
        TicketsimError: see `experiments.studies.run.run`.
    """
    if options.scale >= 1:
        raise ConfigError("--check-scale", "", "needs --scale below 1, to compare with a larger")
    larger = min(1.0, _TIMES * options.scale)
    folder = None if options.out is None else options.out / LARGER
    again = dataclasses.replace(options, scale=larger, out=folder)
    other = run(given, again).summary
    return compare_scales(summary, other)


def compare_scales(smaller: RunSummary, larger: RunSummary) -> ScaleCheck:
    """Compare the summaries of one config at two scales."""
    one, other = smaller["verdict"], larger["verdict"]
    return {
        "smaller": smaller["scale"],
        "larger": larger["scale"],
        "same_outcome": one["outcome"] == other["outcome"],
        "rows": [*_share_rows(one, other), *_duration_rows(smaller, larger)],
    }


def remarks(check: ScaleCheck) -> Iterator[str]:
    """What the check says, in sentences."""
    smaller, larger = f"scale {check['smaller']:g}", f"scale {check['larger']:g}"
    off = [row["name"] for row in check["rows"] if not row["agrees"]]
    if not check["same_outcome"]:
        yield f"{smaller} and {larger} give different verdicts: take the larger scale"
    if off:
        yield f"differs between {smaller} and {larger}: {', '.join(off)}"
    agree = [row["name"] for row in check["rows"] if row["agrees"]]
    if agree:
        yield f"agrees at {smaller} and {larger}: {', '.join(agree)}"


def _share_rows(one: Verdict, other: Verdict) -> Iterator[ScaleRow]:
    """Shares agree within three points."""
    for name, read in _SHARES.items():
        yield _row(name, "share", read(one), read(other), _same_share)
    for step in dict.fromkeys([*one["steps"], *other["steps"]]):
        shares = [found["steps"].get(step) for found in (one, other)]
        a, b = (None if counts is None else counts["failed_share"] for counts in shares)
        yield _row(f"{step} failed", "share", a, b, _same_share)


def _same_share(a: float, b: float) -> bool:
    return abs(a - b) <= RATE_TOLERANCE


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


_SHARES: Final[Mapping[str, Callable[[Verdict], float | None]]] = {
    "seats sold": lambda found: _share(found["seats"]["standing"], found["seats"]["on_sale"]),
    "people let in": lambda found: _share(found["people"]["got_in"], found["people"]["came"]),
    "people shut out": lambda found: _share(found["people"]["shut_out"], found["people"]["came"]),
}
_DURATIONS: Final = {
    "p95 of durations": ("http_req_duration", "p(95)"),
    "median wait": ("waiting_time", "med"),
}


def _duration_rows(one: RunSummary, other: RunSummary) -> Iterator[ScaleRow]:
    """Durations agree within a fifth."""
    for name, (metric, statistic) in _DURATIONS.items():
        a, b = (found["metrics"].get(metric, {}).get(statistic) for found in (one, other))
        yield _row(
            name,
            "ms",
            a if isinstance(a, int | float) else None,
            b if isinstance(b, int | float) else None,
            lambda a, b: abs(a - b) <= RATIO_TOLERANCE * max(abs(a), abs(b)),
        )


def _row(
    name: str,
    unit: Literal["share", "ms"],
    a: float | None,
    b: float | None,
    agree: Callable[[float, float], bool],
) -> ScaleRow:
    agrees = a is b is None or (a is not None and b is not None and agree(a, b))
    return {"name": name, "unit": unit, "smaller": a, "larger": b, "agrees": agrees}
