"""The summary of a run in ten to twenty lines, the verdict first; `run_text` has everything."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.statistics.quantities import QUANTITIES
from experiments.statistics.summary import RunSummary
from experiments.statistics.uncertainty import in_words
from experiments.views.text import worlds_text
from experiments.views.text.run_text import (
    NARROWEST,
    WIDEST,
    duration,
    ended_early,
    number,
    percent,
    words,
    wrapped,
)
from experiments.views.text.run_text import render as render_everything
from experiments.views.text.verdict_text import (
    WORDS,
    has_seats,
    scale_words,
    threshold_row,
    verdict_lines,
)

_MOST_REMARKS = 1


def render(summary: RunSummary, width: int) -> str:
    """The summary in short.

    Args:
        summary: see `experiments.statistics.summary.summarise`.
        width: columns of the terminal; lines are at most 120 long, however wide it is.
    """
    width = max(NARROWEST, min(width, WIDEST))
    if "reproduction" in summary:
        return worlds_text.render(summary, width)
    lines = [part for line in _lines(summary, width) for part in _fitted(line, width)]
    return "\n".join(lines) + "\n"


def render_verbose(summary: RunSummary, width: int) -> str:
    """The summary in short, and then everything that was measured."""
    return f"{render(summary, width)}\n{render_everything(summary, width)}"


def _fitted(line: str, width: int) -> Iterator[str]:
    """A line, broken between words where it is too long, and what follows set in."""
    if len(line) <= width:
        yield line
        return
    label = line[:10] if line[8:10] == "  " else ""
    yield from wrapped(label or "  ", words(line[len(label) :]), width, " ")


def _lines(summary: RunSummary, width: int) -> Iterator[str]:
    verdict = summary.get("verdict")
    if verdict is None:
        yield f"{summary['config']}: kept by an older version, without a verdict (--verbose)"
    else:
        yield f"{summary['config']}: {WORDS[verdict['outcome']]}"
    yield f"          {_about(summary)}"
    yield from ended_early(summary)
    if verdict is not None:
        yield from verdict_lines(verdict, width)
        met = [row for row in verdict["thresholds"] if row["met"]]
        for row in met:
            yield f"met       {threshold_row(row)}"
    yield f"requests  {_requests(summary)}"
    waiting = _waiting(summary)
    if waiting:
        yield f"waiting   {waiting}"
    if "uncertainty" in summary:
        for sentence in in_words(summary["uncertainty"], QUANTITIES):
            yield f"unknown   {sentence}"
    remarks = list(summary["warnings"])
    if verdict is not None and not has_seats(verdict):
        # Where an application's processor times come from belongs to every result of one.
        remarks += dict.fromkeys(note for run in summary["runs"] for note in run["notes"])
    # The answer to --check-scale was asked for: all of it is shown.
    shown = len(remarks) if "scale_check" in summary else _MOST_REMARKS
    for remark in remarks[:shown]:
        yield f"remark    {remark}"
    hidden = len(remarks) - shown
    more = f", {hidden} more remark{'s' * (hidden > 1)}" if hidden > 0 else ""
    yield (
        f"digest {summary['digest'][:16]}   wall time {summary['wall_seconds']:.1f} s   "
        f"all metrics{more}: --verbose"
    )


def _about(summary: RunSummary) -> str:
    runs = summary["replications"]
    over = f"means over {runs} replications" if runs > 1 else "1 replication"
    parts = [f"seed {summary['seed']}", over, scale_words(summary["scale"])]
    return ", ".join(part for part in parts if part)


def _requests(summary: RunSummary) -> str:
    metrics = summary["metrics"]
    count = metrics.get("http_reqs", {}).get("count", 0)
    rate = metrics.get("http_req_failed", {}).get("rate")
    slow = metrics.get("http_req_duration", {})
    simulated = " as simulated" if summary["scale"] < 1 else ""
    parts = [f"{number(count)}{simulated}"]
    if isinstance(rate, int | float):
        parts.append(f"{percent(rate)} failed, polls and lost races (409) included")
    for name, label in (("med", "median"), ("p(95)", "p95")):
        value = slow.get(name)
        if isinstance(value, int | float):
            parts.append(f"{label} {duration(value)}")
    return ", ".join(parts)


def _waiting(summary: RunSummary) -> str:
    """How long those who got in had waited; nothing where it was not measured."""
    found = summary["metrics"].get("waiting_time", {})
    median, p95 = found.get("med"), found.get("p(95)")
    if not isinstance(median, int | float) or not isinstance(p95, int | float):
        return ""
    return f"median {duration(median)}, p95 {duration(p95)}, of the people who got in"
