"""The numbers that are compared, under the same names in measured and simulated runs.

A name says what and where: "requests GET /v1/token/check 500". Its kind, the first word, says how
it is judged.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from experiments.statistics.outcomes import ENDPOINT_OF_TAG
from experiments.studies.validate.measurements import Run
from sim.result import RunResult
from sim.service.event_consumer import LISTENER

Numbers = dict[str, float]

CLASSES: Final[Mapping[str, str]] = {
    "NullDereferenceError": "NullPointerException",
    "ExpiredTokenError": "ExpiredJwtException",
    "MalformedTokenError": "MalformedJwtException",
    "NotValidTokenError": "NotValidTokenException",
    "SeatTakenError": "AlreadyOccupiedException",
    "SeatLockedError": "IllegalStateException",
    "BookingStatusError": "IllegalStateException",
    "TokenExistsError": "IllegalStateException",
    "DeadlockError": "CannotAcquireLockException",
    "LockTimeoutError": "CannotAcquireLockException",
    "PoolTimeoutError": "CannotCreateTransactionException",
    "BookingNotFoundError": "InvalidDataAccessApiUsageException",
    "ClientGoneError": "AsyncRequestNotUsableException",
    "EventRetriedError": "KafkaException",
    "EventGivenUpError": "ListenerExecutionFailedException",
}
"""Class here -> the measured service's class (or its superclass that the log names)."""

FEWEST_FOR_P95: Final = 20
"""Requests below which a 95th percentile is no more than the maximum, and is left out."""

_TABLES: Final[Mapping[tuple[str, str], str]] = {
    ("token_history", "ACCESS"): "token_history:ACCESS",
    ("token_history", "WAIT"): "token_history:WAIT",
    ("booking", "CANCELLED"): "booking:CANCELLED",
    ("booking", "PAID"): "booking:PAID",
    ("booking", "RESERVED"): "booking:RESERVED",
    ("payment", "all"): "payment",
    ("outbox", "PUBLISHED"): "outbox:PUBLISHED",
    ("outbox", "PENDING"): "outbox:PENDING",
    ("distinct_seats_booked", "all"): "booked_seats",
}
_JOBS: Final = "TaskUtils"


def measured_numbers(run: Run) -> Numbers:
    """Everything of a measured run that is compared; times in milliseconds, the share in %."""
    totals, metrics = run.totals, run.metrics
    numbers: Numbers = {
        "failed share": 100.0 * totals["failed"] / totals["total_requests"],
        "requests": float(totals["total_requests"]),
        "iterations": metrics["iterations"]["count"],
        "mean": metrics["http_req_duration"]["avg"],
        "p95": metrics["http_req_duration"]["p(95)"],
    }
    for row in totals["per_endpoint"]:
        where = f"{ENDPOINT_OF_TAG[row['endpoint']]} {row['status']}"
        numbers[f"requests {where}"] = float(row["count"])
        numbers[f"mean {where}"] = row["mean_ms"]
        if row["count"] >= FEWEST_FOR_P95:
            numbers[f"p95 {where}"] = row["p95_ms"]
    numbers.update(_measured_rows(run))
    numbers.update(_measured_exceptions(run))
    return numbers


def _measured_rows(run: Run) -> Iterator[tuple[str, float]]:
    with (run.path / "db_counts.tsv").open(encoding="utf-8", newline="") as file:
        for table, value, rows in csv.reader(file, delimiter="\t"):
            name = _TABLES.get((table, value))
            if name is not None:
                yield f"rows {name}", float(rows)


def _measured_exceptions(run: Run) -> Iterator[tuple[str, float]]:
    """Exceptions by class, without those of the warm-up before the load where its log has them."""
    counts: Counter[str] = Counter()
    with (run.path / "server_exceptions10s.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["exception"] == "-":
                continue
            since_epoch = "ts" in row
            time_s = float(row["ts"]) - run.k6_start if since_epoch else float(row["t_rel_s"])
            if time_s <= 0.0:
                continue
            job = "job " if row["logger"].startswith(_JOBS) else ""
            name = row["exception"].rsplit(".", maxsplit=1)[-1]
            column = "count_in_interval" if since_epoch else "count"
            counts[f"exceptions {job}{name}"] += int(row[column])
    yield from ((name, float(count)) for name, count in counts.items())


def simulated_numbers(result: RunResult) -> Numbers:
    """The same of a simulated run. Latencies of outcomes that did not happen are absent."""
    metrics = result.metrics
    numbers: Numbers = {
        "failed share": 100.0 * metrics["http_req_failed"]["rate"],
        "requests": metrics["http_reqs"]["count"],
        "iterations": metrics["iterations"]["count"],
        "mean": metrics["http_req_duration"]["avg"],
        "p95": metrics["http_req_duration"]["p(95)"],
    }
    for endpoint, outcomes in result.outcomes.items():
        for status, count in outcomes.items():
            where = f"{endpoint} {status}"
            trend = metrics[f"http_req_duration{{endpoint:{endpoint},status:{status}}}"]
            numbers[f"requests {where}"] = float(count)
            numbers[f"mean {where}"] = trend["avg"]
            numbers[f"p95 {where}"] = trend["p(95)"]
    for name in _TABLES.values():
        numbers[f"rows {name}"] = float(result.tables.get(name, 0))
    numbers.update(_simulated_exceptions(result))
    return numbers


def _simulated_exceptions(result: RunResult) -> Numbers:
    counts: Counter[str] = Counter()
    for label, logged in result.exceptions.items():
        job = "" if " /" in label or label == LISTENER else "job "
        for name, count in logged.items():
            counts[f"exceptions {job}{CLASSES.get(name, name)}"] += count
    return {name: float(count) for name, count in counts.items()}


def kind(name: str) -> str:
    """What a number is about: the first word of its name."""
    return name.split(" ", maxsplit=1)[0]


def is_count(name: str) -> bool:
    """Whether it is a whole number."""
    return kind(name) in {"requests", "iterations", "rows", "exceptions"}


def is_latency(name: str) -> bool:
    """Whether it is a time, which is absent where nothing happened, and not a count."""
    return kind(name) in {"mean", "p95"}
