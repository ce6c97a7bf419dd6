"""The verdict on the runs of one world: does the on-sale hold, and if not, what failed and why.

Every command, the report and the Python interface show this one verdict. It is made of

- the thresholds of the config, of the mean over the runs, at full size
  (`experiments.statistics.full_size`);
- each step of buying, whose share of failed requests has a limit: the config's own
  (`step_failed{step:booking} = ["rate<0.05"]`), else `STEP_LIMIT`;
- whether anybody was let in;
- the invariants: what must never happen.

"holds": all of this is met. "fails": something is not, and `failures` says what. "open": nothing
failed, and something could not be decided: nothing was measured, a threshold has no samples or
cannot be told at this scale, or the runs were cut off.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from experiments.statistics.full_size import at_full_size, refusal
from experiments.statistics.intervals import mean
from experiments.statistics.outcomes import POLL
from experiments.statistics.saturation import CAUSED_BY, SEATS, Full, full_resources
from experiments.statistics.steps import (
    REFUSALS,
    STEP_LIMIT,
    STEPS,
    StepCounts,
    causes_at,
    step_counts,
)
from experiments.statistics.thresholds import REFUSED, STEP_FAILED, Criterion, Measure, holds
from sim.result import RunResult

Outcome = Literal["holds", "fails", "open"]
_MS: Final = 1e3
_INSIDE: Final = ("admitted", "saw_seats", "sold_out", "booked", "paid")
"""States of the funnel that nobody reaches outside."""
_DURATIONS: Final = "http_req_duration"
_FAILED: Final = "http_req_failed"
_SLOW: Final = frozenset({"", "RequestTimeout", "RequestCancelled", "ConnectionReset"})
"""Causes that say only that the answer did not come in time; empty: of slow answers."""


class ThresholdRow(TypedDict):
    """One threshold of the config; `value` is at full size, durations in milliseconds."""

    name: str
    limit: float
    value: float | None
    met: bool | None
    """None: could not be decided, see `reason`."""
    reason: str
    at_full_size: bool
    """Whether `value` was extrapolated from a run at a smaller scale."""
    metric: NotRequired[str]
    tags: NotRequired[dict[str, str]]
    aggregation: NotRequired[str]
    """What is measured, as in `experiments.statistics.thresholds.Measure`."""


class Seats(TypedDict):
    """What became of the seats, as simulated: means over the runs."""

    on_sale: float
    held: float
    """Bookings ever made, so a seat whose booking lapsed can count again."""
    standing: float
    """Bookings reserved or paid at the end."""
    paid: float
    cancelled: float
    sold_out_runs: int
    sold_out_after_s: float | None
    """From the opening until somebody first saw no free seat; mean over the runs that saw it."""


class People(TypedDict):
    """What became of the people, as simulated: means over the runs."""

    came: float
    got_in: float
    lost_patience: float
    shut_out: float
    """Never let in, although seats were free until they left, or until the end."""


class Failure(TypedDict):
    """One thing that failed."""

    kind: Literal["threshold", "step", "sale", "invariant"]
    name: str
    """The threshold, the step, or the invariant."""
    step: str
    """The step of buying in which it failed, or "polls"; empty where it is of no single step."""
    value: float | None
    limit: float | None
    at_full_size: NotRequired[bool]
    """Whether `value` was extrapolated from a run at a smaller scale."""
    cause: str
    """The most common primary cause of failed requests there, or empty."""
    cause_share: float
    """Its share of the failed requests there."""
    resource: str
    """Config key of the limit behind it, or empty where none was found."""
    setting: NotRequired[float | str | None]
    """The value of `resource` in the config, at full size."""
    worst: NotRequired[float]
    """Of an invariant in several runs: its violations in the worst of them; `value` is the mean."""
    runs_broken: NotRequired[int]
    """Of an invariant in several runs: in how many of them it broke."""
    refused_share: NotRequired[float]
    unrefused_failed_share: NotRequired[float]
    """Only where http_req_failed fails because refusals count as failed: the share of all requests
    that were refused, and of the others the share that failed, which `{refused:false}` judges."""
    rounded: NotRequired[bool]
    """Whether `resource` has so few units at this scale that the rounding may be what failed."""


class Verdict(TypedDict):
    """See the module."""

    outcome: Outcome
    failures: list[Failure]
    open: list[str]
    """Why the verdict is open: what could not be decided."""
    thresholds: list[ThresholdRow]
    steps: dict[str, StepCounts]
    seats: Seats
    people: People
    invariants: dict[str, float]
    """Those that broke: violations, the mean over the runs."""
    full: list[Full]
    observed_off: list[str]
    """Names of observations that the runs do not show."""
    scale: float
    replications: int


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a verdict is made from besides the runs.

    Args:
        criteria: the config's thresholds.
        scale: of the runs.
        opens_after_s: when the sale opened, after the load began.
        limits: of the world as simulated, see `experiments.statistics.saturation.limits_of`.
        rounded: config keys of limits too small at this scale to be blamed for a failure.
        settings: config key -> value of the limits at full size, see
            `experiments.statistics.saturation.settings_of`.
        observed_off: see `Verdict`.
    """

    criteria: Sequence[Criterion] = ()
    scale: float = 1.0
    opens_after_s: float | None = None
    limits: Mapping[str, float] = dataclasses.field(default_factory=dict)
    rounded: frozenset[str] = frozenset()
    settings: Mapping[str, float | str] = dataclasses.field(default_factory=dict)


def verdict_on(
    runs: Sequence[RunResult], terms: Terms, observed_off: Sequence[str] = ()
) -> Verdict:
    """Judge the runs of one world; at least one. See the module.

    Args:
        runs: replications of one world at one scale.
        terms: what they are judged by.
        observed_off: names of observations that the runs do not show.
    """
    rows = [_threshold(criterion, runs, terms.scale) for criterion in terms.criteria]
    own = step_limits(terms.criteria)
    steps = step_counts(runs, own)
    broken = _broken(runs)
    full = full_resources(runs, terms.limits)
    judged = {name: counts for name, counts in steps.items() if name not in own}
    people = _people(runs)
    failures = [
        *_failed_invariants(broken, runs),
        *_failed_thresholds(rows, terms.criteria, runs, full),
        *_failed_steps(judged, full),
        *_failed_sale(people, runs, full),
    ]
    failures = [_told_at(failure, terms) for failure in failures]
    undecided = list(_undecided(rows, runs))
    return {
        "outcome": "fails" if failures else "open" if undecided else "holds",
        "failures": failures,
        "open": undecided,
        "thresholds": rows,
        "steps": steps,
        "seats": _seats(runs, terms.opens_after_s or 0.0),
        "people": people,
        "invariants": broken,
        "full": full,
        "observed_off": list(observed_off),
        "scale": terms.scale,
        "replications": len(runs),
    }


def step_limits(criteria: Sequence[Criterion]) -> dict[str, float]:
    """Step -> the limit that the config itself states for its share of failed requests."""
    return {
        dict(one.measure.tags)["step"]: one.bound
        for one in criteria
        if one.measure.metric == STEP_FAILED and one.worse > 0
    }


def default_criteria(criteria: Sequence[Criterion]) -> list[Criterion]:
    """Thresholds of the steps of buying for which the config states none of its own."""
    own = step_limits(criteria)
    return [
        Criterion(
            Measure(STEP_FAILED, (("step", step),), "rate"),
            "<=",
            STEP_LIMIT,
            f"rate<={STEP_LIMIT:g}",
            is_default=True,
        )
        for step in STEPS
        if step not in own
    ]


def _threshold(criterion: Criterion, runs: Sequence[RunResult], scale: float) -> ThresholdRow:
    measure = criterion.measure
    values = [value for run in runs if (value := measure.of(run)) is not None]
    row: ThresholdRow = {
        "name": criterion.name,
        "limit": criterion.bound,
        "value": None,
        "met": None,
        "reason": refusal(measure, scale),
        "at_full_size": False,
        "metric": measure.metric,
        "tags": dict(measure.tags),
        "aggregation": measure.aggregation,
    }
    if row["reason"]:
        return row
    if not values:
        row["reason"] = "no samples"
        return row
    simulated = mean(values)
    value = at_full_size(measure, simulated, scale)
    row |= {
        "value": value,
        "met": holds(value, criterion.operator, criterion.bound),
        "at_full_size": value != simulated,
    }
    return row


def _seats(runs: Sequence[RunResult], opens_s: float) -> Seats:
    def rows(name: str) -> float:
        return mean([run.tables.get(name, 0) for run in runs])

    sold_out_ms = [
        run.metrics["time_to_sell_out"]["value"]
        for run in runs
        if "time_to_sell_out" in run.metrics
    ]
    return {
        "on_sale": rows("seat") if _sells_tickets(runs) else 0.0,
        "held": rows("booking"),
        "standing": mean([standing(run) for run in runs]),
        "paid": rows("booking:PAID"),
        "cancelled": rows("booking:CANCELLED"),
        "sold_out_runs": len(sold_out_ms),
        "sold_out_after_s": mean(sold_out_ms) / _MS - opens_s if sold_out_ms else None,
    }


def standing(run: RunResult) -> int:
    """Seats with a booking at the end of a run, reserved or paid."""
    return run.tables.get("booking", 0) - run.tables.get("booking:CANCELLED", 0)


def paid(run: RunResult) -> int:
    """Seats paid at the end of a run."""
    return run.tables.get("booking:PAID", 0)


def _people(runs: Sequence[RunResult]) -> People:
    def average(values: Sequence[float]) -> float:
        return mean(values)

    came = [sum(run.funnel.values()) - run.funnel.get("never_arrived", 0) for run in runs]
    return {
        "came": average(came),
        "got_in": average([got_in(run) for run in runs]),
        "lost_patience": average([_count(run, "abandoned") for run in runs]),
        "shut_out": average([_count(run, "shut_out") for run in runs]),
    }


def got_in(run: RunResult) -> float:
    """People let in: by the tokens that the service gave, or by what people did inside."""
    inside = sum(run.funnel.get(state, 0) for state in _INSIDE)
    return max(_count(run, "admissions"), inside)


def _count(run: RunResult, metric: str) -> float:
    return run.metrics.get(metric, {}).get("count", 0)


def _broken(runs: Sequence[RunResult]) -> dict[str, float]:
    names = dict.fromkeys(name for run in runs for name in run.invariants)
    found = {name: mean([run.invariants.get(name, 0) for run in runs]) for name in names}
    return {name: count for name, count in found.items() if count}


def _undecided(rows: Sequence[ThresholdRow], runs: Sequence[RunResult]) -> Iterator[str]:
    if not any(sum(counts.values()) for run in runs for counts in run.outcomes.values()):
        yield "no request was made"
    if any(run.failure for run in runs):
        yield "an error in your own code ended a run"
    elif any(run.partial for run in runs):
        yield "the user interrupted a run"
    for row in rows:
        if row["met"] is None:
            yield f"{row['name']}: {row['reason']}"


def _failed_thresholds(
    rows: Sequence[ThresholdRow],
    criteria: Sequence[Criterion],
    runs: Sequence[RunResult],
    full: Sequence[Full],
) -> Iterator[Failure]:
    for row, criterion in zip(rows, criteria, strict=True):
        if row["met"] is not False:
            continue
        endpoint = _endpoint(criterion, runs)
        causes: Mapping[str, float] = {}
        behind: Sequence[Full] = ()
        metric = criterion.measure.metric
        if metric == STEP_FAILED:
            step = dict(criterion.measure.tags)["step"]
            causes, behind = step_counts(runs)[step]["causes"], full
        elif metric == _FAILED:
            endpoints = [endpoint] if endpoint else _endpoints(runs)
            unrefused = dict(criterion.measure.tags).get(REFUSED) == "false"
            causes = (
                _errors_but_refusals(runs, endpoints) if unrefused else _errors(runs, endpoints)
            )
            behind = full
        elif metric == _DURATIONS:
            # A slow answer has no cause among the errors: what was full is behind it.
            behind = full
        step = _step_of(endpoint)
        value, limit = row["value"], row["limit"]
        found = _failure("threshold", row["name"], step, value, limit, causes, behind)
        if metric == "goodput" and criterion.worse < 0 and _all_paid(runs):
            found["resource"] = SEATS
        alone = _by_refusals_alone(criterion, runs)
        yield {**found, **alone, "at_full_size": row["at_full_size"]}


class _Refusals(TypedDict, total=False):
    refused_share: float
    unrefused_failed_share: float


def _by_refusals_alone(criterion: Criterion, runs: Sequence[RunResult]) -> _Refusals:
    """The two shares, if a threshold of all requests would be met without the refused ones."""
    measure = criterion.measure
    if measure.metric != _FAILED or measure.tags:
        return {}
    others = dataclasses.replace(measure, tags=((REFUSED, "false"),))
    failed = [share for run in runs if (share := others.of(run)) is not None]
    refused = list(_refused_shares(runs))
    if not failed or not any(refused):
        return {}
    share = mean(failed)
    if not holds(share, criterion.operator, criterion.bound):
        return {}
    return {"refused_share": mean(refused), "unrefused_failed_share": share}


def _refused_shares(runs: Sequence[RunResult]) -> Iterator[float]:
    """Of each run, the share of all requests, polls too, whose status the tag calls refused."""
    for run in runs:
        answers = Counter[str]()
        for statuses in run.outcomes.values():
            answers.update(statuses)
        if answers.total():
            yield sum(answers[status] for status in REFUSALS) / answers.total()


def _all_paid(runs: Sequence[RunResult]) -> bool:
    """Whether every seat on sale was paid for in every run."""
    return all(0 < run.tables.get("seat", 0) <= run.tables.get("booking:PAID", 0) for run in runs)


def _told_at(failure: Failure, terms: Terms) -> Failure:
    resource = failure["resource"]
    return {
        **failure,
        "rounded": resource in terms.rounded,
        "setting": terms.settings.get(resource),
    }


def _endpoint(criterion: Criterion, runs: Sequence[RunResult]) -> str:
    """The endpoint that a threshold is about; of durations, the one that is slowest most often."""
    tags = dict(criterion.measure.tags)
    if "endpoint" in tags:
        return tags["endpoint"]
    if criterion.measure.metric == STEP_FAILED:
        return STEPS[tags["step"]][-1]
    if criterion.measure.metric != _DURATIONS:
        return ""
    slow = Counter[str]()
    for run in runs:
        for endpoint, counts in run.outcomes.items():
            statistics = run.metrics.get(f"{_DURATIONS}{{endpoint:{endpoint}}}", {})
            if statistics.get(criterion.measure.aggregation, 0.0) > criterion.bound:
                slow[endpoint] += sum(counts.values())
    return slow.most_common(1)[0][0] if slow else ""


def _step_of(endpoint: str) -> str:
    if endpoint == POLL:
        return "polls"
    return next((step for step, several in STEPS.items() if endpoint in several), endpoint)


def _endpoints(runs: Sequence[RunResult]) -> list[str]:
    return list(dict.fromkeys(endpoint for run in runs for endpoint in run.errors))


def _errors(runs: Sequence[RunResult], endpoints: Sequence[str]) -> Counter[str]:
    found = Counter[str]()
    for run in runs:
        for endpoint in endpoints:
            found.update(run.errors.get(endpoint, {}))
    return found


def _errors_but_refusals(runs: Sequence[RunResult], endpoints: Sequence[str]) -> Counter[str]:
    found = Counter[str]()
    for endpoint in endpoints:
        found.update(causes_at(runs, endpoint))
    return found


def _failed_steps(steps: Mapping[str, StepCounts], full: Sequence[Full]) -> Iterator[Failure]:
    for name, counts in steps.items():
        if counts["failed_share"] > counts["limit"]:
            share, limit, causes = counts["failed_share"], counts["limit"], counts["causes"]
            yield _failure("step", name, name, share, limit, causes, full)


def _failed_sale(
    people: People, runs: Sequence[RunResult], full: Sequence[Full]
) -> Iterator[Failure]:
    """Nobody was let in, though people were asking to the end."""
    asked = any(run.outcomes for run in runs)
    if asked and _sells_tickets(runs) and people["came"] and not people["got_in"]:
        causes = _errors(runs, STEPS["token"])
        yield _failure("sale", "nobody was let in", "token", 0.0, None, causes, full)


def _sells_tickets(runs: Sequence[RunResult]) -> bool:
    """Whether the ticket service was simulated: only an application has this invariant."""
    return not any("transactions_left_open" in run.invariants for run in runs)


def _failed_invariants(broken: Mapping[str, float], runs: Sequence[RunResult]) -> Iterator[Failure]:
    for name, count in broken.items():
        failure = _failure("invariant", name, "", count, 0.0, {}, ())
        if len(runs) > 1:
            counts = [run.invariants.get(name, 0) for run in runs]
            failure["worst"] = max(counts)
            failure["runs_broken"] = sum(one > 0 for one in counts)
        yield failure


def _failure(
    kind: Literal["threshold", "step", "sale", "invariant"],
    name: str,
    step: str,
    value: float | None,
    limit: float | None,
    causes: Mapping[str, float],
    full: Sequence[Full],
) -> Failure:
    total = sum(causes.values())
    cause = max(causes, key=lambda one: causes[one]) if total else ""
    behind = CAUSED_BY.get(cause, "")
    if not behind and full and cause in _SLOW:
        behind = full[0]["key"]
    return {
        "kind": kind,
        "name": name,
        "step": step,
        "value": value,
        "limit": limit,
        "at_full_size": False,
        "cause": cause,
        "cause_share": causes[cause] / total if cause else 0.0,
        "resource": behind,
        "rounded": False,
    }
