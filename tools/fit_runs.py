"""What only whole runs show: the service's work under load against the fitted work.

The fits of single clients say what each request costs; these numbers say what is different when
a thousand users are there. Each is estimated once, from all runs that show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.studies.validate.measurements import WINDOW_S, Run, ServiceTime, Window
from tools.fit_all import Fits, idle_cores
from tools.fit_generator import named, run_requests
from tools.fit_service import Heat, jvm_ms, service_heats, steps, warm_up
from tools.fitting import Linear, linear

# A busy generator: its processor is taken, whether by requests or by users that spin.
_BUSY: Final = 0.8
_NULL: Final = ("check", "500")
_NULL_CHECK: Final = "hot check_WAIT_valid(NPE)"
_MOST: Final = 0.9
_FEW_LISTS: Final = 2
_STEP: Final = 1.01
_SETTLED_S: Final = 30
_RARE: Final = ("booking_success", "booking_409_occupied", "payment_success")
# Statements by which a booking writes: booking, outbox, seat, schedule.
_BOOKING_WRITES: Final = 4
# Simulated: C_cap50_1000 (twice, as it was measured), D_cap50_fix12 and D_cap50_sweep with certain
# costs, five seeds each, 13.5, 27 and 45 ms: 585, 1,194 and 1,937 ms on average.
_EXTRA_PER_WORK: Final = 43.0
# Seconds of a load during which all threads are busy and few users come or go.
_FULL_LOAD: Final = (30, 125)


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


def _heat(run: Run, window: Window, name: str) -> Heat:
    """What had run before a window and runs in it: of this endpoint, and in all."""
    prelude = run.prelude
    warmed = {"gen": prelude.generations} | dict.fromkeys(
        ("check", "dates", "seats"), prelude.trios
    )
    return Heat(
        warmed.get(name, 0.0) + named(window.before, name),
        sum(warmed.values()) + window.before.total(),
        named(window.requests, name),
        window.requests.total(),
    )


def _generator_cores(window: Window) -> float:
    return window.k6_ms / 1e3 / window.sampled_s


def _is_busy(window: Window) -> bool:
    return _generator_cores(window) > _BUSY


def run_windows(run: Run, fits: Fits, values: Mapping[str, float] | None = None) -> list[RunWindow]:
    """Compare the JVM's CPU in each window of a run with what its requests should cost.

    `values`: other values of the service's fit than the estimated ones.
    """
    paths = {r.path: r for r in fits.measurements.service_times}
    values = fits.service.values if values is None else values
    idle_ms = 1e3 * idle_cores(fits.measurements.runs)
    found = []
    for window in run.windows():
        fitted_ms = idle_ms * window.sampled_s
        for (name, status), count in window.requests.items():
            heat = _heat(run, window, name)
            case = paths[run_case(run, name, status)]
            fitted_ms += count * jvm_ms(values, steps(case), warm_up(values, heat))
        found.append(
            RunWindow(
                run.name,
                window.start_s,
                _generator_cores(window),
                window.jvm_ms / fitted_ms,
            )
        )
    return found


def busy_windows(fits: Fits, values: Mapping[str, float] | None = None) -> list[RunWindow]:
    """Windows in which the generator takes its whole core, of runs without expired tokens' loops.

    In runs with capacity for all, refusals with and without a logged exception share one status.
    `values` as in `run_windows`.
    """
    return [
        window
        for run in fits.measurements.runs
        if float(run.meta["cap"]) < float(run.meta["peak"])
        for window in run_windows(run, fits, values)
        if window.generator_cores > _BUSY
    ]


def sharing_threads(fits: Fits) -> float:
    """Threads that share the core under full load: by how much a connection is held longer."""
    alone = _alone(fits)
    slowdowns = [run.hold_ms(*_FULL_LOAD) / alone.hold_ms for run in _null_runs(fits)]
    return float(np.mean(slowdowns)) / busy_factor(fits)


def _alone(fits: Fits) -> ServiceTime:
    """A check that fails with a null dereference, of a single client."""
    return next(r for r in fits.measurements.service_times if r.name == _NULL_CHECK)


def _null_runs(fits: Fits) -> list[Run]:
    """The runs in which nearly every request is such a check."""
    return [
        run
        for run in fits.measurements.runs
        if run_requests(run, *_NULL) > _MOST * run.metrics["http_reqs"]["count"]
    ]


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
    return {
        "speed_cv": float(np.sqrt(inside)),
        "run_speed_cv": float(np.sqrt(between)),
        "run_speed_degrees": float(len(groups) - 1),
    }


def rare_code_factor(fits: Fits) -> float:
    """Measured against fitted work of bookings and payments in a JVM that reads have heated.

    The warm-up curve lets them share what all requests heat; writes do so less.
    """
    return float(np.exp(np.mean(_rare_logs(fits))))


def rare_code_error(fits: Fits) -> float:
    """Standard error of the logarithm of `rare_code_factor`."""
    return _standard_error(_rare_logs(fits))


def _rare_logs(fits: Fits) -> list[float]:
    values = fits.service.values
    rows = fits.measurements.service_times
    return [
        math.log(row.jvm_ms / jvm_ms(values, steps(row), warm_up(values, heat)))
        for row, heat in zip(rows, service_heats(rows), strict=True)
        if not row.hot and row.path in _RARE
    ]


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def busy_factor(fits: Fits, values: Mapping[str, float] | None = None) -> float:
    """Factor on the JVM's work while the generator takes its whole core.

    `values` as in `run_windows`.
    """
    ratios = [window.ratio for window in busy_windows(fits, values)]
    return float(np.exp(np.mean(np.log(ratios))))


def busy_elasticity(fits: Fits, name: str) -> float:
    """By how many percent `busy_factor` changes when a value of the service's fit grows by one.

    It is what the runs take beyond the fitted work, so it falls as that grows.
    """
    values = fits.service.values
    more = values | {name: values[name] * _STEP}
    return math.log(busy_factor(fits, more) / busy_factor(fits)) / math.log(_STEP)


def fit_filter_traces(fits: Fits) -> Linear:
    """Service CPU of one of the two traces that an expired token logs in the access filter.

    From the windows in which hardly anything but refusals is asked, in the runs with capacity for
    all, from half a minute after their last list of seats on. Until then the service uses some
    ten seconds of CPU more than its requests should cost, less and less of it, whether tokens are
    expired or not (`after_lists_s`).
    """
    windows = [one for one in _refusal_windows(fits) if one.since_lists_s >= _SETTLED_S]
    matrix = [(2.0 * one.heat * one.expired,) for one in windows]
    excess_ms = [one.excess_ms for one in windows]
    return linear(("trace",), [one.name for one in windows], matrix, excess_ms, 0.0, 500.0)


def after_lists_s(fits: Fits) -> dict[str, float]:
    """CPU seconds of each run between its last lists and `_SETTLED_S` that its requests leave open.

    Perhaps the compiler, which gets little of a full core: it is large at once when the lists
    are over, and gone after half a minute.
    """
    trace_ms = fit_filter_traces(fits)["trace"]
    left: dict[str, float] = {}
    for one in _refusal_windows(fits):
        if one.since_lists_s < _SETTLED_S:
            over_ms = one.excess_ms - 2.0 * trace_ms * one.heat * one.expired
            left[one.run] = left.get(one.run, 0.0) + over_ms / 1e3
    return left


@dataclass(frozen=True)
class _RefusalWindow:
    run: str
    start_s: int
    since_lists_s: int
    heat: float
    """Factor on a trace in code that is not hot yet."""
    expired: float
    """Tokens that had expired."""
    excess_ms: float
    """CPU beyond the steps of such requests."""

    @property
    def name(self) -> str:
        return f"{self.run} {self.start_s} s"


def _refusal_windows(fits: Fits) -> Iterator[_RefusalWindow]:
    """Windows of a busy generator and hardly anything but refusals by the access filter."""
    values = fits.service.values
    paths = {r.path: r for r in fits.measurements.service_times}
    busy = busy_factor(fits)
    idle_ms = 1e3 * idle_cores(fits.measurements.runs)
    for run in fits.measurements.runs:
        if float(run.meta["cap"]) < float(run.meta["peak"]):
            continue
        lists_end_s = 0
        for window in run.windows():
            end_s = window.start_s + WINDOW_S
            if window.requests["seats", "200"] > _FEW_LISTS:
                lists_end_s = end_s
            refused = sum(n for (_, status), n in window.requests.items() if status == "401")
            if refused < _MOST * window.requests.total() or not _is_busy(window):
                continue
            factor = warm_up(values, _heat(run, window, "dates"))
            own_ms = refused * jvm_ms(values, steps(paths["dates_401_access_swept"]), factor)
            yield _RefusalWindow(
                run.name,
                window.start_s,
                window.start_s - lists_end_s,
                1.0 + values["exception_sensitivity"] * (factor.code - 1.0),
                min(refused, run.exceptions("ExpiredJwtException", window.start_s, end_s)),
                (window.jvm_ms - idle_ms * window.sampled_s) / busy - own_ms,
            )


def first_write_ms(fits: Fits) -> float:
    """Service CPU that the first write of its kind takes more, in each of a booking's statements.

    Successful bookings take longer than refused ones of the same run, the more the fewer there
    were: the first takes most. With 1 / n of it for the n-th, the sum over a run is the harmonic
    number's. The work follows from how many threads share the core.
    """
    shared_ms = float(np.mean(_extra_ms(fits))) / sharing_threads(fits) / busy_factor(fits)
    return shared_ms / _BOOKING_WRITES


def first_write_turns(fits: Fits) -> float:
    """Factor on `first_write_ms` where threads run one at a time (`host.run_queue`).

    There the number of threads that share the core need not be estimated from the runs: the
    statistic of `first_write_ms` grows by `_EXTRA_PER_WORK` for each millisecond in simulated runs.
    """
    return sharing_threads(fits) * busy_factor(fits) * _BOOKING_WRITES / _EXTRA_PER_WORK


def first_write_error(fits: Fits) -> float:
    """Standard error of the logarithm of `first_write_ms`, of the scatter between runs."""
    extra_ms = _extra_ms(fits)
    return _standard_error(extra_ms) / float(np.mean(extra_ms))


def _extra_ms(fits: Fits) -> list[float]:
    """Of each run, how much longer its first successful booking took than a conflict."""
    extra_ms = []
    for run in fits.measurements.runs:
        if float(run.meta["cap"]) >= float(run.meta["peak"]):
            continue
        rows = {e["status"]: e for e in run.totals["per_endpoint"] if e["endpoint"] == "booking"}
        made, refused = rows["200"], rows["409"]
        harmonic = sum(1.0 / n for n in range(1, made["count"] + 1))
        extra_ms.append(made["count"] * (made["mean_ms"] - refused["mean_ms"]) / harmonic)
    return extra_ms
