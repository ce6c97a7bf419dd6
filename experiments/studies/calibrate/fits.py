"""What raw k6 output tells about a service: service times, capacity, connection pool.

Service times come from one user: their distribution by maximum likelihood. A ramp in a closed loop
tells where throughput stops growing with the users, and what the users then wait for. With a
processor that is shared every kind of request slows down by the same factor; the wait for a
connection is the same for all kinds (who borrows again at once keeps the connection: see
sim/stations/connection_pool.py). Kinds of different length tell the two apart:

    R_e(N) = s(N) R_e(1) + W(N)

and if W is there, the connections in use are those of all requests that hold one,
sum_e X_e s(N) h_e, with h_e the time that a single user's request holds one.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from experiments.interop.k6_output import Output, Request
from experiments.studies.validate.measurements import ServiceTime

FloatArray = npt.NDArray[np.float64]

FEWEST: Final = 20
_Z: Final = 1.959964
# Relative uncertainty of a case's hold and work between machines: the scatter of the cost table's
# fit (docs/calibration.md, CPU per case and holds).
MODEL_ERROR: Final = 0.2
# A wait below this share of the mean time of a request is no queue.
_LEAST_WAIT: Final = 0.15
_BIN_S: Final = 2
_SATURATED: Final = 2.0
# A queue needs a user.
_LEAST_KNEE: Final = 0.1


@dataclass(frozen=True)
class FittedParameter:
    """One parameter: identified with its 95 % interval, or the reason why it is not."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    why: str

    identified: bool = True
    """Whether these files tell its value."""

    @classmethod
    def unknown(cls, name: str, why: str) -> FittedParameter:
        """A parameter whose value these files do not tell."""
        return cls(name, None, None, None, why, identified=False)


@dataclass(frozen=True)
class Distribution:
    """A fitted distribution of service times in milliseconds."""

    name: str
    requests: int
    family: str
    mean_ms: float
    mean_low_ms: float
    mean_high_ms: float
    cv: float
    cv_low: float
    cv_high: float
    ks: float
    """Largest distance between the fitted and the empirical distribution function."""


def fit_distribution(name: str, durations_ms: Sequence[float]) -> Distribution:
    """Fit log-normal and gamma by maximum likelihood and keep the likelier.

    Intervals are those of the delta method on the logarithms of mean and CV.
    """
    values = np.asarray(durations_ms, dtype=float)
    fits = [_maximum(values, family) for family in (_LOGNORMAL, _GAMMA)]
    best = min(fits, key=lambda fit: fit.minus_log_likelihood)
    mean, cv = math.exp(best.log_mean), math.exp(best.log_cv)
    ordered = np.sort(values)
    fitted = best.family.cumulated(ordered, mean, cv)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    ks = float(max((fitted - steps[:-1]).max(), (steps[1:] - fitted).max()))
    return Distribution(
        name,
        len(values),
        best.family.name,
        mean,
        mean * math.exp(-_Z * best.sigma_mean),
        mean * math.exp(_Z * best.sigma_mean),
        cv,
        cv * math.exp(-_Z * best.sigma_cv),
        cv * math.exp(_Z * best.sigma_cv),
        ks,
    )


@dataclass(frozen=True)
class _Family:
    name: str
    minus_log_likelihood: Callable[[FloatArray, float, float], float]
    cumulated: Callable[[FloatArray, float, float], FloatArray]


@dataclass(frozen=True)
class _Fitted:
    family: _Family
    minus_log_likelihood: float
    log_mean: float
    log_cv: float
    sigma_mean: float
    sigma_cv: float


def _lognormal_parameters(mean: float, cv: float) -> tuple[float, float]:
    variance = math.log1p(cv * cv)
    return math.log(mean) - variance / 2.0, math.sqrt(variance)


def _lognormal_cost(values: FloatArray, mean: float, cv: float) -> float:
    location, scale = _lognormal_parameters(mean, cv)
    logs = np.log(values)
    return float(
        (logs + math.log(scale) + ((logs - location) / scale) ** 2 / 2.0).sum()
        + len(values) * math.log(2.0 * math.pi) / 2.0
    )


def _lognormal_cumulated(values: FloatArray, mean: float, cv: float) -> FloatArray:
    from scipy.special import ndtr

    location, scale = _lognormal_parameters(mean, cv)
    result: FloatArray = ndtr((np.log(values) - location) / scale)
    return result


def _gamma_cost(values: FloatArray, mean: float, cv: float) -> float:
    from scipy.special import gammaln

    shape = 1.0 / (cv * cv)
    scale = mean / shape
    return float(
        -((shape - 1.0) * np.log(values) - values / scale).sum()
        + len(values) * (gammaln(shape) + shape * math.log(scale))
    )


def _gamma_cumulated(values: FloatArray, mean: float, cv: float) -> FloatArray:
    from scipy.special import gammainc

    shape = 1.0 / (cv * cv)
    result: FloatArray = gammainc(shape, values * shape / mean)
    return result


_LOGNORMAL: Final = _Family("log-normal", _lognormal_cost, _lognormal_cumulated)
_GAMMA: Final = _Family("gamma", _gamma_cost, _gamma_cumulated)


def _hessian(cost: Callable[[FloatArray], float], at: FloatArray, step: float = 1e-3) -> FloatArray:
    """Second derivatives by central differences."""
    size = len(at)
    moves = np.eye(size) * step
    result = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            corners = [
                si * sj * cost(at + si * moves[i] + sj * moves[j])
                for si in (1.0, -1.0)
                for sj in (1.0, -1.0)
            ]
            result[i, j] = math.fsum(corners) / (4.0 * step * step)
    return result


def _maximum(values: FloatArray, family: _Family) -> _Fitted:
    from scipy.optimize import minimize

    start = np.log([values.mean(), max(0.05, values.std() / values.mean())])

    def cost(logs: FloatArray) -> float:
        return family.minus_log_likelihood(values, math.exp(logs[0]), math.exp(logs[1]))

    found = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9})
    sigma = np.sqrt(np.diag(np.linalg.inv(_hessian(cost, found.x))))
    return _Fitted(
        family,
        float(found.fun),
        float(found.x[0]),
        float(found.x[1]),
        float(sigma[0]),
        float(sigma[1]),
    )


@dataclass(frozen=True)
class LoadLevel:
    """Some seconds of a ramp: users, and rate and mean time of each kind of request."""

    users: float
    rate: Mapping[str, float]
    mean_ms: Mapping[str, float]

    @property
    def throughput(self) -> float:
        """Requests per second of all kinds."""
        return math.fsum(self.rate.values())


def levels(output: Output) -> list[LoadLevel]:
    """Cut a ramp into levels of two seconds; the first and last seconds are left out."""
    seconds = sorted(output.users)
    if not seconds:
        return []
    bins: defaultdict[int, list[Request]] = defaultdict(list)
    first, last = seconds[0], seconds[-1]
    for request in output.requests:
        bins[int(request.time_s - first) // _BIN_S].append(request)
    found = []
    for index in range(1, (last - first) // _BIN_S):
        inside = bins[index]
        by_name: defaultdict[str, list[float]] = defaultdict(list)
        for request in inside:
            by_name[request.name].append(request.duration_ms)
        begin = first + index * _BIN_S
        users = [output.users[s] for s in range(begin, begin + _BIN_S) if s in output.users]
        if by_name and users:
            found.append(
                LoadLevel(
                    statistics.fmean(users),
                    {name: len(values) / _BIN_S for name, values in by_name.items()},
                    {name: statistics.fmean(values) for name, values in by_name.items()},
                )
            )
    return found


def fit_capacity(ramp: Sequence[LoadLevel], alone_ms: float) -> FittedParameter:
    """Requests per second at which throughput stops growing with the users.

    X(N) = ((1/C)^p + (R/N)^p)^(-1/p), between the asymptotes N / R and C of a closed loop; R is
    `alone_ms`, or fitted within a factor of two of it.
    """
    from scipy.optimize import curve_fit

    name = "capacity_rps"
    users = np.array([level.users for level in ramp])
    rates = np.array([level.throughput for level in ramp])
    if len(ramp) < 5:  # noqa: PLR2004 (three parameters and a residual)
        return FittedParameter.unknown(name, "no ramp of at least five levels")
    alone_s = alone_ms * 1e-3

    def throughput(
        n: FloatArray, log_capacity: float, log_alone: float, sharpness: float
    ) -> FloatArray:
        slowest = np.exp(-log_capacity * sharpness) + (np.exp(log_alone) / n) ** sharpness
        result: FloatArray = slowest ** (-1.0 / sharpness)
        return result

    start = (math.log(rates.max()), math.log(alone_s), 2.0)
    bounds = (
        (math.log(rates.max() / 2), math.log(alone_s / 2), 0.7),
        (math.log(rates.max() * 100), math.log(alone_s * 2), 8.0),
    )
    found, covariance = curve_fit(throughput, users, rates, p0=start, bounds=bounds)
    sigma = math.sqrt(covariance[0][0])
    value = math.exp(found[0])
    knee = value * math.exp(found[1])
    if knee < _LEAST_KNEE:
        why = (
            f"throughput would stop growing at {knee:.2g} users: it does not depend on them, or "
            "times are misread"
        )
        return FittedParameter.unknown(name, why)
    if users.max() < _SATURATED * knee:
        why = f"throughput still grows: {users.max():.0f} users, saturation from about {knee:.0f}"
        return FittedParameter.unknown(name, why)
    if users.min() > _SATURATED * knee:
        # Every level is beyond the knee: rates are the capacity, and nothing tells R and p, whose
        # errors would be in the fitted one.
        sigma = float(np.log(rates).std(ddof=1))
    if sigma > MODEL_ERROR:
        why = "throughput changes by itself, not with the users: the service was warming up"
        return FittedParameter.unknown(name, why)
    return FittedParameter(
        name,
        value,
        value * math.exp(-_Z * sigma),
        value * math.exp(_Z * sigma),
        f"throughput stops growing at about {knee:.1f} users",
    )


def fit_pool(
    ramp: Sequence[LoadLevel], alone_ms: Mapping[str, float], cases: Mapping[str, ServiceTime]
) -> FittedParameter:
    """Connections of the pool, if waits for one can be told from a shared processor."""
    from scipy.optimize import nnls

    name = "pool.connections"
    known = [e for e in alone_ms if e in cases]
    if len(known) < 2:  # noqa: PLR2004 (two unknowns per level)
        return FittedParameter.unknown(name, "needs two kinds of requests, also from one user")
    in_use = []
    for level in ramp:
        kinds = [e for e in known if e in level.mean_ms]
        if len(kinds) < 2 or level.users < 2:  # noqa: PLR2004 (as above)
            continue
        times = np.array([level.mean_ms[e] for e in kinds])
        matrix = np.array([(alone_ms[e], 1.0) for e in kinds])
        weights = np.sqrt([level.rate[e] for e in kinds]) / times
        (slowdown, wait_ms), _ = nnls(matrix * weights[:, None], times * weights)
        if wait_ms < _LEAST_WAIT * float(times.mean()):
            continue
        held = [
            level.rate[e] * 1e-3 * slowdown * alone_ms[e] * _held_share(cases[e]) for e in kinds
        ]
        in_use.append(math.fsum(held))
    if len(in_use) < max(3, len(ramp) // 3):
        why = "no wait for a connection in most of the ramp: it never fills the pool"
        return FittedParameter.unknown(name, why)
    value = statistics.median(in_use)
    spread = statistics.stdev(in_use) / math.sqrt(len(in_use)) / value
    half = _Z * math.hypot(spread, MODEL_ERROR)
    why = f"every borrow waits in {len(in_use)} of {len(ramp)} levels"
    return FittedParameter(name, value, value * math.exp(-half), value * math.exp(half), why)


def _held_share(case: ServiceTime) -> float:
    """Share of the time of a single user's request during which it holds a connection."""
    return min(1.0, case.hold_ms / case.mean_ms)


def fit_timeout(outputs: Sequence[Output]) -> FittedParameter:
    """The pool's timeout: the shortest of the long failures with status 500."""
    name = "pool.timeout_s"
    failed = [r.duration_ms for output in outputs for r in output.requests if r.status == "500"]
    others = [r.duration_ms for output in outputs for r in output.requests if r.status != "500"]
    usual = statistics.median(others) if others else 0.0
    long = sorted(f for f in failed if f > max(1e3, 20 * usual))
    if len(long) < 3 or long[0] < 0.5 * statistics.median(long):  # noqa: PLR2004 (a few)
        return FittedParameter.unknown(name, "no failures after one long and equal time")
    # The pool waits no less than its timeout; a request has had other waits before.
    return FittedParameter(
        name, long[0] * 1e-3, 0.9 * long[0] * 1e-3, long[0] * 1e-3, f"{len(long)} failures"
    )
