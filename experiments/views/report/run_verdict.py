"""The verdict on a run: what failed and why, in a few plain sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from experiments.statistics.steps import STEP_LIMIT
from experiments.statistics.summary import RunSummary
from experiments.statistics.verdict import Outcome, Verdict
from experiments.views.plots.timeline import (
    bins_of,
    clock,
    columns,
    counted,
    has_series,
    is_lost,
    level,
)
from experiments.views.report.advice import advice_lines
from experiments.views.report.bottlenecks import Bottleneck
from experiments.views.report.content import Level, Sentence
from experiments.views.report.explanations import explained, meaning
from experiments.views.text.run_text import number, percent
from experiments.views.text.verdict_text import (
    SENTENCES,
    all_failures,
    has_seats,
    people_sentence,
    seats_sentence,
)
from sim.result import RunResult

STRAINED_FROM: Final = 0.01
"""Share of failed requests from which a step of a sweep without thresholds is drawn as broken."""
_RACES = ("SeatTakenError",)
_TOLD = 2
"""Causes, and resources that were full, that are told; the tables have all of them."""
_WORTH_TELLING = 0.05
_COMMON = 0.1
"""Failures begin where they are a larger share than this of the requests of a moment."""
BADGES: Final[Mapping[Level, str]] = {
    "failed": SENTENCES["fails"],
    "held": SENTENCES["holds"],
    "open": SENTENCES["open"],
}
LEVELS: Final[Mapping[Outcome, Level]] = {"holds": "held", "fails": "failed", "open": "open"}
RULE: Final = (
    "Holds: every threshold of the config is met, no step of buying fails above its limit "
    f"({100 * STEP_LIMIT:g} % of its requests unless the config states another; lost races for a "
    "seat are business), somebody is let in, and nothing happened that must never happen."
)


def level_of(verdict: Verdict) -> Level:
    """How bad it was, as the page colours it."""
    return LEVELS[verdict["outcome"]]


def causes(errors: Mapping[str, Mapping[str, float]]) -> Counter[str]:
    """Primary cause -> failed requests, over all endpoints."""
    found: Counter[str] = Counter()
    for counts in errors.values():
        for name, count in counts.items():
            found[name] += count  # type: ignore[assignment]  # means over runs need not be whole
    return found


def sentences(
    summary: RunSummary,
    verdict: Verdict,
    runs: Sequence[RunResult],
    full: Sequence[Bottleneck],
) -> list[Sentence]:
    """What failed, why, how it began, what was behind it, and what must never have happened."""
    sells = has_seats(verdict)
    told = [
        *(Sentence(f"{text}.", "Failed:") for text in all_failures(verdict)),
        *(Sentence(f"{text}.", "Advice:") for text in advice_lines(verdict["failures"])),
        *(Sentence(f"{text}.", "Not decided:") for text in verdict["open"]),
        Sentence(f"{seats_sentence(verdict)}." if sells else "", "Seats:"),
        Sentence(f"{people_sentence(verdict)}." if sells else "", "People:"),
        Sentence(_what(summary), "Requests:"),
        Sentence(_why(summary), "Why requests failed:"),
        Sentence(_beginning(runs) if verdict["outcome"] == "fails" else "", "How it began:"),
        Sentence(_behind(verdict, full), "Behind it:"),
        Sentence(_sweeps(runs), "The sweep:"),
    ]
    return [said for said in told if said.text]


def _what(summary: RunSummary) -> str:
    requests = summary["metrics"].get("http_reqs", {}).get("count") or 0
    assert isinstance(requests, int | float)  # noqa: S101 - a counter's count
    mean = " (means over the runs)" if summary["replications"] > 1 else ""
    return (
        f"{percent(summary['failures']['all'])} of {_count(requests)} failed, lost races (409) "
        f"included{mean}."
    )


def _count(value: float) -> str:
    if not value:
        return "none"
    return number(round(value)) if value >= 1 else number(value)


def _why(summary: RunSummary) -> str:
    found = causes(summary["errors"])
    races = sum(found.pop(race, 0) for race in _RACES)
    if races and not found:
        return "only lost races for a seat, which are business and not failure."
    total = sum(found.values())
    parts = [
        f"{meaning(cause)} ({100 * count / total:.0f} % of the failures)"
        for cause, count in found.most_common(_TOLD)
        if count >= _WORTH_TELLING * total
    ]
    return _sentence("; ".join(parts)) if parts else ""


def _sentence(text: str) -> str:
    return f"{text}."


def _beginning(runs: Sequence[RunResult]) -> str:
    """When failures first were common, and of what then; the first run speaks for all."""
    if not runs or not has_series(runs[:1]):
        return ""
    bins = bins_of(runs[:1])
    requests = counted(runs[:1], "http_reqs", bins)[0]
    failed = counted(runs[:1], "http_req_failed", bins)[0]
    for race in _RACES:
        failed -= counted(runs[:1], f"error:{race}", bins)[0]
    common = np.flatnonzero((failed > _COMMON * requests) & (failed > 0))
    if not len(common):
        return ""
    first = int(common[0])
    counts = {
        column.partition(":")[2]: counted(runs[:1], column, bins)[0][first]
        for column in columns(runs[:1], "error")
        if column.partition(":")[2] not in _RACES
    }
    cause = max(counts, key=lambda name: counts[name])
    users = level(runs[:1], "vus", bins)[0][first]
    return (
        f"{clock(bins.middles_min[first])} minutes into the load, with {number(round(users))} "
        f"users there, {meaning(cause)}."
    )


def _behind(verdict: Verdict, bottlenecks: Sequence[Bottleneck]) -> str:
    full = [one.sentence for one in bottlenecks if one.full][:_TOLD]
    return _sentence("; ".join(full)) if full and verdict["outcome"] == "fails" else ""


def _sweeps(runs: Sequence[RunResult]) -> str:
    """Sweeps that were lost in the first run."""
    lost = [sweep for sweep in runs[0].sweeps if is_lost(sweep)] if runs else []
    if not lost:
        return ""
    first = lost[0]
    count = f"{len(lost)} of {len(runs[0].sweeps)} runs of the sweep, which lets people in,"
    return (
        f"{count} ended in an error; the first, {clock(first.started_s / 60)} minutes into the "
        f"load: {explained(first.outcome)}."
    )
