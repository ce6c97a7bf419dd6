"""How each step of buying went: requests answered, refused as business, and failed.

A step is what a person must get done to own a seat: the token, the seats on offer, the booking, the
payment. Polls of the place in the queue are apart: they outnumber all steps together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NotRequired

from typing_extensions import TypedDict

from experiments.statistics.intervals import mean
from experiments.statistics.outcomes import POLL, is_failure
from model import errors
from model.service import BOOKING, DATES, GENERATION, PAYMENT, SEATS
from sim.measure.watched import Measured
from sim.result import RunResult

STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "token": (GENERATION,),
    "seats": (DATES, SEATS),
    "booking": (BOOKING,),
    "payment": (PAYMENT,),
}
"""Step of buying -> endpoints, in the order of the steps."""
STEP_LIMIT: Final = 0.01
"""Largest share of failed requests of a step in a run that holds, where the config states no limit
of its own: the failure rate that k6's documentation uses in its examples of thresholds."""
REFUSALS: Final = frozenset({"402", "403", "409", "410"})
"""Statuses by which a service says no: not paid for, not for this person, taken, gone."""
_BUSINESS_BESIDE: Final = frozenset(
    {"SeatLockedError", "NoFreeSeatError", "NotEnoughPointsError", "BookingStatusError"}
)
"""Answers "no" of the business that the service of the incident gives with status 500."""
_NO_BUSINESS: Final = frozenset({"MissingTokenError", "WrongConcertError"})
"""Answered with status 403, though a person who asks properly never meets them."""
_NO_ANSWER: Final = frozenset(
    {
        "ConnectionRefused",
        "ConnectionReset",
        "DialTimeout",
        "PortsExhausted",
        "RequestCancelled",
        "RequestTimeout",
    }
)
"""Primary causes of the load generator's own: status 0."""


class StepCounts(TypedDict):
    """The requests of one step: means over the runs; they add up to `requests`."""

    requests: float
    answered: float
    refused: float
    """Refused as business: a lost race for a seat, a booking that had lapsed, too few points."""
    failed: float
    answered_share: NotRequired[float]
    refused_share: NotRequired[float]
    failed_share: float
    """Means over the runs that have requests of the step, as thresholds are judged; the three
    shares add up to 1."""
    limit: float
    """The largest `failed_share` with which the step holds."""
    causes: dict[str, float]
    """Primary cause -> failed requests, most common first; business refusals left out."""


def shares_of(counts: StepCounts) -> tuple[float, float, float]:
    """(answered, refused, failed) as shares of a step's requests; they add up to 1."""
    failed = counts["failed_share"]
    answered = counts.get("answered_share", counts["answered"] / counts["requests"])
    return answered, counts.get("refused_share", 1.0 - answered - failed), failed


def steps_of(run: Measured) -> dict[str, tuple[str, ...]]:
    """Step -> endpoints of a run; an endpoint of a service of one's own is a step by itself."""
    known = {endpoint for endpoints in STEPS.values() for endpoint in endpoints}
    own = [name for name in run.outcomes if name != POLL and name not in known]
    return {**STEPS, **{name: (name,) for name in own}}


def counts_of(run: Measured, endpoints: Sequence[str]) -> tuple[int, int, int]:
    """(requests, refused as business, failed) of these endpoints in a run."""
    requests = bad = refused = 0
    for endpoint in endpoints:
        for status, count in run.outcomes.get(endpoint, {}).items():
            requests += count
            bad += count * is_failure(status)
            refused += count * (status in REFUSALS)
        causes = run.errors.get(endpoint, {})
        refused += sum(count for name, count in causes.items() if name in _BUSINESS_BESIDE)
        refused -= sum(count for name, count in causes.items() if name in _NO_BUSINESS)
    return requests, refused, bad - refused


def failed_share(run: Measured, step: str) -> float | None:
    """The share of failed requests of a step in a run, refusals apart; None without requests."""
    requests, _, failed = counts_of(run, steps_of(run).get(step, ()))
    return failed / requests if requests else None


def buying_failed_share(run: RunResult) -> float | None:
    """The share of failed requests of all steps together; None without requests."""
    endpoints = [endpoint for several in steps_of(run).values() for endpoint in several]
    requests, _, failed = counts_of(run, endpoints)
    return failed / requests if requests else None


def refused_share(run: RunResult) -> float | None:
    """The share of requests of all steps together that were refused; None without requests."""
    endpoints = [endpoint for several in steps_of(run).values() for endpoint in several]
    requests, refused, _ = counts_of(run, endpoints)
    return refused / requests if requests else None


def step_counts(
    runs: Sequence[RunResult], limits: Mapping[str, float] | None = None
) -> dict[str, StepCounts]:
    """Step -> its requests in these runs, at least one; steps without requests are left out.

    Args:
        runs: replications.
        limits: step -> its limit; `STEP_LIMIT` where there is none.
    """
    endpoints = {name: several for run in runs for name, several in steps_of(run).items()}
    return {
        name: counts
        for name, several in endpoints.items()
        if (counts := _counts(runs, several, (limits or {}).get(name, STEP_LIMIT)))["requests"]
    }


def causes_at(runs: Sequence[RunResult], endpoint: str) -> Counter[str]:
    """Primary cause -> failed requests of an endpoint in all runs, business refusals left out."""
    found = Counter[str]()
    for name, count in _failures(runs, [endpoint]):
        found[name] += count
    return found


def _counts(runs: Sequence[RunResult], endpoints: Sequence[str], limit: float) -> StepCounts:
    triples = [counts_of(run, endpoints) for run in runs]
    requests, refused, failed = (sum(column) for column in zip(*triples, strict=True))
    asked = [triple for triple in triples if triple[0]]
    refused_share = mean([no / whole for whole, no, _ in asked]) if asked else 0.0
    failed_share = mean([bad / whole for whole, _, bad in asked]) if asked else 0.0
    causes = Counter[str]()
    for name, count in _failures(runs, endpoints):
        causes[name] += count
    size = len(runs)
    return {
        "requests": requests / size,
        "answered": (requests - refused - failed) / size,
        "refused": refused / size,
        "failed": failed / size,
        "answered_share": 1.0 - refused_share - failed_share if asked else 0.0,
        "refused_share": refused_share,
        "failed_share": failed_share,
        "limit": limit,
        "causes": {name: count / size for name, count in causes.most_common()},
    }


def _failures(runs: Sequence[RunResult], endpoints: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Primary causes of failures, those that are refusals of the business left out."""
    for run in runs:
        for endpoint in endpoints:
            causes = run.errors.get(endpoint, {})
            statuses = run.outcomes.get(endpoint, {})
            refused = sum(count for status, count in statuses.items() if status in REFUSALS)
            refused -= sum(count for name, count in causes.items() if name in _NO_BUSINESS)
            # The results do not say which cause had which status: causes that are known to have
            # one of the business come first, then those of a service of one's own.
            for name, count in sorted(causes.items(), key=lambda item: _likely(item[0])):
                if name in _BUSINESS_BESIDE:
                    continue
                taken = min(count, refused) if _likely(name) < _NEVER else 0
                refused -= taken
                if count > taken:
                    yield name, count - taken


_NEVER: Final = 2


def _likely(cause: str) -> int:
    """How likely a cause has a status of the business: 0 it has, 1 it may have, 2 never."""
    if cause in _NO_ANSWER or cause in _NO_BUSINESS:
        return _NEVER
    known = getattr(errors, cause, None)
    if known is None:
        return 1
    return 0 if str(getattr(known, "status", "")) in REFUSALS else _NEVER
