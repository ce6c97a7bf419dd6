"""Time series as OpenMetrics text 1.0, with timestamps, to be backfilled into a metrics server.

Every family is called `ticketsim_...`, has a base unit (seconds, bytes) and the label
`replication`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from sim.result import RunResult

_BYTES_IN_MB: Final = 1e6
_MS: Final = 1e3
_COUNTED: Final[Mapping[str, tuple[str, str, str]]] = {
    "requests": ("http_requests", "endpoint", "Requests that ended."),
    "failed": ("http_requests_failed", "endpoint", "Requests that failed."),
    "error": ("http_request_errors", "cause", "Failed requests by primary cause."),
    "exception": ("exceptions", "class", "Exceptions that the service logged."),
}
"""Prefix of a column -> family, label and help."""
_TOTALS: Final = frozenset(
    {
        *("redis_evicted_keys", "redis_expired_keys", "redis_refused_commands"),
        *("pool_timeouts", "killed_processes"),
    }
)
"""Gauges of the series that only ever grow."""
_LEFT_OUT: Final = frozenset({"t_s", "http_reqs", "http_req_failed"})
"""Time, and what the counters by endpoint sum to."""
_QUANTILES: Final = {"med": "0.5", "p(90)": "0.9", "p(95)": "0.95", "p(99)": "0.99"}
_DURATION: Final = "http_req_duration{endpoint:"


@dataclasses.dataclass
class Family:
    """One metric family: its lines are written together."""

    name: str
    kind: str
    help: str
    unit: str = ""
    lines: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> Iterator[str]:
        """The lines of the family."""
        yield f"# TYPE {self.name} {self.kind}"
        if self.unit:
            yield f"# UNIT {self.name} {self.unit}"
        yield f"# HELP {self.name} {_escaped(self.help)}"
        yield from self.lines


def openmetrics(runs: Mapping[int, RunResult], epoch_s: float) -> Iterator[str]:
    """The lines of the exposition.

    Args:
        runs: replication -> result with its time series.
        epoch_s: when the load began, in seconds since 1970.
    """
    families: dict[str, Family] = {}
    for replication, run in runs.items():
        for column in run.series:
            if column not in _LEFT_OUT:
                _add_column(families, replication, run, column, epoch_s)
        _add_durations(families, replication, run, epoch_s)
    for family in families.values():
        yield from family.text()
    yield "# EOF"


def _add_column(
    families: dict[str, Family], replication: int, run: RunResult, column: str, epoch_s: float
) -> None:
    found, label, factor = _family_of(column)
    family = families.setdefault(found.name, found)
    labels = _labels({"replication": str(replication), **label})
    suffix = "_total" if family.kind == "counter" else ""
    values = run.series[column]
    for time_s, value in zip(run.series["t_s"].tolist(), values.tolist(), strict=True):
        family.lines.append(
            f"{family.name}{suffix}{labels} {_number(factor * value)} {epoch_s + time_s:.3f}"
        )


def _family_of(column: str) -> tuple[Family, dict[str, str], float]:
    """The family of a column of the series, its labels, and the factor to the base unit."""
    prefix, colon, name = column.partition(":")
    if colon and prefix in _COUNTED:
        family, label, text = _COUNTED[prefix]
        return Family(f"ticketsim_{family}", "counter", text), {label: name}, 1.0
    if column.endswith("_cpu_s"):
        process = {"process": column.removesuffix("_cpu_s")}
        family_of_all = Family(
            "ticketsim_cpu_seconds", "counter", "Processor time used.", "seconds"
        )
        return family_of_all, process, 1.0
    kind = "counter" if column in _TOTALS else "gauge"
    text = column.replace("_", " ")
    if column.endswith("_mb"):
        base = f"ticketsim_{column.removesuffix('_mb')}_bytes"
        return Family(base, kind, text, "bytes"), {}, _BYTES_IN_MB
    unit = "bytes" if column.endswith("_bytes") else ""
    return Family(f"ticketsim_{_name(column)}", kind, text, unit), {}, 1.0


def _add_durations(
    families: dict[str, Family], replication: int, run: RunResult, epoch_s: float
) -> None:
    """The percentiles of whole runs, at their end."""
    family = Family(
        "ticketsim_http_request_duration_seconds",
        "summary",
        "Durations of all requests of the run.",
        "seconds",
    )
    end = f"{epoch_s + run.simulated_s:.3f}"
    for metric, values in run.metrics.items():
        if not metric.startswith(_DURATION) or ",status:" in metric:
            continue
        endpoint = metric.removeprefix(_DURATION).removesuffix("}")
        labels = {"replication": str(replication), "endpoint": endpoint}
        for statistic, quantile in _QUANTILES.items():
            if statistic in values:
                of = _labels({**labels, "quantile": quantile})
                family.lines.append(f"{family.name}{of} {_number(values[statistic] / _MS)} {end}")
        count = sum(run.outcomes.get(endpoint, {}).values())
        total_s = values.get("avg", 0.0) * count / _MS
        family.lines.append(f"{family.name}_count{_labels(labels)} {count} {end}")
        family.lines.append(f"{family.name}_sum{_labels(labels)} {_number(total_s)} {end}")
    if family.lines:
        families.setdefault(family.name, Family(family.name, "summary", family.help, family.unit))
        families[family.name].lines += family.lines


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _name(text: str) -> str:
    """The characters that a name may have."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)


def _number(value: float) -> str:
    return f"{value:.10g}" if value == value else "NaN"  # noqa: PLR0124 (NaN is not itself)
