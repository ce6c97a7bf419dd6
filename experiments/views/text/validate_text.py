"""Simulated beside measured numbers as a Markdown table; a terminal shows the same text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from experiments.statistics.intervals import FEWEST_FOR_INTERVALS, FEWEST_FOR_RANKS


def render(report: Mapping[str, Any]) -> str:
    """The whole comparison."""
    return "\n".join([*_head(report), *_tables(report), *_medians(report), ""])


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    hits, total = report["hits"], report["total"]
    widths, judged = report["widths"], report["medians"]
    if report["replications"] < FEWEST_FOR_INTERVALS:
        yield (
            f"There are no intervals below {FEWEST_FOR_INTERVALS} replications, so nothing below "
            "is judged: every number counts as a miss."
        )
    yield (
        f"{hits} of {total} measured numbers ({100 * hits / total:.1f} %) lie inside the 95 % "
        f"prediction interval of one fresh run; {report['misses']} do not."
    )
    yield (
        f"{report['replications']} replications of each world, seed {report['seed']}. Intervals at "
        f"most 1.5 times as wide as those of the repeats: {widths['met']} of {widths['total']}. "
        f"Medians within their limits: {judged['met']} of {judged['total']}."
    )
    if report["replications"] >= FEWEST_FOR_RANKS:
        yield (
            "Intervals by rank, which hold for any distribution; by Student's t (counts with a "
            f"continuity correction) {report['hits_by_t']} are inside."
        )
    else:
        yield (
            "Intervals by Student's t, of counts with a continuity correction; from "
            f"{FEWEST_FOR_RANKS} replications on by rank, which holds for any distribution."
        )
    yield ""
    yield "| kind | inside | of |"
    yield "| --- | --- | --- |"
    for kind, counts in report["by_kind"].items():
        yield f"| {kind} | {counts['hits']} | {counts['total']} |"
    yield ""


def _tables(report: Mapping[str, Any]) -> Iterator[str]:
    for table in report["runs"]:
        yield f"### {table['run']}: {table['hits']} of {table['total']}"
        yield ""
        yield "| number | measured | simulated median | 95 % prediction interval | inside | width |"
        yield "| --- | --- | --- | --- | --- | --- |"
        for row in table["rows"]:
            yield _row(row)
        yield ""


def _row(row: Mapping[str, Any]) -> str:
    interval = row["pi95"]
    shown = "-" if interval is None else f"{_number(interval[0])} to {_number(interval[1])}"
    ratio = row.get("width_ratio")
    width = "" if ratio is None else f"{ratio:.1f}"
    inside = "yes" if row["inside"] else "**no**"
    cells = (row["number"], _number(row["measured"]), _number(row["median"]), shown, inside, width)
    return f"| {' | '.join(cells)} |"


def _medians(report: Mapping[str, Any]) -> Iterator[str]:
    yield "### Medians out of their limits"
    yield ""
    yield "| runs | number | measured | median | allowed |"
    yield "| --- | --- | --- | --- | --- |"
    for row in report["medians"]["rows"]:
        if not row["met"]:
            measured, median = _number(row["measured"]), _number(row["median"])
            cells = (row["runs"], row["number"], measured, median, row["allowed"])
            yield f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 (digits shown)
