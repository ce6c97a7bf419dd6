"""Results as pandas tables that read well: units in the column names, numbers without noise.

A column named `..._ms` is in milliseconds, `..._s` in simulated seconds, `..._bytes` in bytes,
`share` or `..._share` a fraction between 0 and 1; every other number is a count. Means over the
replications stand where a run has more than one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.statistics.outcomes import is_failure
from experiments.statistics.quantities import COMPARED
from experiments.statistics.summary import RunSummary
from experiments.studies.compare.differences import ComparisonResult
from experiments.studies.sweep.points import SweepResult
from experiments.views.text.run_text import duration, number, percent
from sim.result import Cleanup, RunResult

_LONGEST = 60
"""Rows of a table that are shown; all of them are in it."""
_MANY_KEYS = 4
_SMALLEST_SHARE = 5e-5
_STATISTICS = {
    "avg": "avg_ms",
    "min": "min_ms",
    "med": "med_ms",
    "p(90)": "p90_ms",
    "p(95)": "p95_ms",
    "p(99)": "p99_ms",
    "max": "max_ms",
}
"""k6's statistics of a duration, and the columns that they are in."""
_BRIEF = ("avg_ms", "med_ms", "p95_ms", "max_ms")


class Table(pd.DataFrame):  # type: ignore[misc]  # pandas ships no type information
    """A pandas DataFrame that shows its numbers by the units in its column names."""

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def __repr__(self) -> str:
        """Show it as text."""
        return str(_shown(self).to_string(max_rows=_LONGEST))

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return str(_shown(self).to_html(max_rows=_LONGEST, border=0, na_rep=""))


def _shown(table: Table) -> pd.DataFrame:
    """The table as text, column by column."""
    plain = pd.DataFrame(table)
    return plain.apply(lambda column: column.map(lambda value: _cell(str(column.name), value)))


def _cell(column: str, value: Any) -> str:
    """A value in the unit that its column's name states."""
    if value is None or value != value:  # noqa: PLR0124 (not a number)
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if column == "share" or column.endswith("_share"):
        # Never minus nothing.
        return percent(value if abs(value) >= _SMALLEST_SHARE else 0.0)
    if column.endswith("_ms"):
        return f"{'-' if value < 0 else ''}{duration(abs(value))}"
    return f"{value:,.1f} s" if column.endswith("_s") else number(value)


def requests(summary: RunSummary) -> Table:
    """Requests by endpoint.

    Columns: requests, share (of all requests), failed, failed_share (of the endpoint's), and the
    durations avg_ms, med_ms, p95_ms and max_ms of all its requests, failed ones too.
    """
    total = sum(sum(counts.values()) for counts in summary["outcomes"].values()) or 1
    rows = {}
    for endpoint, counts in summary["outcomes"].items():
        made = sum(counts.values())
        failed = sum(count for status, count in counts.items() if is_failure(status))
        times = _durations(summary["metrics"].get(f"http_req_duration{{endpoint:{endpoint}}}", {}))
        rows[endpoint] = {
            "requests": made,
            "share": made / total,
            "failed": failed,
            "failed_share": failed / made if made else 0.0,
            **{column: times[column] for column in _BRIEF if column in times},
        }
    return Table(_indexed(rows, "endpoint").sort_values("requests", ascending=False))


def _durations(statistics: Mapping[str, Any]) -> dict[str, float]:
    return {
        column: statistics[key]
        for key, column in _STATISTICS.items()
        if statistics.get(key) is not None
    }


def statuses(summary: RunSummary) -> Table:
    """Requests by endpoint and HTTP status; 0 means that there was no answer."""
    rows = {
        (endpoint, int(status)): {"requests": count, "failed": is_failure(status)}
        for endpoint, counts in summary["outcomes"].items()
        for status, count in counts.items()
    }
    return _indexed(rows, "endpoint", "status")


def causes(summary: RunSummary, kind: str) -> Table:
    """What went wrong by endpoint, commonest first.

    Args:
        summary: of a run.
        kind: "errors", one primary cause per failed request, or "exceptions", what the service
            logged, which can be more.

    Columns: count, share (of all of this kind).
    """
    found: Mapping[str, Mapping[str, float]] = summary[kind]  # type: ignore[literal-required]
    total = sum(sum(counts.values()) for counts in found.values()) or 1
    rows = {
        (endpoint, name): {"count": count, "share": count / total}
        for endpoint, counts in found.items()
        for name, count in counts.items()
    }
    table = _indexed(rows, "endpoint", kind.removesuffix("s"))
    return table.sort_values("count", ascending=False) if rows else table


def latency(summary: RunSummary) -> Table:
    """Durations in milliseconds: k6's metrics of time, also by endpoint and status."""
    rows = {
        name: _durations(statistics)
        for name, statistics in summary["metrics"].items()
        if name.startswith(("http_req_", "iteration_duration", "waiting_time"))
        and "avg" in statistics
    }
    return _indexed(rows, "metric")


def metrics(summary: RunSummary) -> Table:
    """Every metric of k6 and of the waiting room, one row per statistic; durations in ms."""
    rows = {
        (name, statistic): {"value": value}
        for name, statistics in summary["metrics"].items()
        for statistic, value in statistics.items()
        if isinstance(value, int | float)
    }
    return _indexed(rows, "metric", "statistic")


def funnel(summary: RunSummary) -> Table:
    """People by the furthest state they reached, each counted once. Columns: people, share."""
    total = sum(summary["funnel"].values()) or 1
    rows = {
        state: {"people": people, "share": people / total}
        for state, people in summary["funnel"].items()
    }
    return _indexed(rows, "state")


def counts(found: Mapping[str, float], index: str, column: str) -> Table:
    """A mapping of names to counts as a table of one column."""
    return _indexed({name: {column: count} for name, count in found.items()}, index)


def observed(summary: RunSummary) -> Table:
    """What was observed on the real system beside what was simulated.

    Columns: observed, simulated, at_full_size (counts divided by the scale), low and high (95 %
    prediction interval of one run; absent below 3 replications), note. Durations in milliseconds.
    """
    rows = {}
    for name, row in summary.get("observed", {}).items():
        low, high = row["pi95"] or (None, None)
        rows[name] = {
            "observed": row["observed"],
            "simulated": row["simulated"],
            "at_full_size": row.get("extrapolated", row["simulated"]),
            "low": low,
            "high": high,
            "note": row["note"],
        }
    return Table(_indexed(rows, "number").dropna(axis="columns", how="all"))


def series(results: Mapping[int, RunResult]) -> Table:
    """The state of the world over time, one row per replication and sample.

    Index: replication, t_s (simulated seconds since the load began). Gauges such as `vus`,
    `waiting` and `passed` are the state at that moment; `http_reqs`, `http_req_failed`, columns
    with a colon and `..._cpu_s` count since the load began.
    """
    parts = [
        pd.DataFrame(run.series).assign(replication=replication)
        for replication, run in results.items()
        if run.series
    ]
    if not parts:
        return Table()
    whole = pd.concat(parts, ignore_index=True)
    tallies = [column for column in whole if ":" in column]
    whole[tallies] = whole[tallies].fillna(0.0)
    return Table(whole.set_index(["replication", "t_s"]))


def sweeps(results: Mapping[int, RunResult]) -> Table:
    """Every run of the sweep: when, what it left of both queues, and how it ended."""
    rows = [
        {"replication": replication, **dataclasses.asdict(sweep)}
        for replication, run in results.items()
        for sweep in run.sweeps
    ]
    names = ["replication", *(field.name for field in dataclasses.fields(Cleanup))]
    return Table(pd.DataFrame(rows, columns=names))


def replications(summary: RunSummary) -> Table:
    """One row per replication: its seed, how it ended, and its main numbers."""
    rows = {
        run["replication"]: {
            "seed": str(run["seed"]),
            "ended": run["ended"],
            "simulated_s": run["simulated_s"],
            "requests": run["metrics"].get("http_reqs", {}).get("count"),
            "failed_share": run["metrics"].get("http_req_failed", {}).get("rate"),
            "paid": run["funnel"].get("paid"),
            "digest": run["digest"][:16],
        }
        for run in summary["runs"]
    }
    return _indexed(rows, "replication")


def differences(comparison: ComparisonResult) -> Table:
    """Every variant against the config as it is, in every quantity.

    Index: variant, quantity. Columns: base, variant, difference (variant minus base), low, high
    (95 % confidence interval of the difference; empty below 3 replications), verdict, unit. The
    quantity `failed` is a share between 0 and 1; durations are in milliseconds.
    """
    units = {quantity.name: quantity.unit for quantity in COMPARED}
    rows = {}
    for row in comparison["variants"]:
        for quantity, found in row["quantities"].items():
            low, high = found["ci95"] or (None, None)
            rows[row["name"], quantity] = {
                "base": found["base"],
                "variant": found["variant"],
                "difference": found["difference"],
                "low": low,
                "high": high,
                "verdict": found["verdict"],
                "unit": units.get(quantity, ""),
            }
    return _indexed(rows, "variant", "quantity")


def of_quantity(table: Table, quantity: str) -> Table:
    """The differences in one quantity, with the unit in the column names."""
    found = table.xs(quantity, level="quantity")
    unit = found["unit"].iloc[0] if len(found) else ""
    suffix = {"share": "_share", "ms": "_ms"}.get(unit, "")
    numbers = ("base", "variant", "difference", "low", "high")
    return Table(found.drop(columns="unit").rename(columns={n: f"{n}{suffix}" for n in numbers}))


def points(sweep: SweepResult) -> Table:
    """The points of a sweep: one column per key, then each quantity's mean and interval.

    Columns: the keys; failed_share, tokens, bookings, payments, p95_ms, goodput (people who paid
    per simulated minute), each also as `low_...` and `high_...` where there are intervals;
    main_error; of a knee outcome.
    """
    names = {"failed": "failed_share", "p95": "p95_ms"}
    rows = []
    for point in sweep["points"]:
        row: dict[str, Any] = dict(point["values"])
        for quantity, level in point["quantities"].items():
            name = names.get(quantity, quantity)
            row[name] = level["mean"]
            if level["ci95"]:
                row[f"low_{name}"], row[f"high_{name}"] = level["ci95"]
        row["main_error"] = point["main_error"]
        if "outcome" in point:
            row["outcome"] = point["outcome"]
        rows.append(row)
    return Table(pd.DataFrame(rows))


def sensitivities(sweep: SweepResult) -> Table:
    """How much each key matters to each quantity; empty without a design that tells."""
    return Table(pd.DataFrame(sweep.get("sensitivities", [])))


def changes_in_words(changes: Mapping[str, Any]) -> str:
    """The keys that a variant sets, or how many, if they are too many to read."""
    if len(changes) > _MANY_KEYS:
        return f"{len(changes)} keys"
    return ", ".join(f"{key} = {value}" for key, value in changes.items())


def from_records(rows: Iterable[Mapping[str, Any]], index: str) -> Table:
    """Records as a table with one of their fields as the index."""
    return Table(pd.DataFrame(list(rows)).set_index(index))


def _indexed(rows: Mapping[Any, Mapping[str, Any]], *names: str) -> Table:
    """Rows by their index, one name per level of it."""
    index: Sequence[Any] = list(rows)
    levels = pd.MultiIndex.from_tuples(index, names=names) if len(names) > 1 and rows else None
    if levels is None:
        levels = pd.Index(index, name=names[-1])
    return Table(pd.DataFrame(list(rows.values()), index=levels))
