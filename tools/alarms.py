"""How early alarms ring: `python -m tools.alarms FOLDER [HEALTHY]` prints a table.

    ticketsim run incident --out runs/incident
    ticketsim run incident-fixed --scale 0.1 --out runs/healthy
    python -m tools.alarms runs/incident runs/healthy

A run has two moments of failure: the end of the first 30 seconds in which more than half of at
least 30 requests failed, and the loss of half of the queue's members within ten seconds. An alarm
rings when its condition holds for 30 seconds (a loss: at once). Printed for both moments: the share
of the worlds that come to it in which the alarm rings earlier, and the lead in minutes (median, and
where 80 % of these worlds lie). At last, whether the alarm rings in HEALTHY, a run in which nothing
fails.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

if TYPE_CHECKING:
    from pandas import DataFrame
    from pandas import Series as Column

_WINDOW_S: Final = 30
_FEWEST_REQUESTS: Final = 30
_HALF: Final = 0.5
_LOSS_WINDOW_S: Final = 10
_FEWEST_MEMBERS: Final = 10
Alarm = Callable[["DataFrame"], "Column[bool]"]
"""Seconds of a run at which an alarm rings."""


def _held(condition: Column[bool]) -> Column[bool]:
    """Whether a condition has held for the whole window."""
    return condition.rolling(_WINDOW_S).sum() == _WINDOW_S


def _above(column: str, limit: float) -> Alarm:
    def rings(run: DataFrame) -> Column[bool]:
        values = run[column] if column in run else pd.Series(0.0, index=run.index)
        return _held(values.fillna(0.0) > limit)

    return rings


def _count_in_window(column: str, limit: float) -> Alarm:
    def rings(run: DataFrame) -> Column[bool]:
        if column not in run:
            return pd.Series(data=False, index=run.index)
        return _in_window(run, column) > limit

    return rings


def _in_window(run: DataFrame, column: str) -> Column[float]:
    """By how much a counter grew within the window; it starts at 0."""
    total = run[column].ffill().fillna(0.0)
    return total - total.shift(_WINDOW_S).fillna(0.0)


def _loss(run: DataFrame) -> Column[bool]:
    """Half of the members of the queue disappear within ten seconds."""
    members = run["passed"] + run["waiting"]
    before = members.shift(_LOSS_WINDOW_S)
    return (before >= _FEWEST_MEMBERS) & (members < _HALF * before)


ALARMS: Final[Mapping[str, Alarm]] = {
    "database connections: more threads wait than there are connections (10)": _above(
        "pool_pending", 10
    ),
    "slow answers: p95 above 5 s": _above("duration_p95_ms", 5_000),
    "refused tokens: more than 10 malformed tokens in 30 s": _count_in_window(
        "exception:MalformedTokenError", 10
    ),
    "locked out: more than 3 refusals of a new token in 30 s": _count_in_window(
        "exception:TokenExistsError", 3
    ),
    "queue: half of its members gone within 10 s": _loss,
}


def failure_s(run: DataFrame) -> float | None:
    """The second at which a run fails; None if it never does."""
    requests, failed = _in_window(run, "http_reqs"), _in_window(run, "http_req_failed")
    return _first(run, (requests >= _FEWEST_REQUESTS) & (failed > _HALF * requests))


def _first(run: DataFrame, rings: Column[bool]) -> float | None:
    moments = run.loc[rings, "t_s"]
    return float(moments.iloc[0]) if len(moments) else None


def loss_s(run: DataFrame) -> float | None:
    """The second at which half of the queue's members are gone; None if they stay."""
    return _first(run, _loss(run))


def leads(
    runs: Sequence[DataFrame], alarm: Alarm, moment: Callable[[DataFrame], float | None]
) -> list[float | None]:
    """Minutes from the alarm to the moment of each run that comes to it; None if it rings later."""
    found: list[float | None] = []
    for run in runs:
        failed = moment(run)
        if failed is None:
            continue
        rung = _first(run, alarm(run))
        found.append((failed - rung) / 60 if rung is not None and rung < failed else None)
    return found


def _told(every: Sequence[float | None]) -> str:
    """The share of worlds in which an alarm comes first, and its lead."""
    before = [lead for lead in every if lead is not None]
    if not before:
        return "never | -" if every else "- | -"
    spread = pd.Series(before).quantile([0.1, 0.5, 0.9])
    lead = f"{spread[0.5]:.1f} ({spread[0.1]:.1f} to {spread[0.9]:.1f})"
    return f"{len(before) / len(every):.0%} | {lead}"


def _runs(folder: Path) -> list[DataFrame]:
    series = pd.read_parquet(folder / "series.parquet")
    return [run.reset_index(drop=True) for _, run in series.groupby("replication")]


def main(arguments: Sequence[str]) -> int:
    """Print the table; returns the exit code."""
    worlds = _runs(Path(arguments[0]))
    healthy = _runs(Path(arguments[1])) if len(arguments) > 1 else []
    moments = {"half of the requests fail": failure_s, "half of the queue is lost": loss_s}
    lines = [
        f"{sum(moment(run) is not None for run in worlds)} of {len(worlds)} worlds: {name}"
        for name, moment in moments.items()
    ]
    heads = [f"before {name} | lead, minutes" for name in moments]
    lines += ["", f"| alarm | {' | '.join(heads)} | when healthy |", "| --- " * 6 + "|"]
    for name, alarm in ALARMS.items():
        told = " | ".join(_told(leads(worlds, alarm, moment)) for moment in moments.values())
        rung = sum(_first(run, alarm(run)) is not None for run in healthy)
        lines.append(f"| {name} | {told} | {rung} of {len(healthy)} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
