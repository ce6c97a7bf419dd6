"""Generate `sim/data/costs.toml` and the report in `docs/calibration.md` from the measurements.

    python -m experiments.fit_costs

Every number of the cost table comes from here; nothing is typed by hand. The fit of the service's
own work is in `experiments.fit_service`; this module fits the rest (database, Redis, waits,
variability, load generator) with non-negative least squares and writes both files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from experiments.fit_generator import (
    LISTS,
    busy_connect_ms,
    fit_generator,
    fit_generator_memory,
    generator_io_ms,
    looped_s,
    named,
    request_bytes,
    run_requests,
)
from experiments.fit_service import (
    Heat,
    ServiceFit,
    endpoint,
    jvm_ms,
    service_heats,
    steps,
    warm_up,
)
from experiments.fitting import Linear, linear
from experiments.measurements import Measurements, Run, ServiceTime

ROOT: Final = Path(__file__).resolve().parent.parent
DATA: Final = ROOT / "sim" / "data"
DIGITS: Final = 4

# Transactions that write, per request of a case (behaviour.md; the payment's outbox work fails).
_WRITING_COMMITS: Final = {
    "gen_success_ACCESS": 1.0,
    "gen_success_WAIT": 1.0,
    "booking_success": 2.0,
    "payment_success": 1.0,
}
# A busy generator: its processor is taken, whether by requests or by users that spin.
_BUSY: Final = 0.8
_NULL_CHECK: Final = "hot check_WAIT_valid(NPE)"
_MOST: Final = 0.9
_RARE: Final = ("booking_success", "booking_409_occupied", "payment_success")
# Seconds of a load during which all threads are busy and few users come or go.
_FULL_LOAD: Final = (30, 125)


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


def header_bytes(measurements: Measurements) -> float:
    """Response bytes beyond the body per request: the median of the runs without long lists."""
    bodies = {r.path: r.body_bytes for r in measurements.service_times}
    values = []
    for run in measurements.runs:
        body_bytes = sum(
            e["count"] * bodies[run_case(run, e["endpoint"], e["status"])]
            for e in run.totals["per_endpoint"]
        )
        received, requests = (run.metrics[m]["count"] for m in ("data_received", "http_reqs"))
        if received / requests < LISTS:
            values.append((received - body_bytes) / requests)
    return float(np.median(values))


def variability(rows: Sequence[ServiceTime]) -> float:
    """CV of latency within a case whose code is hot: the median over those cases."""
    return float(np.median([r.cv for r in rows if r.hot and endpoint(r.case) not in _COLD]))


_COLD: Final = ("booking", "payment")


def run_case(run: Run, name: str, status: str) -> str:
    """Return the case of `service_times.csv` that a request of a run is like."""
    few = run.meta["seats"] == "50"
    cases = {
        ("gen", "200"): "gen_success_ACCESS",
        ("gen", "500"): "gen_refused_5001",
        ("check", "500"): "check_WAIT_valid",
        ("check", "401"): "check_expired_WAIT"
        if "fix.exp" in run.meta["javaopts"]
        else "check_undefined",
        ("dates", "200"): "dates_cached",
        ("seats", "200"): "seats_50" if few else "seats_20000",
        ("booking", "200"): "booking_success",
        ("booking", "409"): "booking_409_occupied",
        ("booking", "500"): "booking_409_occupied",
        ("payment", "400"): "payment_undefined_400",
        ("payment", "500"): "payment_wrong_status_500",
    }
    return cases.get((name, status), "dates_401_access_swept")


@dataclass(frozen=True)
class RunWindow:
    """Measured over fitted JVM CPU of one window of a run."""

    run: str
    start_s: int
    generator_cores: float
    ratio: float


def run_windows(run: Run, fits: Fits) -> list[RunWindow]:
    """Compare the JVM's CPU in each window of a run with what its requests should cost."""
    paths = {r.path: r for r in fits.measurements.service_times}
    values = fits.service.values
    prelude = run.prelude
    warmed = {"gen": prelude.generations} | dict.fromkeys(
        ("check", "dates", "seats"), prelude.trios
    )
    idle_ms = 1e3 * idle_cores(fits.measurements.runs)
    found = []
    for window in run.windows():
        total = sum(warmed.values()) + window.before.total()
        fitted_ms = idle_ms * window.sampled_s
        for (name, status), count in window.requests.items():
            own = warmed.get(name, 0.0) + named(window.before, name)
            heat = Heat(own, total, named(window.requests, name), window.requests.total())
            case = paths[run_case(run, name, status)]
            fitted_ms += count * jvm_ms(values, steps(case), warm_up(values, heat))
        found.append(
            RunWindow(
                run.name,
                window.start_s,
                window.k6_ms / 1e3 / window.sampled_s,
                window.jvm_ms / fitted_ms,
            )
        )
    return found


def busy_windows(fits: Fits) -> list[RunWindow]:
    """Windows in which the generator takes its whole core, of runs without expired tokens' loops.

    In runs with capacity for all, refusals with and without a logged exception share one status.
    """
    return [
        window
        for run in fits.measurements.runs
        if float(run.meta["cap"]) < float(run.meta["peak"])
        for window in run_windows(run, fits)
        if window.generator_cores > _BUSY
    ]


def locked_share(fits: Fits) -> float:
    """Share of writing a stack trace that is done under the log's lock.

    All 200 threads are busy in the runs in which nearly every request is a check that fails with
    a null dereference, yet few wait for a connection: most must wait for one another elsewhere.
    While they do, the lock is always held, so of the threads that share the core one holds it.
    How many share it follows from how much longer a connection is held than by a single client.
    The lock's share of the work is then one over their number.
    """
    alone = next(r for r in fits.measurements.service_times if r.name == _NULL_CHECK)
    slowdowns = [
        run.hold_ms(*_FULL_LOAD) / alone.hold_ms
        for run in fits.measurements.runs
        if run_requests(run, "check", "500") > _MOST * run.metrics["http_reqs"]["count"]
    ]
    sharing = float(np.mean(slowdowns)) / busy_factor(fits)
    return alone.cpu_ms / sharing / fits.service.values["null"]


def speed_variation(fits: Fits) -> dict[str, float]:
    """Split the variation of the JVM's speed into that within runs and that between them.

    One-way analysis of variance of the windows in which the generator takes its whole core.
    """
    runs: dict[str, list[float]] = {}
    for window in busy_windows(fits):
        runs.setdefault(window.run, []).append(float(np.log(window.ratio)))
    groups = list(runs.values())
    count = sum(map(len, groups))
    inside = sum(len(g) * float(np.var(g)) for g in groups) / (count - len(groups))
    means = float(np.var([np.mean(g) for g in groups], ddof=1))
    between = max(0.0, means - inside * len(groups) / count)
    return {"speed_cv": float(np.sqrt(inside)), "run_speed_cv": float(np.sqrt(between))}


def rare_code_factor(fits: Fits) -> float:
    """Measured against fitted work of bookings and payments in a JVM that reads have heated.

    The warm-up curve lets them share what all requests heat; writes do so less.
    """
    values = fits.service.values
    rows = fits.measurements.service_times
    logs = [
        np.log(row.jvm_ms / jvm_ms(values, steps(row), warm_up(values, heat)))
        for row, heat in zip(rows, service_heats(rows), strict=True)
        if not row.hot and row.path in _RARE
    ]
    return float(np.exp(np.mean(logs)))


def busy_factor(fits: Fits) -> float:
    """Factor on the JVM's work while the generator takes its whole core."""
    return float(np.exp(np.mean([np.log(window.ratio) for window in busy_windows(fits)])))


def table(fits: Fits) -> dict[str, dict[str, float]]:
    """Return the cost table: seconds of CPU on one core of the measured machine."""
    runs = fits.measurements.runs
    service = fits.service.values
    row_ms = fits.database["row"]
    visited_ms = min(row_ms / 2, fits.history["history_row"] + fits.history.error("history_row"))
    idle = idle_cores(runs)
    sending_ms, receiving_ms = generator_io_ms(fits.measurements)
    return {
        "service": {
            "jvm_request_s": 1e-3 * service["request"],
            "jvm_borrow_s": 1e-3 * service["borrow"],
            "jvm_statement_s": 1e-3 * service["statement"],
            "jvm_row_sent_s": 1e-3 * service["row"],
            "jvm_redis_s": 1e-3 * service["redis"],
            "jvm_response_byte_s": 1e-3 * service["byte"],
            "jvm_event_s": 1e-3 * service["event"],
            "jvm_background_cores": idle,
        },
        "exceptions": {
            f"{kind}_s": 1e-3 * service[kind]
            for kind in ("malformed", "expired", "null", "handled", "container")
        }
        | {"locked_share": locked_share(fits)},
        "warm_up": {
            "excess": service["excess"],
            "half_requests": service["half"],
            "exponent": service["exponent"],
            "shared": service["shared"],
            "exception_sensitivity": service["exception_sensitivity"],
            "row_excess": service["row_excess"],
            "row_half_requests": service["row_half"],
        },
        "database": {
            "db_borrow_s": 1e-3 * fits.database["borrow"],
            "db_statement_s": 1e-3 * fits.database["statement"],
            "db_commit_write_s": 1e-3 * fits.database["write_commit"],
            "db_row_visited_s": 1e-3 * visited_ms,
            "db_row_sorted_s": 1e-3 * (row_ms - visited_ms) / 2,
            "db_row_sent_s": 1e-3 * (row_ms - visited_ms) / 2,
        },
        "redis": {
            "redis_command_s": 1e-3 * fits.redis["command"],
            "redis_background_cores": fits.redis["background"],
        },
        "waits": {
            "request_wait_s": 1e-3 * fits.waits["request"],
            "redis_wait_s": 1e-3 * fits.waits["redis_command"],
        },
        "variability": {"request_cv": variability(fits.measurements.service_times)},
        "machine": {
            "busy_generator_factor": busy_factor(fits),
            **speed_variation(fits),
            "rare_code_factor": rare_code_factor(fits),
        },
        "generator": {
            "request_s": 1e-3 * fits.generator["request"],
            "sending_share": sending_ms / fits.generator["request"],
            "receiving_share": receiving_ms / fits.generator["request"],
            "body_byte_s": 1e-3 * fits.generator["byte"],
            "vu_start_s": 1e-3 * fits.generator["vu_start"],
            "script_error_s": max(0.0, looped_s(runs) - 1e-3 * fits.generator["request"]),
            "busy_connect_s": 1e-3 * busy_connect_ms(runs),
            "spin_iteration_s": 1e-3 * fits.generator["iteration"],
            "mb_per_vu": fits.memory["vu"],
            "mb_per_body_mb": fits.memory["body_mb"],
            "request_bytes": request_bytes(runs),
            "response_header_bytes": header_bytes(fits.measurements),
        },
    }


def rounded(value: float) -> float:
    """Return `value` with as many significant digits as the data can support."""
    return float(f"{value:.{DIGITS}g}")


def as_toml(tables: dict[str, dict[str, float]]) -> str:
    """Return the table as the text of `costs.toml`."""
    lines = [
        "# Generated by `python -m experiments.fit_costs` from the files in measured/; see",
        "# docs/calibration.md. CPU seconds on one core of the measured machine; do not edit.",
    ]
    for name, values in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {rounded(v)!r}" for key, v in values.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files."""
    from experiments.fit_report import report

    fits = Fits.of(Measurements(DATA / "measured"))
    (DATA / "costs.toml").write_text(as_toml(table(fits)), encoding="utf-8")
    (ROOT / "docs" / "calibration.md").write_text(report(fits), encoding="utf-8")


if __name__ == "__main__":
    main()
