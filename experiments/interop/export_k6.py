"""Writes results in the formats of k6: the data of handleSummary, and `--out csv`.

Columns, formats, metric types and error codes are k6 1.3's, compared in tests with files that it
wrote (tests/data/k6).
"""

from __future__ import annotations

import csv
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

from experiments.statistics.outcomes import is_failure
from experiments.statistics.thresholds import Criterion, holds
from sim.result import RunResult

CsvRow = dict[str, Any]
COLUMNS: Final = [
    "metric_name",
    "timestamp",
    "metric_value",
    "check",
    "error",
    "error_code",
    "expected_response",
    "group",
    "method",
    "name",
    "proto",
    "scenario",
    "service",
    "status",
    "subproto",
    "tls_version",
    "url",
    "extra_tags",
    "metadata",
]
"""Of `--out csv`."""
_MS: Final = 1e3
_ROOT_ID: Final = "d41d8cd98f00b204e9800998ecf8427e"
"""k6's id of the root group: the MD5 of its empty name."""
_TREND: Final = ("avg", "min", "med", "max", "p(90)", "p(95)", "p(99)")
_TIMES: Final = ("iteration_duration", "waiting_time", "http_req_", "time_to_sell_out")
_ERRORS: Final[Mapping[str, tuple[str, int]]] = {
    "RequestTimeout": ("request timeout", 1050),
    "DialTimeout": ("dial: i/o timeout", 1211),
    "ConnectionRefused": ("dial: connection refused", 1212),
    "PortsExhausted": (
        "dial: unknown errno 99 on linux with message: cannot assign requested address",
        1213,
    ),
    "ConnectionReset": ("read: connection reset by peer", 1220),
}
"""Cause of a request without an answer -> k6's `error` and `error_code`, as in its
lib/netext/httpext/error_codes.go."""
_UNKNOWN: Final = 1000
_HTTP: Final = 1000
"""k6's code of a status that counts as an error is so much more than the status."""
_LOWEST_ERROR: Final = 400


def summary(run: RunResult, criteria: Sequence[Criterion]) -> dict[str, Any]:
    """The data that k6 passes to handleSummary, for one replication.

    Args:
        run: the replication.
        criteria: the config's thresholds; each is judged by this run alone, as k6 does.
    """
    metrics = {name: _metric(name, values) for name, values in sorted(run.metrics.items())}
    metrics |= _users(run)
    if "http_req_duration" in metrics:
        zeros = dict.fromkeys(_TREND, 0.0)
        metrics["http_req_tls_handshaking"] = _metric("http_req_tls_handshaking", zeros)
    for criterion in criteria:
        value = criterion.measure.of(run)
        metric = metrics.get(criterion.measure.name)
        if metric is not None and value is not None:
            ok = holds(value, criterion.operator, criterion.bound)
            metric.setdefault("thresholds", {})[criterion.text] = {"ok": ok}
    return {
        "root_group": {"name": "", "path": "", "id": _ROOT_ID, "groups": [], "checks": []},
        "options": {"summaryTrendStats": list(_TREND), "summaryTimeUnit": "", "noColor": False},
        "state": {
            "isStdOutTTY": False,
            "isStdErrTTY": False,
            "testRunDurationMs": _MS * run.simulated_s,
        },
        "metrics": metrics,
    }


def _metric(name: str, values: Mapping[str, float]) -> dict[str, Any]:
    kind, contains = "gauge", "default"
    if "passes" in values:
        kind = "rate"
    elif "avg" in values:
        kind = "trend"
    elif "count" in values:
        kind = "counter"
    if name.startswith("data_"):
        contains = "data"
    elif kind in {"trend", "gauge"} and name.startswith(_TIMES):
        contains = "time"
    return {"type": kind, "contains": contains, "values": dict(values)}


def _users(run: RunResult) -> dict[str, Any]:
    """Gauges as k6 has them: the last value, and the range."""
    found = {}
    vus = run.series.get("vus")
    if vus is not None and len(vus):
        values = {"value": float(vus[-1]), "min": float(vus.min()), "max": float(vus.max())}
        found["vus"] = _metric("vus", values)
    most = run.metrics.get("vus_max", {}).get("value")
    if most is not None:
        values = {"value": most, "min": most, "max": most}
        found["vus_max"] = _metric("vus_max", values)
    return found


def write_csv(file: IO[str], samples: Iterable[CsvRow], run: RunResult, epoch_s: float) -> None:
    """Write one replication as `k6 run --out csv`, in order of time.

    Iterations are not written, as their samples are not kept; nor is data sent and received.

    Args:
        file: where to; opened with newline="".
        samples: rows of `experiments.runs.storage.samples`.
        run: for the users over time.
        epoch_s: when the load began, in seconds since 1970.
    """
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    requests = ((row["time_s"], _request(row, epoch_s)) for row in samples)
    users = ((time_s, _gauges(time_s, count, run, epoch_s)) for time_s, count in _vus(run))
    for _, rows in heapq.merge(requests, users, key=lambda timed: timed[0]):
        writer.writerows(rows)


def _request(row: CsvRow, epoch_s: float) -> list[CsvRow]:
    """The nine samples of one request, in k6's order."""
    failed = is_failure(row["status"])
    error, code = _error(row["status"], row["error"])
    endpoint = row["endpoint"]
    tags = {
        "timestamp": int(epoch_s + row["time_s"]),
        "error": error,
        "error_code": code,
        "expected_response": "false" if failed else "true",
        "method": endpoint.partition(" ")[0],
        "name": endpoint,
        "proto": "HTTP/1.1" if row["status"] else "",
        "scenario": "default",
        "status": row["status"],
        "url": endpoint,
    }
    waiting_ms = max(0.0, row["duration_ms"] - row["sending_ms"] - row["receiving_ms"])
    values = {
        "http_reqs": 1.0,
        "http_req_duration": row["duration_ms"],
        "http_req_blocked": row["blocked_ms"],
        "http_req_connecting": row["blocked_ms"],
        "http_req_tls_handshaking": 0.0,
        "http_req_sending": row["sending_ms"],
        "http_req_waiting": waiting_ms,
        "http_req_receiving": row["receiving_ms"],
        "http_req_failed": float(failed),
    }
    return [
        {"metric_name": name, "metric_value": f"{value:.6f}", **tags}
        for name, value in values.items()
    ]


def _error(status: int, cause: str | None) -> tuple[str, int | str]:
    if status == 0:
        return _ERRORS.get(cause or "", (cause or "", _UNKNOWN))
    return "", _HTTP + status if status >= _LOWEST_ERROR else ""


def _vus(run: RunResult) -> Iterator[tuple[float, float]]:
    series = run.series
    if "vus" in series:
        yield from zip(series["t_s"].tolist(), series["vus"].tolist(), strict=True)


def _gauges(time_s: float, users: float, run: RunResult, epoch_s: float) -> list[CsvRow]:
    values = {"vus": users, "vus_max": run.metrics.get("vus_max", {}).get("value", users)}
    return [
        {
            "metric_name": name,
            "timestamp": int(epoch_s + time_s),
            "metric_value": f"{value:.6f}",
        }
        for name, value in values.items()
    ]
