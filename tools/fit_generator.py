"""Fit the load generator's CPU and memory to the runs.

Finished users spin and take what the requests leave, so CPU in all says little about a request.
Two kinds of observation together do: whole runs (requests and empty iterations) and the first
seconds (nobody is done). How fast users loop who compete with spinning ones says nothing: Go's
scheduler, not the work, decides that (`sim.load.go_scheduler`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from experiments.studies.validate.measurements import WINDOW_S, Measurements, Run
from tools.fitting import Linear, linear

# Before the first user can be done: the shortest thought of the measured runs is 15 s.
_NOBODY_DONE_S: Final = 15
_FIRST_STAGE_S: Final = 300.0
_FIRST_STAGE_SHARE: Final = 2.0 / 3.0
# Bytes per request above which long seat lists dominate what was received.
LISTS: Final = 1_000


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
            received = listed * metrics["data_received"]["count"] if per_request > LISTS else 0.0
            matrix.append((requests, started, requests, received))
            measured.append(window.k6_ms)
            labels.append(f"{run.name}, second {window.start_s} to {end_s}")
    return linear(names, labels, matrix, measured, 0.05, 100.0)


def named(requests: Counter[tuple[str, str]], name: str) -> float:
    """Return how many of these requests have this name, whatever the status."""
    return float(sum(count for (other, _), count in requests.items() if other == name))


def run_requests(run: Run, name: str, status: str) -> float:
    """Return how many requests of a run had this name and status."""
    return float(
        sum(
            e["count"]
            for e in run.totals["per_endpoint"]
            if (e["endpoint"], e["status"]) == (name, status)
        )
    )


def request_bytes(runs: Sequence[Run]) -> float:
    """Bytes sent per request, headers and token included: the median of the runs."""
    return float(
        np.median([r.metrics["data_sent"]["count"] / r.metrics["http_reqs"]["count"] for r in runs])
    )


def generator_io_ms(measurements: Measurements) -> tuple[float, float]:
    """Median time to send a request and to receive an answer: one user, no long lists, idle."""
    times: dict[str, list[float]] = {"http_req_sending": [], "http_req_receiving": []}
    for metric, name, value in measurements.raw("k6_single_user.csv.gz"):
        if metric in times and name != "seats":
            times[metric].append(value)
    sending, receiving = (float(np.median(values)) for values in times.values())
    return sending, receiving


def lock_share(measurements: Measurements) -> float:
    """Share of a spinning iteration's CPU under the mutex of the log: from a profile of k6."""
    cpu = measurements.generator_cpu
    written = cpu["writing a line under the mutex (logrus.Entry.write)"]
    return written / cpu["iterations of users (js.ActiveVU.RunOnce)"]


def script_error_share(measurements: Measurements) -> float:
    """CPU of a script's error, in iterations that write a line: one user of k6, either way."""
    cpu = measurements.generator_cpu
    return cpu["iterations that write a line"] / cpu["iterations that fail (TypeError)"] - 1.0


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
