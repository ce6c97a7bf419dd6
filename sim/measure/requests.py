"""Client-side measurement: k6's metrics, outcomes per endpoint, and the digest of a run."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.measure.samples import MOST, Samples, Total

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sim.result import Counts

_RECORD: Final = struct.Struct("<dIH")
_FLUSH_BYTES: Final = 1 << 16
_LOWEST_OK: Final = 200
_LOWEST_FAILED: Final = 400
_MS: Final = 1e3


def trend(values: NDArray[np.float64], percentiles: Sequence[float] = ()) -> dict[str, float]:
    """Return k6's statistics of a trend metric; percentiles interpolate linearly, as k6's do.

    Those from 0 to 100 in `percentiles` are added to the usual ones, under k6's names for them.
    """
    p90, p95, p99, *more = np.percentile(values, (90, 95, 99, *percentiles))
    found = {
        "avg": float(values.mean()),
        "min": float(values.min()),
        "med": float(np.median(values)),
        "max": float(values.max()),
        "p(90)": float(p90),
        "p(95)": float(p95),
        "p(99)": float(p99),
    }
    for percent, value in zip(percentiles, more, strict=True):
        found[f"p({percent:g})"] = float(value)
    return found


def weighted_trend(
    values: NDArray[np.float64], weights: NDArray[np.float64], percentiles: Sequence[float] = ()
) -> dict[str, float]:
    """Return the statistics of a trend whose `values` occurred `weights` times each."""
    order = np.argsort(values)
    ordered = values[order]
    cumulated = np.cumsum(weights[order])

    def percentile(share: float) -> float:
        return float(ordered[np.searchsorted(cumulated, share * cumulated[-1])])

    found = {
        "avg": float(np.average(values, weights=weights)),
        "min": float(ordered[0]),
        "med": percentile(0.5),
        "max": float(ordered[-1]),
        "p(90)": percentile(0.9),
        "p(95)": percentile(0.95),
        "p(99)": percentile(0.99),
    }
    for percent in percentiles:
        found[f"p({percent:g})"] = percentile(percent / 100.0)
    return found


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. Times in simulated seconds; `time_s` since the load began, when it ended."""

    time_s: float
    user: int
    endpoint: str
    status: int
    """0 when there was no answer."""
    error: str | None
    duration_s: float
    blocked_s: float
    """How long it waited for its connection; 0 if it had one."""
    sending_s: float
    receiving_s: float


Listener = Callable[[float, str, int, float], None]
"""Told of each request: when it ended, endpoint, status (0 for none), duration; seconds."""


class RequestLog:
    """Every client request, in the order in which they ended.

    Counts and the digest are of all requests, in runs of any length. So are the mean and the
    extremes of http_req_duration; percentiles, and the other durations, are of an even sample of
    at least two million requests once there were more than four million.
    """

    def __init__(self, most: int = MOST, percentiles: Sequence[float] = ()) -> None:
        self._percentiles = tuple(percentiles)
        self.requests = 0
        self.failed = 0
        self.sent_bytes = 0.0
        self.received_bytes = 0.0
        self._keys: dict[tuple[str, int, str | None], int] = {}
        self._names: list[tuple[str, int, str | None]] = []
        self._counts: list[int] = []
        self._totals: list[Total] = []
        self._key = Samples("H", most)
        self._duration_s = Samples("d", most)
        self._sending_s = Samples("d", most)
        self._receiving_s = Samples("d", most)
        self._blocked_s = Samples("d", most)
        self._connecting_s = Samples("d", most)
        self.iteration_s = Samples("d", most)
        self.spun_iterations = 0.0
        self.spun_s = 0.0
        self._hash = sha256()
        self._buffer = bytearray()
        self.listener: Listener | None = None
        self.sampler: Callable[[Sample], None] | None = None
        """Told everything about each request."""

    def record(
        self,
        time_s: float,
        user: int,
        endpoint: str,
        status: int,
        error: str | None,
        duration_s: float,
        sending_s: float = 0.0,
        receiving_s: float = 0.0,
        blocked_s: float = 0.0,
    ) -> None:
        """Add a request that ended at `time_s`; `status` 0 means that there was no answer.

        `error` is the primary cause of a failed request, None for one that did not fail.
        """
        if self.listener is not None:
            self.listener(time_s, endpoint, status, duration_s)
        if self.sampler is not None:
            self.sampler(
                Sample(
                    *(time_s, user, endpoint, status, error),
                    *(duration_s, blocked_s, sending_s, receiving_s),
                )
            )
        name = (endpoint, status, error)
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = len(self._names)
            self._names.append(name)
            self._counts.append(0)
            self._totals.append(Total())
            # The name stands in the digest at its first use, its number afterwards.
            self._buffer += repr(name).encode()
        self._counts[key] += 1
        self._totals[key].add(duration_s)
        self.requests += 1
        if status < _LOWEST_OK or status >= _LOWEST_FAILED:
            self.failed += 1
        self._key.append(key)
        self._duration_s.append(duration_s)
        self._sending_s.append(sending_s)
        self._receiving_s.append(receiving_s)
        buffer = self._buffer
        buffer += _RECORD.pack(time_s, user, key)
        if len(buffer) > _FLUSH_BYTES:
            self._hash.update(buffer)
            buffer.clear()

    def durations_since(self, requests: int) -> NDArray[np.float64]:
        """Durations in seconds of the requests after the first so many, perhaps thinned."""
        return self._duration_s.since(requests)

    def connected(self, blocked_s: float, connecting_s: float) -> None:
        """Add what a request waited for its connection; those that had one are not added."""
        self._blocked_s.append(blocked_s)
        self._connecting_s.append(connecting_s)

    def transferred(self, sent: float, received: float) -> None:
        """Add what a request and its answer had in bytes."""
        self.sent_bytes += sent
        self.received_bytes += received

    def digest(self, *states: bytes) -> str:
        """Return the SHA-256 of all requests and of the final `states`."""
        whole = self._hash.copy()
        whole.update(self._buffer)
        for state in states:
            whole.update(len(state).to_bytes(8, "little"))
            whole.update(state)
        return whole.hexdigest()

    def outcomes(self) -> dict[str, Counts]:
        """Return endpoint -> status -> requests."""
        table: dict[str, Counts] = {}
        for (endpoint, status, _), count in zip(self._names, self._counts, strict=True):
            row = table.setdefault(endpoint, {})
            row[str(status)] = row.get(str(status), 0) + count
        return {endpoint: dict(sorted(row.items())) for endpoint, row in sorted(table.items())}

    def errors(self) -> dict[str, Counts]:
        """Return endpoint -> primary cause -> failed requests."""
        table: dict[str, Counter[str]] = {}
        for (endpoint, status, error), count in zip(self._names, self._counts, strict=True):
            if status < _LOWEST_OK or status >= _LOWEST_FAILED:
                table.setdefault(endpoint, Counter())[error or f"Status{status}"] += count
        return {
            endpoint: dict(sorted(row.items(), key=lambda item: (-item[1], item[0])))
            for endpoint, row in sorted(table.items())
        }

    def tallies(self) -> dict[str, float]:
        """Return "requests:ENDPOINT" and "failed:ENDPOINT" so far, and "error:CAUSE" likewise."""
        table: dict[str, float] = {}
        for (endpoint, status, error), count in zip(self._names, self._counts, strict=True):
            names = [f"requests:{endpoint}"]
            if status < _LOWEST_OK or status >= _LOWEST_FAILED:
                names += [f"failed:{endpoint}", f"error:{error or f'Status{status}'}"]
            for name in names:
                table[name] = table.get(name, 0.0) + count
        return table

    def metric(self, name: str, measured_s: float) -> dict[str, float] | None:
        """Return one of `metrics`, with as little work as it takes; None when it is absent."""
        if name == "http_req_failed":
            return self._failures() if self.requests else None
        if name == "http_reqs":
            return {"count": self.requests, "rate": self.requests / measured_s}
        if name == "http_req_duration" and self.requests:
            durations = self._duration_s.kept() * _MS
            return self._duration_trend(durations, range(len(self._names)))
        return self.metrics(measured_s).get(name)

    def _failures(self) -> dict[str, float]:
        return {
            "rate": self.failed / self.requests,
            "passes": self.failed,
            "fails": self.requests - self.failed,
        }

    def metrics(self, measured_s: float) -> dict[str, dict[str, float]]:
        """Return k6's metrics; rates are per second of `measured_s`. Without samples: absent."""
        result: dict[str, dict[str, float]] = {
            "http_reqs": {"count": self.requests, "rate": self.requests / measured_s},
            "data_sent": {"count": self.sent_bytes, "rate": self.sent_bytes / measured_s},
            "data_received": {
                "count": self.received_bytes,
                "rate": self.received_bytes / measured_s,
            },
        }
        iterations = self.iteration_s.count + int(self.spun_iterations)
        result["iterations"] = {"count": iterations, "rate": iterations / measured_s}
        if iterations:
            result["iteration_duration"] = self._iteration_trend()
        if self.requests:
            result["http_req_failed"] = self._failures()
            result.update(self._duration_trends())
        return result

    def _iteration_trend(self) -> dict[str, float]:
        values = self.iteration_s.kept() * _MS
        spun = int(self.spun_iterations)
        if not spun:
            return trend(values, self._percentiles)
        return weighted_trend(
            np.append(values, self.spun_s / self.spun_iterations * _MS),
            np.append(np.full(len(values), float(self.iteration_s.stride)), float(spun)),
            self._percentiles,
        )

    def _with_reused(self, connections: Samples) -> dict[str, float]:
        """The trend of what new connections cost; requests that had one waited for nothing."""
        values = connections.kept() * _MS
        reused = max(0, self.requests - connections.count)
        if connections.stride == self._duration_s.stride == 1:
            return trend(np.append(values, np.zeros(reused)), self._percentiles)
        weights = np.full(len(values), float(connections.stride))
        return weighted_trend(
            np.append(values, 0.0), np.append(weights, float(reused)), self._percentiles
        )

    def _duration_trend(
        self, chosen: NDArray[np.float64], kinds: Sequence[int]
    ) -> dict[str, float]:
        """The trend of the durations of some kinds of requests, of which `chosen` are kept."""
        found = trend(chosen, self._percentiles)
        if self._duration_s.stride > 1:
            totals = [self._totals[kind] for kind in kinds]
            count = sum(self._counts[kind] for kind in kinds)
            found["avg"] = sum(total.sum_s for total in totals) / count * _MS
            found["min"] = min(total.least_s for total in totals) * _MS
            found["max"] = max(total.most_s for total in totals) * _MS
        return found

    def _duration_trends(self) -> dict[str, dict[str, float]]:
        durations = self._duration_s.kept() * _MS
        sending = self._sending_s.kept() * _MS
        receiving = self._receiving_s.kept() * _MS
        keys = self._key.kept()
        result = {
            "http_req_duration": self._duration_trend(durations, range(len(self._names))),
            "http_req_waiting": trend(durations - sending - receiving, self._percentiles),
            "http_req_sending": trend(sending, self._percentiles),
            "http_req_receiving": trend(receiving, self._percentiles),
            "http_req_blocked": self._with_reused(self._blocked_s),
            "http_req_connecting": self._with_reused(self._connecting_s),
        }
        groups: dict[str, list[int]] = {}
        for key, (endpoint, status, _) in enumerate(self._names):
            if _LOWEST_OK <= status < _LOWEST_FAILED:
                groups.setdefault("expected_response:true", []).append(key)
            groups.setdefault(f"endpoint:{endpoint}", []).append(key)
            groups.setdefault(f"endpoint:{endpoint},status:{status}", []).append(key)
        for label, members in sorted(groups.items()):
            chosen = durations[np.isin(keys, members)]
            if len(chosen):
                result[f"http_req_duration{{{label}}}"] = self._duration_trend(chosen, members)
        return result
