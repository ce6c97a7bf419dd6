"""All fits to the measurements: the service's, the load generator's, and the linear ones.

Database, Redis and waits are fitted by non-negative least squares; the service's own work in
`tools.fit_service`, the load generator in `tools.fit_generator`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.studies.validate.measurements import Measurements, Run, ServiceTime
from tools.fit_generator import fit_generator, fit_generator_memory
from tools.fit_service import ServiceFit
from tools.fitting import Linear, linear

# Transactions that write, per request of a case (docs/incident/behaviour.md). The payment's outbox
# work fails.
_WRITING_COMMITS: Final = {
    "gen_success_ACCESS": 1.0,
    "gen_success_WAIT": 1.0,
    "booking_success": 2.0,
    "payment_success": 1.0,
}


def fit_database(rows: Sequence[ServiceTime]) -> Linear:
    """Database CPU per request, hot and warm500 alike: it has no compiler to warm up."""
    names = ("borrow", "statement", "write_commit", "row")
    matrix = [
        (r.borrows, r.reads + r.writes, _WRITING_COMMITS.get(r.path, 0.0), r.seats) for r in rows
    ]
    return linear(names, [r.name for r in rows], matrix, [r.database_ms for r in rows], 0.15, 0.03)


def fit_redis(rows: Sequence[ServiceTime]) -> Linear:
    """Redis CPU per request: commands, and what the server does by itself while time passes."""
    matrix = [(r.redis_commands, r.mean_ms) for r in rows]
    measured = [r.redis_ms for r in rows]
    return linear(("command", "background"), [r.name for r in rows], matrix, measured, 0.15, 0.005)


def fit_waits(rows: Sequence[ServiceTime]) -> Linear:
    """Latency of a single client that is not CPU: per request, SQL round trip, Redis command."""
    names = ("request", "round_trip", "redis_command")
    matrix = [(1.0, r.round_trips, r.redis_commands) for r in rows]
    measured = [r.mean_ms - r.cpu_ms for r in rows]
    return linear(names, [r.name for r in rows], matrix, measured, 0.0, 0.1)


def fit_history(runs: Sequence[Run]) -> Linear:
    """Database CPU of the runs' windows: what a row of the history costs a generation."""
    names = (
        "generation",
        "history_row",
        "check",
        "dates",
        "dates_401",
        "seats_few",
        "seats_many",
        "rest",
        "second",
    )
    matrix, measured, labels = [], [], []
    for run in runs:
        many = int(run.meta["seats"]) > 1_000  # noqa: PLR2004 - 50 or 20,000
        for window in run.windows():
            n = window.requests
            gen = n["gen", "200"]
            listed = n["seats", "200"]
            named = gen + listed + n["dates", "200"] + n["dates", "401"]
            checks = n["check", "500"] + n["check", "401"]
            matrix.append(
                (
                    gen,
                    gen * (window.before["gen", "200"] + gen / 2),
                    checks,
                    n["dates", "200"],
                    n["dates", "401"],
                    0 if many else listed,
                    listed if many else 0,
                    n.total() - named - checks,
                    window.sampled_s,
                )
            )
            measured.append(window.database_ms)
            labels.append(f"{run.name} {window.start_s} s")
    return linear(names, labels, matrix, measured, 0.1, 30.0)


def idle_cores(runs: Sequence[Run]) -> float:
    """CPU of the JVM per second after the load has ended (median of the runs)."""
    values = []
    for run in runs:
        after = [s for s in run.jvm if s["ts"] > run.k6_end + 1]
        if len(after) > 1:
            used_ns = after[-1]["cpu_ns"] - after[0]["cpu_ns"]
            values.append(used_ns * 1e-9 / (after[-1]["ts"] - after[0]["ts"]))
    return float(np.median(values))


@dataclass(frozen=True)
class Fits:
    """All the fits."""

    measurements: Measurements
    database: Linear
    redis: Linear
    waits: Linear
    history: Linear
    generator: Linear
    memory: Linear
    service: ServiceFit

    @classmethod
    def of(cls, measurements: Measurements) -> Fits:
        """Fit everything."""
        rows = measurements.service_times
        waits = fit_waits(rows)

        def rest_ms(row: ServiceTime) -> float:
            return row.database_ms + row.redis_ms + wait_ms(waits, row)

        return cls(
            measurements,
            fit_database(rows),
            fit_redis(rows),
            waits,
            fit_history(measurements.runs),
            fit_generator(measurements.runs),
            fit_generator_memory(measurements),
            ServiceFit(measurements, rest_ms),
        )


def wait_ms(waits: Linear, row: ServiceTime) -> float:
    """Return the fitted time of a request that is not CPU."""
    return (
        waits["request"]
        + waits["round_trip"] * row.round_trips
        + waits["redis_command"] * row.redis_commands
    )
