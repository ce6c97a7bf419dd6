"""Fits service times and station parameters to raw k6 output."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from experiments.interop.k6_output import Output, Request
from experiments.interop.k6_thresholds import Names
from experiments.statistics.outcomes import ENDPOINT_OF_TAG, TAG_OF_ENDPOINT
from experiments.studies.calibrate.fits import (
    FEWEST,
    MODEL_ERROR,
    Distribution,
    FittedParameter,
    LoadLevel,
    fit_capacity,
    fit_distribution,
    fit_pool,
    fit_timeout,
    levels,
)
from experiments.studies.validate.measurements import Measurements, ServiceTime

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
_Z: Final = 1.959964
# Half an interval, as a logarithm, beyond which a speed is not known: a factor of two.
_VAGUE: Final = math.log(2.0)
_MOST_SHOWN: Final = 5
# Users of a level below which there were none, and requests under way for each user between which
# users that send one request after the other can be.
_FEWEST_USERS: Final = 0.1
_LEAST_BUSY: Final = 0.2
_MOST_BUSY: Final = 1.3
_NO_NAMES: Final = Names()


@dataclasses.dataclass(frozen=True)
class FittedService:
    """What the files tell."""

    files: list[str]
    service_times: list[Distribution]
    parameters: list[FittedParameter]
    remarks: list[str] = dataclasses.field(default_factory=list)
    """What of the files could not be used, and why."""


def calibration(outputs: Sequence[Output], names: Names = _NO_NAMES) -> FittedService:
    """Fit everything that the files can tell.

    Args:
        outputs: of one user, and of ramps.
        names: which endpoint a request is whose name is not one.
    """
    outputs = [_named(output, names) for output in outputs]
    single = [output for output in outputs if output.users and output.most_users <= 1]
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
    parameters += _stations(steps, alone, known, _alone_of_all(single, times))
    parameters.append(fit_timeout(outputs))
    parameters.append(_threads(outputs))
    return FittedService(
        [output.path for output in outputs],
        list(times.values()),
        [_trusted(estimate) for estimate in parameters],
        list(_remarks(outputs, single)),
    )


def _named(output: Output, names: Names) -> Output:
    """The file with the short names of the endpoints that its requests are."""
    requests = [
        dataclasses.replace(request, name=TAG_OF_ENDPOINT.get(endpoint, endpoint))
        for request in output.requests
        for endpoint in (names.endpoint(request.name) or request.name,)
    ]
    return dataclasses.replace(output, requests=requests)


def _remarks(outputs: Sequence[Output], single: Sequence[Output]) -> Iterator[str]:
    for output in outputs:
        if not output.users:
            yield (
                f"{output.path}: the number of users is unknown, as the file has no samples of "
                "vus: nothing that needs it is fitted"
            )
        seen = {request.name for request in output.requests}
        unknown = sorted(seen - set(ENDPOINT_OF_TAG))
        if unknown:
            shown = ", ".join(unknown[:_MOST_SHOWN])
            more = f" and {len(unknown) - _MOST_SHOWN} more" if len(unknown) > _MOST_SHOWN else ""
            yield (
                f"{output.path}: no endpoint is known for the requests {shown}{more}; --names can "
                "say which they are"
            )
        if not any(request.status for request in output.requests):
            yield f"{output.path}: requests have no status: systemTags left it out"
    if not single:
        yield "no file is known to be of one user, so there are no service times"


def _trusted(estimate: FittedParameter) -> FittedParameter:
    """The estimate, unless its numbers cannot be: one value is no interval."""
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None or low is None or high is None:
        return estimate
    if all(map(math.isfinite, (value, low, high))) and 0.0 < low < high and low <= value <= high:
        return estimate
    why = "the fit has no interval: what the files say contradicts itself"
    return FittedParameter.unknown(estimate.name, why)


def _alone_of_all(
    single: Sequence[Output], times: Mapping[tuple[str, str], Distribution]
) -> dict[str, float]:
    """Name -> mean time of one user's requests of every kind, endpoints or not, in ms."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for output in single:
        for request in output.requests:
            if (request.name, request.status) in times:
                found[request.name].append(request.duration_ms)
    return {name: statistics.fmean(values) for name, values in found.items()}


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
        if len(values) >= FEWEST and min(values) > 0.0 and len(set(values)) > 1
    }


_WARMING: Final = FittedParameter.unknown(
    "host.speed", "one user's requests still get faster: the service warms up"
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
    return request.name, request.status


def _speed(alone: Mapping[str, float], cases: Mapping[str, ServiceTime]) -> FittedParameter:
    """How fast a core is against the measured machine: the times of one user against its own."""
    name = "host.speed"
    logs = [math.log(cases[e].mean_ms / alone[e]) for e in alone if e in cases]
    if len(logs) < 2:  # noqa: PLR2004 (a spread needs two)
        return FittedParameter.unknown(name, "needs one user and two kinds of known requests")
    value = math.exp(statistics.fmean(logs))
    half = _Z * math.hypot(statistics.stdev(logs) / math.sqrt(len(logs)), MODEL_ERROR)
    if half > _VAGUE:
        why = "kinds of requests disagree: colder code than the cost table's, or another service"
        return FittedParameter.unknown(name, why)
    why = f"service times of {len(logs)} kinds of requests against the cost table's"
    return FittedParameter(name, value, value * math.exp(-half), value * math.exp(half), why)


def _stations(
    steps: Sequence[LoadLevel],
    alone: Mapping[str, float],
    cases: Mapping[str, ServiceTime],
    alone_of_all: Mapping[str, float],
) -> Iterator[FittedParameter]:
    cores = FittedParameter.unknown(
        "host.cores", "cores and work per request appear only as their ratio, the capacity"
    )
    rate = {e: sum(level.rate.get(e, 0.0) for level in steps) for e in alone_of_all}
    reason = _why_no_stations(steps, alone_of_all, rate)
    if reason:
        for name in ("capacity_rps", "pool.connections"):
            yield FittedParameter.unknown(name, reason)
        yield cores
        return
    whole = math.fsum(rate.values())
    alone_ms = math.fsum(r / whole * alone_of_all[e] for e, r in rate.items())
    busy = statistics.median(_busy_share(level) for level in steps)
    if busy < _LEAST_BUSY:
        why = (
            f"only {100 * busy:.1f} % of the users have a request under way: they pause, so what "
            "the service can do does not show"
        )
        yield FittedParameter.unknown("capacity_rps", why)
    else:
        yield fit_capacity(steps, alone_ms)
    yield fit_pool(steps, alone, cases)
    yield cores


def _why_no_stations(
    steps: Sequence[LoadLevel], alone: Mapping[str, float], rate: Mapping[str, float]
) -> str:
    """Why nothing can be said of stations; empty when something can."""
    if not steps or not alone:
        return "needs a ramp of users and a file of one user"
    if not any(rate.values()):
        there = sorted({name for level in steps for name in level.rate})
        shown = ", ".join(there[:_MOST_SHOWN])
        return f"the ramp has no request of the file of one user; it has {shown}"
    if min(level.users for level in steps) < _FEWEST_USERS:
        return "requests ended in seconds without users: times or users are misread or filtered"
    busy = statistics.median(_busy_share(level) for level in steps)
    if busy > _MOST_BUSY:
        return (
            f"{busy:.1f} requests are under way for each user: users send several at once, or the "
            "file's users are not those of its requests"
        )
    return ""


def _busy_share(level: LoadLevel) -> float:
    """Requests under way for each user, by Little's law."""
    under_way = math.fsum(level.rate[e] * level.mean_ms[e] * 1e-3 for e in level.rate)
    return under_way / level.users if level.users > 0.0 else math.inf


def _threads(outputs: Sequence[Output]) -> FittedParameter:
    most = max(output.most_users for output in outputs)
    if not most:
        return FittedParameter.unknown("service.threads", "the number of users is unknown")
    why = (
        f"{most:.0f} users at most: in a closed loop, waiting for a thread and waiting for the "
        "processor take the same time"
    )
    return FittedParameter.unknown("service.threads", why)
