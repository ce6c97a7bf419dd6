"""Generate `sim/data/costs.toml` and the report in `docs/calibration.md` from the measurements.

    python -m experiments.fit_costs

Every number of the cost table comes from here; nothing is typed by hand. The fit of the service's
own work is in `experiments.fit_service`; this module fits the rest (database, Redis, waits,
variability, load generator) with non-negative least squares and writes both files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from experiments.fit_service import (
    Heat,
    ServiceFit,
    endpoint,
    jvm_ms,
    steps,
    warm_up,
)
from experiments.measurements import WINDOW_S, Measurements, Run, ServiceTime

Vector = npt.NDArray[np.float64]

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
# Before the first user can be done: the shortest thought of the measured runs is 15 s.
_NOBODY_DONE_S: Final = 15
# load.md: two thirds of the peak start in the first 300 s (divided by the run's factor F).
_FIRST_STAGE_S: Final = 300.0
_FIRST_STAGE_SHARE: Final = 2.0 / 3.0
# Bytes per request above which long seat lists dominate what was received.
_LISTS: Final = 1_000


@dataclass(frozen=True)
class Linear:
    """A non-negative least-squares fit of `matrix @ estimate` to `measured`."""

    names: Sequence[str]
    rows: Sequence[str]
    estimate: Vector
    sigma: Vector
    measured: Vector
    fitted: Vector

    def __getitem__(self, name: str) -> float:
        """Return the estimate of one parameter."""
        return float(self.estimate[self.names.index(name)])


def linear(
    names: Sequence[str],
    rows: Sequence[str],
    matrix: Sequence[Sequence[float]],
    measured: Sequence[float],
    relative: float,
    absolute: float,
) -> Linear:
    """Fit with errors of `relative` times the measured value, at least `absolute`."""
    a, y = np.array(matrix, dtype=float), np.array(measured, dtype=float)
    weight = 1.0 / np.maximum(absolute, relative * np.abs(y))
    estimate, residual = nnls(a * weight[:, None], y * weight)
    free = max(1, len(y) - len(names))
    information = (a * weight[:, None]).T @ (a * weight[:, None])
    sigma = np.sqrt(np.diag(np.linalg.pinv(information))) * residual / np.sqrt(free)
    return Linear(names, rows, estimate, sigma, y, a @ estimate)


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


def fit_generator(runs: Sequence[Run]) -> Linear:
    """CPU of the load generator: whole runs, and their windows before any user is done."""
    names = ("request", "vu_start", "iteration", "byte")
    matrix: list[tuple[float, ...]] = []
    measured, labels = [], []
    for run in runs:
        peak, metrics = float(run.meta["peak"]), run.metrics
        whole = (
            metrics["http_reqs"]["count"],
            peak,
            metrics["iterations"]["count"],
            metrics["data_received"]["count"],
        )
        matrix.append(whole)
        measured.append(sum(s["k6_cpu_ms"] for s in run.samples))
        labels.append(f"{run.name}, all")
        per_request = metrics["data_received"]["count"] / metrics["http_reqs"]["count"]
        ramp_s = _FIRST_STAGE_S / float(run.meta["F"])
        for window in run.windows():
            end_s = window.start_s + WINDOW_S
            if end_s > _NOBODY_DONE_S:
                continue
            started = peak * _FIRST_STAGE_SHARE / ramp_s * (end_s - max(0, window.start_s))
            listed = window.requests["seats", "200"] / run_requests(run, "seats", "200")
            requests = window.requests.total()
            received = listed * metrics["data_received"]["count"] if per_request > _LISTS else 0.0
            matrix.append((requests, started, requests, received))
            measured.append(window.k6_ms)
            labels.append(f"{run.name}, second {window.start_s} to {end_s}")
    return linear(names, labels, matrix, measured, 0.05, 100.0)


def run_requests(run: Run, name: str, status: str) -> float:
    """Return how many requests of a run had this name and status."""
    return float(
        sum(
            e["count"]
            for e in run.totals["per_endpoint"]
            if (e["endpoint"], e["status"]) == (name, status)
        )
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
        if received / requests < _LISTS:
            values.append((received - body_bytes) / requests)
    return float(np.median(values))


def request_bytes(runs: Sequence[Run]) -> float:
    """Bytes sent per request, headers and token included: the median of the runs."""
    return float(
        np.median([r.metrics["data_sent"]["count"] / r.metrics["http_reqs"]["count"] for r in runs])
    )


def generator_shares(measurements: Measurements) -> tuple[float, float]:
    """Shares of a request's generator time spent sending and receiving (one user, idle machine).

    The rest is the script: preparing the request, printing, looking at the answer.
    """
    sums: Counter[str] = Counter()
    for metric, name, value in measurements.raw("k6_single_user.csv.gz"):
        if name != "seats" or metric not in ("http_req_sending", "http_req_receiving"):
            sums[metric] += value  # type: ignore[assignment]
    sending, receiving = sums["http_req_sending"], sums["http_req_receiving"]
    script = sums["iteration_duration"] - sums["http_req_duration"] - sums["http_req_blocked"]
    whole = script + sending + receiving
    return sending / whole, receiving / whole


def fit_generator_memory(measurements: Measurements) -> Linear:
    """Peak memory of the load generator: users, and megabytes of seat lists received."""
    received = {
        (run.meta["seats"], run.meta["peak"]): run.metrics["data_received"]["count"] * 1e-6
        for run in measurements.runs
    }
    matrix, measured, labels = [], [], []
    for row in measurements.generator_memory:
        body_mb = received.get((row["seats"], row["peak_vus"]))
        if body_mb is None or row["time_factor"] != "12":
            continue
        matrix.append((float(row["peak_vus"]), body_mb))
        measured.append(float(row["peak_rss_mb"]))
        labels.append(f"{row['seats']} seats, {row['peak_vus']} users")
    return linear(("vu", "body_mb"), labels, matrix, measured, 0.1, 10.0)


def background_cores(runs: Sequence[Run], process: str) -> float:
    """CPU of a process per second after the load has ended (median of the runs)."""
    values = []
    for run in runs:
        after = [s for s in run.jvm if s["ts"] > run.k6_end + 1]
        if process == "jvm" and len(after) > 1:
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


# Requests of each endpoint before a run's load: about 15 s of warm-up from 8 clients. The _r2 and
# _r3 runs logged their refused checks: 618, 97 and 114.
_WARMED: Final = {"gen": 500, "check": 500, "dates": 500, "seats": 150}


def run_ratios(run: Run, fits: Fits, idle_cores: float) -> list[tuple[int, float, float]]:
    """Per window: (second, share of the generator's processor, measured / fitted JVM CPU)."""
    paths = {r.path: r for r in fits.measurements.service_times}
    values = fits.service.values
    ratios = []
    for window in run.windows():
        total = sum(_WARMED.values()) + window.before.total()
        fitted = 0.0
        for (name, status), count in window.requests.items():
            own = _WARMED.get(name, 0) + sum(
                n for (other, _), n in window.before.items() if other == name
            )
            during = sum(n for (other, _), n in window.requests.items() if other == name)
            factor = warm_up(values, Heat(own, total, during, window.requests.total()))
            fitted += count * jvm_ms(values, steps(paths[run_case(run, name, status)]), factor)
        measured = window.jvm_ms - idle_cores * 1e3 * window.sampled_s
        ratios.append((window.start_s, window.k6_ms / 1e3 / window.sampled_s, measured / fitted))
    return ratios


def table(fits: Fits) -> dict[str, dict[str, float]]:
    """Return the cost table: seconds of CPU on one core of the measured machine."""
    runs = fits.measurements.runs
    service = fits.service.values
    row_ms = fits.database["row"]
    visited_ms = min(row_ms / 2, fits.history["history_row"] + _sigma(fits.history, "history_row"))
    idle = background_cores(runs, "jvm")
    sending, receiving = generator_shares(fits.measurements)
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
        },
        "warm_up": {
            "excess": service["excess"],
            "half_requests": service["half"],
            "exponent": service["exponent"],
            "shared": service["shared"],
            "exception_sensitivity": service["exception_sensitivity"],
            "row_sensitivity": service["row_sensitivity"],
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
            "sql_round_trip_wait_s": 1e-3 * fits.waits["round_trip"],
            "redis_wait_s": 1e-3 * fits.waits["redis_command"],
        },
        "variability": {"request_cv": variability(fits.measurements.service_times)},
        "generator": {
            "request_s": 1e-3 * fits.generator["request"],
            "sending_share": sending,
            "receiving_share": receiving,
            "body_byte_s": 1e-3 * fits.generator["byte"],
            "vu_start_s": 1e-3 * fits.generator["vu_start"],
            "spin_iteration_s": 1e-3 * fits.generator["iteration"],
            "mb_per_vu": fits.memory["vu"],
            "mb_per_body_mb": fits.memory["body_mb"],
            "request_bytes": request_bytes(runs),
            "response_header_bytes": header_bytes(fits.measurements),
        },
    }


def _sigma(fit: Linear, name: str) -> float:
    return float(fit.sigma[fit.names.index(name)])


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
    fits = Fits.of(Measurements(DATA / "measured"))
    (DATA / "costs.toml").write_text(as_toml(table(fits)), encoding="utf-8")


if __name__ == "__main__":
    main()
