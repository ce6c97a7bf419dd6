"""Fit the service's CPU work per step and its warm-up to the measurements.

The CPU of one request is a sum over its steps (request, borrow, statement, Redis command, rows and
bytes sent, events, logged stack traces). Steps of code that the just-in-time compiler has not seen
often cost more: a factor `g(n) = 1 + excess / (1 + (n / half)^exponent)` of the number of requests
before, a share of it (`shared`) of all requests, the rest of those of the same endpoint. Stack
traces feel less of it, `1 + sensitivity (g - 1)`; rows follow a curve of their own.

Everything positive is fitted as a logarithm, with a weak prior (a factor of e around the start):
what the data say nothing about stays where it started and is reported as not identified.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from experiments.studies.validate.measurements import Level, Measurements, Run, ServiceTime

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

# (start in ms or as a ratio, what it is): only the order of magnitude matters.
STARTS: Final[Mapping[str, float]] = {
    "request": 0.3,
    "borrow": 0.1,
    "statement": 0.1,
    "redis": 0.05,
    "row": 1e-3,
    "byte": 1e-5,
    "event": 1.0,
    "malformed": 1.0,
    "expired": 1.0,
    "handled": 1.0,
    "container": 1.0,
    "null": 1.0,
    "excess": 15.0,
    "half": 1_000.0,
    "exponent": 1.5,
    "shared": 0.5,
    "exception_sensitivity": 0.1,
    "row_excess": 5.0,
    "row_half": 50.0,
    "before_gen": 1_000.0,
    "before_check": 5_000.0,
    "before_seats": 1_000.0,
    "before_all": 5_000.0,
}
NUISANCE: Final = ("before_gen", "before_check", "before_seats", "before_all")
ROWS: Final = ("row", "byte")
TRACES: Final = ("malformed", "expired", "handled", "container", "null")
_SIGMA: Final = {
    "service": 0.15,
    "hold": 0.2,
    "saturation": 0.2,
    "ramp": 0.2,
    "single": 0.3,
    "prelude": 0.2,
}
_PRIOR_SIGMA: Final = 1.0

# What docs/incident/behaviour.md says each case logs: stack traces by kind, and outbox events.
_LOGGED: Final[Mapping[str, Sequence[str]]] = {
    "gen_refused_5001": ("handled",),
    "check_undefined": ("malformed", "handled"),
    "check_expired_WAIT": ("expired", "handled"),
    "check_WAIT_valid": ("null",),
    "check_valid_WAIT_with_exp": ("null",),
    "dates_expired_access_jwt": ("expired", "container"),
    "booking_409_occupied": ("handled",),
    "payment_wrong_status_500": ("handled",),
}
_EVENTS: Final = ("booking_success", "payment_success")
# The parser logs inside the borrow; everyone else when the connection is back.
_INSIDE: Final = ("borrow", "statement", "redis", "row", "malformed", "expired")
# These two were measured in a second part of the hot session whose code was not hot any more:
# the same requests cost half in saturation.csv.
SET_ASIDE: Final = ("hot seats_50", "hot gen_success_WAIT")
HOT_REQUESTS: Final = 60_000
_HOT_ENDPOINTS: Final = ("gen", "dates", "check", "seats")
_SATURATION_CASE: Final = {
    "check_undefined": "check_undefined",
    "gen_distinct_users": "gen_success_ACCESS",
    "seats_50": "seats_50",
}
_RAMP_CASES: Final = ("gen_success_ACCESS", "check_undefined", "dates_cached")
_SINGLE_CASES: Final = {
    "gen": "gen_success_ACCESS",
    "check": "check_undefined",
    "dates": "dates_cached",
    "seats": "seats_5000",
    "booking": "booking_success",
    "payment": "payment_success",
}


def endpoint(case: str) -> str:
    """Return the endpoint of a case or of a name in the runs."""
    return case.split("_", maxsplit=1)[0]


def steps(row: ServiceTime) -> dict[str, float]:
    """Return how often a request of this case takes each step."""
    counted = {
        "request": 1.0,
        "borrow": row.borrows,
        "statement": row.reads + row.writes,
        "redis": row.redis_commands,
        "row": float(row.seats),
        "byte": row.body_bytes,
        "event": float(row.path in _EVENTS),
    }
    return counted | dict.fromkeys(_LOGGED.get(row.path, ()), 1.0)


@dataclass(frozen=True)
class Heat:
    """How much had run before: of the endpoint, in all; and how much runs meanwhile."""

    own: float
    total: float
    own_during: float
    total_during: float


def growth(values: Mapping[str, float], requests: Vector) -> Vector:
    """Return g(n)."""
    ratio = (requests / values["half"]) ** values["exponent"]
    result: Vector = 1.0 + values["excess"] / (1.0 + ratio)
    return result


@dataclass(frozen=True)
class Factors:
    """Mean factors on the cost of code and of rows."""

    code: float
    row: float


def warm_up(values: Mapping[str, float], heat: Heat) -> Factors:
    """Return the mean factors while the requests of `heat` run."""
    own = growth(values, heat.own + heat.own_during * _POINTS).mean()
    total = growth(values, heat.total + heat.total_during * _POINTS).mean()
    rows = (heat.own + heat.own_during * _POINTS) / values["row_half"]
    row = (1.0 + values["row_excess"] / (1.0 + rows ** values["exponent"])).mean()
    return Factors(float(values["shared"] * total + (1.0 - values["shared"]) * own), float(row))


_POINTS: Final = np.arange(0.05, 1.0, 0.1)


def jvm_ms(
    values: Mapping[str, float],
    counted: Mapping[str, float],
    factors: Factors,
    only: Sequence[str] = (),
) -> float:
    """Return the service's CPU of one request (of the steps `only`) with these factors."""
    trace = 1.0 + values["exception_sensitivity"] * (factors.code - 1.0)
    total = 0.0
    for step, count in counted.items():
        if not only or step in only:
            factor = factors.code
            if step in TRACES:
                factor = trace
            elif step in ROWS:
                factor = factors.row
            total += values[step] * count * factor
    return total


def service_heats(rows: Sequence[ServiceTime]) -> list[Heat]:
    """Return what had run before each row: the table is in the order of measuring."""
    heats = []
    for hot in (False, True):
        share = HOT_REQUESTS / len(_HOT_ENDPOINTS)
        own: Counter[str] = Counter(dict.fromkeys(_HOT_ENDPOINTS, int(share)) if hot else {})
        total = HOT_REQUESTS if hot else 0
        for row in rows:
            if row.hot != hot:
                continue
            name = endpoint(row.case)
            own[name] += row.warm_up
            total += row.warm_up
            heats.append(Heat(own[name], total, row.requests, row.requests))
            own[name] += row.requests
            total += row.requests
    return heats


@dataclass(frozen=True)
class Observation:
    """One measured number of milliseconds and how the model predicts it."""

    source: str
    name: str
    measured_ms: float
    sigma: float
    predict: Callable[[Mapping[str, float]], float]


class ServiceFit:
    """The observations, the solution and what is known of it."""

    def __init__(self, measurements: Measurements, rest_ms: Callable[[ServiceTime], float]) -> None:
        self.names = list(STARTS)
        self._rows = measurements.service_times
        self._by_path = {row.path: row for row in self._rows}
        self._rest_ms = rest_ms
        self.observations = [
            *self._service(),
            *self._saturation(measurements.saturation),
            *self._single(measurements),
            *self._ramp(measurements),
            *self._preludes(measurements.runs),
        ]
        start = np.log(np.array(list(STARTS.values())))
        upper = np.where(np.array(self.names) == "shared", 0.0, np.inf)
        solution = least_squares(
            lambda logs: np.append(self.residuals(logs), (logs - start) / _PRIOR_SIGMA),
            start,
            bounds=(-np.inf, upper),
            loss="soft_l1",
        )
        self.values = self._values(solution.x)
        self.covariance: Matrix = np.linalg.inv(solution.jac.T @ solution.jac)
        """Of the logarithms of the values, in the order of `names`."""
        self.sigma = dict(zip(self.names, np.sqrt(np.diag(self.covariance)), strict=True))

    def _values(self, logs: Vector) -> dict[str, float]:
        return dict(zip(self.names, np.exp(logs).tolist(), strict=True))

    def residuals(self, logs: Vector) -> Vector:
        """Return the log ratios predicted to measured, in standard deviations."""
        values = self._values(logs)
        return np.array(
            [np.log(o.predict(values) / o.measured_ms) / o.sigma for o in self.observations]
        )

    def _service(self) -> list[Observation]:
        observations = []
        for row, heat in zip(self._rows, service_heats(self._rows), strict=True):
            if row.name in SET_ASIDE:
                continue
            observations.append(self._cpu("service", row.name, row, heat, row.jvm_ms))
            inside_ms = row.hold_ms - row.database_ms - row.redis_ms
            if row.path not in _EVENTS and inside_ms > 0.0:
                observations.append(self._hold(row, heat, inside_ms))
        return observations

    def _cpu(
        self, source: str, name: str, row: ServiceTime, heat: Heat, measured_ms: float
    ) -> Observation:
        counted = steps(row)
        return Observation(
            source,
            name,
            measured_ms,
            _SIGMA[source],
            lambda values: jvm_ms(values, counted, warm_up(values, heat)),
        )

    @staticmethod
    def _hold(row: ServiceTime, heat: Heat, inside_ms: float) -> Observation:
        counted = steps(row)
        return Observation(
            "hold",
            row.name,
            inside_ms,
            _SIGMA["hold"],
            lambda values: jvm_ms(values, counted, warm_up(values, heat), _INSIDE),
        )

    def _saturation(self, levels: Sequence[Level]) -> list[Observation]:
        observations = []
        own: Counter[str] = Counter()
        total = 0
        for level in levels:
            row = self._by_path[_SATURATION_CASE[level.endpoint]]
            name = endpoint(row.case)
            observations.append(
                Observation(
                    "saturation",
                    f"{level.endpoint} {level.clients}",
                    1e3 * level.jvm_cores / level.rate,
                    _SIGMA["saturation"],
                    _saturated(steps(row), name, own[name], total, level.requests),
                )
            )
            own[name] += level.requests
            total += level.requests
        return observations

    def _single(self, measurements: Measurements) -> list[Observation]:
        requests = measurements.requests("k6_single_user.csv.gz")
        observations = []
        for name, case in _SINGLE_CASES.items():
            durations = np.array([r[3] for r in requests if r[1] == name])
            row = self._by_path[case]
            for part, chunk in enumerate(np.array_split(durations, 5)):
                before = part * chunk.size
                ratio = len(requests) / durations.size
                heat = Heat(before, before * ratio, chunk.size, chunk.size * ratio)
                measured = float(chunk.mean()) - self._rest_ms(row)
                observations.append(
                    self._cpu("single", f"{name}, fifth {part + 1}", row, heat, measured)
                )
        return observations

    def _ramp(self, measurements: Measurements) -> list[Observation]:
        """The ramp went on where the single user stopped: CPU per iteration of three requests."""
        single = measurements.requests("k6_single_user.csv.gz")
        requests = measurements.requests("k6_ramp.csv.gz")
        rows = [self._by_path[case] for case in _RAMP_CASES]
        own = sum(1 for r in single if r[1] == "gen")
        cores = statistics.fmean(x.jvm_cores + x.database_cores for x in measurements.saturation)
        first = requests[0][0]
        observations = []
        done = 0.0
        for begin in range(1, 30, 5):
            inside = sum(1 for r in requests if begin <= r[0] - first < begin + 5)
            iterations = inside / len(rows)
            measured = 1e3 * cores * 5 / iterations - sum(self._rest_ms(row) for row in rows)
            heat = Heat(own + done, len(single) + 3 * done, iterations, 3 * iterations)
            observations.append(
                Observation(
                    "ramp",
                    f"seconds {begin} to {begin + 5}",
                    measured,
                    _SIGMA["ramp"],
                    _iteration([steps(row) for row in rows], heat),
                )
            )
            done += iterations
        return observations

    def _preludes(self, runs: Sequence[Run]) -> list[Observation]:
        """The warm-up before each run's load: generations from cold, then trios."""
        observations = []
        for run in runs:
            prelude = run.prelude
            seats = "seats_50" if run.meta["seats"] == "50" else "seats_20000"
            generation = self._by_path["gen_success_ACCESS"]
            first = Heat(0, 0, prelude.generations, prelude.generations)
            name = f"{prelude.run}, generations"
            measured = prelude.generations_ms / prelude.generations
            observations.append(self._cpu("prelude", name, generation, first, measured))
            rows = [self._by_path[path] for path in ("check_undefined", "dates_cached", seats)]
            heat = Heat(0, prelude.generations, prelude.trios, 3 * prelude.trios)
            observations.append(
                Observation(
                    "prelude",
                    f"{prelude.run}, trios",
                    prelude.trios_ms / prelude.trios,
                    _SIGMA["prelude"],
                    _iteration([steps(row) for row in rows], heat),
                )
            )
        return observations


def _saturated(
    counted: Mapping[str, float], name: str, own: int, total: int, requests: int
) -> Callable[[Mapping[str, float]], float]:
    def predict(values: Mapping[str, float]) -> float:
        heat = Heat(
            values[f"before_{name}"] + own, values["before_all"] + total, requests, requests
        )
        return jvm_ms(values, counted, warm_up(values, heat))

    return predict


def _iteration(
    each: Sequence[Mapping[str, float]], heat: Heat
) -> Callable[[Mapping[str, float]], float]:
    def predict(values: Mapping[str, float]) -> float:
        factor = warm_up(values, heat)
        return sum(jvm_ms(values, counted, factor) for counted in each)

    return predict
