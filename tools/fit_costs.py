"""Generate the cost table, its errors and the report in docs/calibration.md from the measurements.

    python -m tools.fit_costs

Every number of the cost table comes from here; nothing is typed by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from experiments.studies.validate.measurements import FITTED_RUNS, Measurements, ServiceTime
from tools import fit_errors
from tools.fit_all import Fits, idle_cores
from tools.fit_generator import (
    LISTS,
    generator_io_ms,
    lock_share,
    request_bytes,
    script_error_share,
)
from tools.fit_report import report
from tools.fit_runs import (
    busy_factor,
    first_write_ms,
    first_write_turns,
    fit_filter_traces,
    rare_code_factor,
    run_case,
    speed_variation,
)
from tools.fit_service import endpoint

ROOT: Final = Path(__file__).resolve().parent.parent
DATA: Final = ROOT / "sim" / "data"
DIGITS: Final = 4


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
            for kind in ("malformed", "expired", "null", "handled")
        }
        | {
            "filter_s": 1e-3 * fit_filter_traces(fits)["trace"],
        },
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
            "first_write_s": 1e-3 * first_write_ms(fits),
            "first_write_turns": first_write_turns(fits),
        },
        "generator": {
            "request_s": 1e-3 * fits.generator["request"],
            "sending_share": sending_ms / fits.generator["request"],
            "receiving_share": receiving_ms / fits.generator["request"],
            "body_byte_s": 1e-3 * fits.generator["byte"],
            "vu_start_s": 1e-3 * fits.generator["vu_start"],
            "script_error_s": 1e-3
            * fits.generator["iteration"]
            * script_error_share(fits.measurements),
            "spin_iteration_s": 1e-3 * fits.generator["iteration"],
            "spin_lock_share": lock_share(fits.measurements),
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
        "# Generated by `python -m tools.fit_costs` from the files in measured/; see",
        "# docs/calibration.md. CPU seconds on one core of the measured machine; do not edit.",
    ]
    for name, values in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {rounded(v)!r}" for key, v in values.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table, its errors and the report, and both tables without one of the runs each."""
    fits = Fits.of(Measurements(DATA / "measured"))
    _write(fits, DATA)
    (ROOT / "docs" / "calibration.md").write_text(report(fits), encoding="utf-8")
    for name in FITTED_RUNS:
        folder = DATA / "costs_without" / name
        folder.mkdir(parents=True, exist_ok=True)
        _write(Fits.of(Measurements(DATA / "measured", without=name)), folder)


def _write(fits: Fits, folder: Path) -> None:
    (folder / "costs.toml").write_text(as_toml(table(fits)), encoding="utf-8")
    (folder / "cost_errors.toml").write_text(fit_errors.as_toml(fits), encoding="utf-8")


if __name__ == "__main__":
    main()
