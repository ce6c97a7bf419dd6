"""What is to be kept in mind about a run, in words."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.statistics.summary import RunSummary


def remarks(summary: RunSummary) -> list[str]:
    """Every remark once: warnings of the summary, facts of its runs, and their notes."""
    notes = [note for run in summary["runs"] for note in run["notes"]]
    return list(dict.fromkeys([*summary["warnings"], *_without_pause(summary), *notes]))


def _without_pause(summary: RunSummary) -> Iterator[str]:
    """That customers do not pause, from the run in which most of them do not."""
    name = "requests_without_pause"
    having = [run["metrics"] for run in summary["runs"] if name in run["metrics"]]
    if not having:
        return
    most = max(having, key=lambda metrics: metrics[name]["customers"])
    found = most[name]
    share = found["count"] / most["http_reqs"]["count"]
    yield (
        f"{found['customers']:,.0f} customers sent requests without a pause, up to "
        f"{found['longest']:,.0f} in a row and {found['rate']:,.0f} a second: {share:.1%} of all "
        "requests. If people do not do that, the customer function has a fault"
    )
