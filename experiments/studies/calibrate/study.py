"""Fits service times and station parameters to raw k6 output."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from experiments.interop.k6_output import Output, Request
from experiments.studies.calibrate.fits import (
    FEWEST,
    MODEL_ERROR,
    Distribution,
    Estimate,
    fit_capacity,
    fit_distribution,
    fit_pool,
    fit_timeout,
    levels,
)
from experiments.studies.validate.measurements import Measurements, ServiceTime
from experiments.studies.validate.numbers import ENDPOINTS

# Name tag and status -> the measured case whose work, borrows and holds it has.
_CASES: Final[Mapping[tuple[str, str], str]] = {
    ("gen", "200"): "gen_success_ACCESS",
    ("check", "401"): "check_undefined",
    ("check", "500"): "check_WAIT_valid",
    ("dates", "200"): "dates_cached",
    ("booking", "409"): "booking_409_occupied",
    ("booking", "200"): "booking_success",
    ("payment", "200"): "payment_success",
}
_SHORT: Final = {endpoint: short for short, endpoint in ENDPOINTS.items()}
_Z: Final = 1.959964
# Half an interval, as a logarithm, beyond which a speed is not known: a factor of two.
_VAGUE: Final = math.log(2.0)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What the files tell."""

    files: list[str]
    service_times: list[Distribution]
    parameters: list[Estimate]


def calibration(outputs: Sequence[Output]) -> Calibration:
    """Fit everything that the files can tell."""
    single = [output for output in outputs if output.most_users <= 1]
    ramps = [output for output in outputs if output.most_users > 1]
    cases = _cases()
    times = _service_times(single)
    alone = {
        name: distribution.mean_ms
        for (name, _), distribution in times.items()
        if (name, _) in _CASES
    }
    known = {
        name: cases[_CASES[name, status]] for name, status in times if (name, status) in _CASES
    }
    parameters = [_speed(alone, known) if _steady(single) else _WARMING]
    steps = [level for output in ramps for level in levels(output)]
    parameters += _stations(steps, alone, known)
    parameters.append(fit_timeout(outputs))
    parameters.append(_threads(outputs))
    return Calibration([output.path for output in outputs], list(times.values()), parameters)


def _cases() -> dict[str, ServiceTime]:
    """Path -> the hot row of the measured service times."""
    folder = Path(str(resources.files("sim"))) / "data" / "measured"
    return {row.path: row for row in Measurements(folder).service_times if row.hot}


def _service_times(single: Sequence[Output]) -> dict[tuple[str, str], Distribution]:
    """(name, status) -> distribution, from the second half of each file: it has warmed up."""
    kinds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for output in single:
        begin, end = output.requests[0].time_s, output.requests[-1].time_s
        late = [r for r in output.requests if r.time_s >= (begin + end) / 2.0]
        for request in late:
            kinds[_kind(request)].append(request.duration_ms)
    return {
        kind: fit_distribution(" ".join(kind), values)
        for kind, values in sorted(kinds.items())
        if len(values) >= FEWEST and min(values) > 0.0
    }


_WARMING: Final = Estimate(
    "host.speed", None, None, None, "one user's requests still get faster: the service warms up"
)
_STEADY: Final = 1.1


def _steady(single: Sequence[Output]) -> bool:
    """Whether the last quarter of every file is about as fast as the one before."""
    for output in single:
        begin, end = output.requests[0].time_s, output.requests[-1].time_s
        quarters: list[list[float]] = [[], []]
        for request in output.requests:
            part = 4.0 * (request.time_s - begin) / max(1e-9, end - begin)
            if part >= 2.0:  # noqa: PLR2004 (the second half)
                quarters[int(part >= 3.0)].append(request.duration_ms)  # noqa: PLR2004 (a quarter)
        if all(quarters) and statistics.fmean(quarters[0]) > _STEADY * statistics.fmean(
            quarters[1]
        ):
            return False
    return True


def _kind(request: Request) -> tuple[str, str]:
    return _SHORT.get(request.name, request.name), request.status


def _speed(alone: Mapping[str, float], cases: Mapping[str, ServiceTime]) -> Estimate:
    """How fast a core is against the measured machine: the times of one user against its own."""
    name = "host.speed"
    logs = [math.log(cases[e].mean_ms / alone[e]) for e in alone if e in cases]
    if len(logs) < 2:  # noqa: PLR2004 (a spread needs two)
        return Estimate(name, None, None, None, "needs one user and two kinds of known requests")
    value = math.exp(statistics.fmean(logs))
    half = _Z * math.hypot(statistics.stdev(logs) / math.sqrt(len(logs)), MODEL_ERROR)
    if half > _VAGUE:
        why = "kinds of requests disagree: colder code than the cost table's, or another service"
        return Estimate(name, None, None, None, why)
    why = f"service times of {len(logs)} kinds of requests against the cost table's"
    return Estimate(name, value, value * math.exp(-half), value * math.exp(half), why)


def _stations(
    steps: Sequence[Any], alone: Mapping[str, float], cases: Mapping[str, ServiceTime]
) -> Iterator[Estimate]:
    cores = Estimate(
        "host.cores",
        None,
        None,
        None,
        "cores and work per request appear only as their ratio, the capacity",
    )
    if not steps or not alone:
        reason = "needs a ramp of users and a file of one user"
        for name in ("capacity_rps", "pool.connections"):
            yield Estimate(name, None, None, None, reason)
        yield cores
        return
    rate = {e: sum(level.rate.get(e, 0.0) for level in steps) for e in alone}
    share = {e: r / (sum(rate.values()) or 1.0) for e, r in rate.items()}
    yield fit_capacity(steps, sum(share[e] * alone[e] for e in alone))
    yield fit_pool(steps, alone, cases)
    yield cores


def _threads(outputs: Sequence[Output]) -> Estimate:
    most = max(output.most_users for output in outputs)
    why = (
        f"{most:.0f} users at most: in a closed loop, waiting for a thread and waiting for the "
        "processor take the same time"
    )
    return Estimate("service.threads", None, None, None, why)
