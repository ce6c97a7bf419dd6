"""Fit the load generator's CPU and memory to the runs.

Finished users spin and take what the requests leave, so CPU in all says little about a request.
Three kinds of observation together do: whole runs (requests and empty iterations), the first
seconds (nobody is done), and late windows in which looping and spinning users compete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from experiments.studies.validate.measurements import WINDOW_S, Measurements, Run, Window
from tools.fitting import Linear, linear

# Before the first user can be done: the shortest thought of the measured runs is 15 s.
_NOBODY_DONE_S: Final = 15
# docs/incident/load.md: two thirds of the peak start in the first 300 s, all in 900 s, and they are
# ramped down from 1,500 s (divided by the run's factor F). Bookings come up to 900 s later.
_FIRST_STAGE_S: Final = 300.0
_FIRST_STAGE_SHARE: Final = 2.0 / 3.0
_ALL_STARTED_S: Final = 1_080.0
_RAMP_DOWN_S: Final = 1_500.0
_PAY_SHARE: Final = 0.9
_MOST: Final = 0.9
_HALF_IDLE: Final = 0.8
_LOOP_WEIGHT: Final = 1_000.0
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
        for window, request_ms in looping(run):
            matrix.append((_LOOP_WEIGHT, 0.0, 0.0, 0.0))
            measured.append(_LOOP_WEIGHT * request_ms)
            labels.append(f"{run.name}, loops from second {window.start_s}, {_LOOP_WEIGHT:g} of")
    return linear(names, labels, matrix, measured, 0.05, 100.0)


def looping(run: Run) -> list[tuple[Window, float]]:
    """Windows in which every user either spins or loops on refusals, and the time a request took.

    The users of a run in which nobody waits (capacity for all) have all started, nobody is ramped
    down yet, and the service is half idle: how fast those loop who still send is the generator's
    own work. Sharing its processor `cores` equally, the `loops` and the `spins` get
    `rate = cores * loops / (loops + spins) / request`, which gives the request's work.
    """
    found = []
    peak = float(run.meta["peak"])
    if float(run.meta["cap"]) < peak:
        return []
    factor = float(run.meta["F"])
    for window in run.windows():
        end_s = window.start_s + WINDOW_S
        if window.start_s < _ALL_STARTED_S / factor or end_s > _RAMP_DOWN_S / factor:
            continue
        if window.jvm_ms > _HALF_IDLE * 1e3 * window.sampled_s:
            continue
        paid = named(window.before, "payment") + named(window.requests, "payment") / 2.0
        booked = named(window.before, "booking")
        spins = paid + (1.0 - _PAY_SHARE) * booked
        thinking = max(0.0, _PAY_SHARE * booked - paid)
        loops = peak - spins - thinking
        rate = window.requests.total() / window.sampled_s
        cores_ms = window.k6_ms / window.sampled_s
        found.append((window, cores_ms * loops / (loops + spins) / rate))
    return found


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


def looped_s(runs: Sequence[Run]) -> float:
    """CPU of an iteration that sends one request and then fails on its answer (`looping`)."""
    return 1e-3 * float(np.mean([request_ms for run in runs for _, request_ms in looping(run)]))


def busy_connect_ms(runs: Sequence[Run]) -> float:
    """Mean time to open a connection in runs where nearly every answer closes one.

    The service closes a connection after a 500 and a 400; every user opens a first one. The
    generator's core is full for most of these runs, and its users spend most of their time there.
    """
    found = []
    for run in runs:
        requests = run.metrics["http_reqs"]["count"]
        closing = sum(run_requests(run, name, "500") for name in ("check", "booking", "payment"))
        opened = closing + float(run.meta["peak"])
        if opened > _MOST * requests:
            found.append(run.metrics["http_req_connecting"]["avg"] * requests / opened)
    return float(np.mean(found))


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
