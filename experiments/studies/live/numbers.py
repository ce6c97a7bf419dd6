"""The numbers that are compared: the same names from a simulated run and from k6's raw output."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from experiments.interop.k6_output import Request
from sim.result import RunResult

Numbers = dict[str, float]
"""Name -> value: "failed", "requests", and per endpoint "requests E", "failed E", "median E" and
"p95 E" in milliseconds."""

FEWEST: Final = 20
"""Requests below which an endpoint's median and 95th percentile are left out."""
_OK: Final = range(200, 400)
Kind = Literal["count", "share", "duration"]
_KINDS: Final[Mapping[str, Kind]] = {
    "requests": "count",
    "failed": "share",
    "median": "duration",
    "p95": "duration",
}


def of_run(result: RunResult) -> Numbers:
    """The numbers of a simulated run."""
    numbers: Numbers = {}
    total = failed = 0
    for endpoint, statuses in sorted(result.outcomes.items()):
        requests = sum(statuses.values())
        bad = sum(count for status, count in statuses.items() if int(status) not in _OK)
        total, failed = total + requests, failed + bad
        numbers |= _of_endpoint(endpoint, requests, bad)
        durations = result.metrics.get(f"http_req_duration{{endpoint:{endpoint}}}")
        if durations is not None and requests >= FEWEST:
            numbers[f"median {endpoint}"] = durations["med"]
            numbers[f"p95 {endpoint}"] = durations["p(95)"]
    return _of_all(total, failed) | numbers


def of_requests(requests: Sequence[Request]) -> Numbers:
    """The numbers of k6's raw output."""
    kinds: defaultdict[str, list[Request]] = defaultdict(list)
    for request in requests:
        kinds[request.name].append(request)
    numbers: Numbers = {}
    total = failed = 0
    for endpoint, of_kind in sorted(kinds.items()):
        bad = sum(int(request.status or 0) not in _OK for request in of_kind)
        total, failed = total + len(of_kind), failed + bad
        numbers |= _of_endpoint(endpoint, len(of_kind), bad)
        if len(of_kind) >= FEWEST:
            durations = [request.duration_ms for request in of_kind]
            median, p95 = np.percentile(durations, [50, 95])
            numbers[f"median {endpoint}"] = float(median)
            numbers[f"p95 {endpoint}"] = float(p95)
    return _of_all(total, failed) | numbers


def kind_of(name: str) -> Kind:
    """What a number is: a count, a share, or a duration in milliseconds."""
    return _KINDS[name.partition(" ")[0]]


def _of_endpoint(endpoint: str, requests: int, failed: int) -> Numbers:
    return {
        f"requests {endpoint}": float(requests),
        f"failed {endpoint}": failed / requests if requests else 0.0,
    }


def _of_all(requests: int, failed: int) -> Numbers:
    return {"failed": failed / requests if requests else 0.0, "requests": float(requests)}
