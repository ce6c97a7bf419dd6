"""Thresholds with statistics: pass, fail or inconclusive, on confidence bounds of replications.

A threshold `value < c` passes when the upper bound of the mean over replications is below c, fails
when the lower bound is not, and is otherwise left to more replications. Tries are made at planned
numbers of replications (`experiments.statistics.stopping.looks`); the error of 5 % is divided over
them, and that of failing also over all thresholds and comparisons. So the whole gate fails although
all is well with a probability of 5 % at most, and passes although a threshold is not met likewise.

With a baseline each measure is also compared with the stored runs of the same seeds
(`experiments.statistics.harm`): it fails when a worsening is shown, whatever the threshold says,
passes when a worsening by the stated harm is excluded, and otherwise asks for more replications as
far as the baseline has them to compare with.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NotRequired

from typing_extensions import TypedDict

from experiments.statistics.full_size import at_full_size, grows
from experiments.statistics.harm import HARM, judge_change
from experiments.statistics.intervals import FEWEST_FOR_INTERVALS, Bounds, Interval, bounds
from experiments.statistics.summary import Replication
from experiments.statistics.thresholds import STEP_FAILED, Criterion, holds, kind_of
from experiments.statistics.uncertainty import Uncertainty
from experiments.statistics.verdict import Verdict
from sim.result import RunResult

SCHEMA: Final = 1
ERROR: Final = 0.05
"""Probability of a false alarm, and of a false pass, of the whole gate at most."""
Outcome = Literal["pass", "fail", "inconclusive"]
Kind = Literal["threshold", "baseline", "default"]


class Check(TypedDict):
    """One thing that is decided; `value`, `bounds` and `limit` are at full size."""

    name: str
    kind: Literal["threshold", "baseline", "default", "verdict"]
    """A threshold of the config; its comparison with the baseline; the limit of a step of buying
    that the config does not state; something else that the verdict says failed."""
    outcome: Outcome
    value: float | None
    bounds: Interval
    limit: float
    replications: int
    reason: str
    at_full_size: NotRequired[bool]
    """Whether the numbers were extrapolated from runs at a smaller scale."""
    ratio: NotRequired[float | None]
    """Of a comparison with the baseline: after by before."""


class GateResult(TypedDict):
    """What `ticketsim gate --json` prints; it can be the baseline of another gate."""

    schema: Literal[1]
    config: str
    seed: int
    scale: float
    outcome: Outcome
    false_alarm_rate: float
    replications: int
    looks: list[int]
    partial: bool
    verdict: NotRequired[Verdict]
    checks: list[Check]
    baseline: NotRequired[str]
    uncertainty: NotRequired[Uncertainty]
    met_in_worlds: NotRequired[dict[str, float]]
    """Where something is unknown: each threshold, and the share of worlds that meet it."""
    warnings: NotRequired[list[str]]
    rounded: NotRequired[list[str]]
    """Config keys that the scale leaves too small; a pass is no proof for full size."""
    digest: str
    wall_seconds: float
    runs: list[Replication]


@dataclasses.dataclass(frozen=True)
class LookPlan:
    """When decisions are tried, and with which error each."""

    looks: Sequence[int]
    checks: int
    error: float = ERROR
    scale: float = 1.0

    @property
    def error_of_pass(self) -> float:
        """Passing needs every check to pass, so they need no correction for their number."""
        return self.error / len(self.looks)

    @property
    def error_of_fail(self) -> float:
        """Failing needs one."""
        return self.error / (len(self.looks) * self.checks)


def _decide(criterion: Criterion, passing: Bounds, failing: Bounds) -> Outcome:
    """Try a decision: every number within the bounds must agree about it."""
    operator, limit = criterion.operator, criterion.bound
    if operator in {"==", "===", "!="}:
        return _decide_equal(criterion, passing, failing)
    if holds(passing.low, operator, limit) and holds(passing.high, operator, limit):
        return "pass"
    if not holds(failing.low, operator, limit) and not holds(failing.high, operator, limit):
        return "fail"
    return "inconclusive"


def _decide_equal(criterion: Criterion, passing: Bounds, failing: Bounds) -> Outcome:
    """A mean equals a number for certain only when every replication has it."""
    certain = passing.low == passing.high == criterion.bound
    wanted = criterion.operator != "!="
    if certain:
        return "pass" if wanted else "fail"
    apart = failing if wanted else passing
    if not apart.low <= criterion.bound <= apart.high:
        return "fail" if wanted else "pass"
    return "inconclusive"


class Judge:
    """Decides checks as replications come; a decision once made stands."""

    def __init__(
        self,
        criteria: Sequence[Criterion],
        plan: LookPlan,
        baseline: Mapping[int, RunResult] | None = None,
    ) -> None:
        self._criteria = criteria
        self._plan = plan
        self._baseline = baseline
        self._decided: dict[str, Check] = {}

    def look(self, runs: Sequence[RunResult]) -> list[Check]:
        """Try every check that is still open with these replications, in order of replication."""
        checks = []
        for name, judge in self._judgements():
            known = self._decided.get(name)
            check = known or judge(runs)
            if check["outcome"] != "inconclusive":
                self._decided[name] = check
            checks.append(check)
        return checks

    def aborted(self) -> bool:
        """Whether a threshold with abortOnFail has failed."""
        failed = {name for name, check in self._decided.items() if check["outcome"] == "fail"}
        return any(one.name in failed for one in self._criteria if one.abort_on_fail)

    def _judgements(self) -> list[tuple[str, Callable[[Sequence[RunResult]], Check]]]:
        found: list[tuple[str, Callable[[Sequence[RunResult]], Check]]] = []
        for criterion in self._criteria:
            found.append((criterion.name, functools.partial(self._threshold, criterion)))
            if self._baseline is not None and _is_compared(criterion):
                found.append(
                    (
                        f"{criterion.name} against the baseline",
                        functools.partial(self._against, criterion),
                    )
                )
        return found

    def _value(self, criterion: Criterion, run: RunResult) -> float | None:
        """The number of a run that is judged, at full size."""
        value = criterion.measure.of(run)
        return None if value is None else at_full_size(criterion.measure, value, self._plan.scale)

    def _threshold(self, criterion: Criterion, runs: Sequence[RunResult]) -> Check:
        values = [value for run in runs if (value := self._value(criterion, run)) is not None]
        kind: Kind = "default" if criterion.is_default else "threshold"
        check = self._open(criterion, kind, criterion.bound, len(values))
        if not values:
            return Check({**check, "reason": "no samples"})
        if len(values) < len(runs) and criterion.measure.metric != STEP_FAILED:
            return Check(
                {
                    **check,
                    "value": sum(values) / len(values),
                    "reason": f"no samples in {len(runs) - len(values)} of {len(runs)} runs",
                }
            )
        passing = bounds(values, self._plan.error_of_pass, self._plan.error_of_pass)
        failing = bounds(values, self._plan.error_of_fail, self._plan.error_of_fail)
        if passing is None or failing is None:
            return Check(
                {
                    **check,
                    "value": sum(values) / len(values),
                    "reason": f"below {FEWEST_FOR_INTERVALS} replications nothing is decided",
                }
            )
        outcome = _decide(criterion, passing, failing)
        shown = failing if outcome == "fail" else passing
        return Check(
            {
                **check,
                "outcome": outcome,
                "value": passing.mean,
                "bounds": (shown.low, shown.high),
                "reason": {
                    "pass": "met on the confidence bound",
                    "fail": "not met on the confidence bound",
                    "inconclusive": "the limit lies between the confidence bounds",
                }[outcome],
            }
        )

    def _against(self, criterion: Criterion, runs: Sequence[RunResult]) -> Check:
        stored = self._baseline or {}
        pairs = []
        for run in runs:
            before = self._value(criterion, stored[run.seed]) if run.seed in stored else None
            after = self._value(criterion, run)
            if before is not None and after is not None:
                pairs.append((before, after))
        check = self._open(criterion, "baseline", 0.0, len(pairs))
        found = judge_change(
            pairs,
            criterion.worse,
            kind_of(criterion.measure.metric),
            self._plan.error_of_pass,
            self._plan.error_of_fail,
        )
        if found is None:
            return Check({**check, "reason": "fewer than 3 pairs of runs with samples"})
        return Check(
            {
                **check,
                "outcome": found.outcome,
                "value": found.bounds.mean,
                "bounds": (found.bounds.low, found.bounds.high),
                "ratio": found.ratio,
                "reason": {
                    "fail": "worse than the baseline",
                    "pass": f"no worsening by {HARM:.0%} or more",
                    "inconclusive": f"a worsening by {HARM:.0%} is neither shown nor excluded"
                    + self._too_few(pairs),
                }[found.outcome],
            }
        )

    def _open(self, criterion: Criterion, kind: Kind, limit: float, count: int) -> Check:
        """A check that is not decided yet."""
        against = " against the baseline" if kind == "baseline" else ""
        return {
            "name": f"{criterion.name}{against}",
            "kind": kind,
            "outcome": "inconclusive",
            "value": None,
            "bounds": None,
            "limit": limit,
            "at_full_size": self._plan.scale < 1 and grows(criterion.measure),
            "replications": count,
            "reason": "",
        }

    def _too_few(self, pairs: Sequence[tuple[float, float]]) -> str:
        """What to do where the baseline itself has too few runs."""
        stored = self._baseline or {}
        if len(pairs) < len(stored):
            return ""
        return (
            f"; the baseline has {len(stored)} runs: store one with more "
            "(gate --replications N --json)"
        )


def _is_compared(criterion: Criterion) -> bool:
    """Whether a threshold's number is compared with the baseline."""
    return bool(criterion.worse) and not criterion.is_default


def met_in_worlds(
    criteria: Sequence[Criterion], runs: Sequence[RunResult], scale: float
) -> dict[str, float]:
    """Of each threshold the share of runs that meet it by themselves, of those with samples.

    Args:
        criteria: the thresholds.
        runs: one for each world.
        scale: of the runs; thresholds are compared at full size.
    """
    found: dict[str, float] = {}
    for one in criteria:
        values = [value for run in runs if (value := one.measure.of(run)) is not None]
        if values:
            full = [at_full_size(one.measure, value, scale) for value in values]
            met = [holds(value, one.operator, one.bound) for value in full]
            found[one.name] = sum(met) / len(met)
    return found


def overall(checks: Sequence[Check]) -> Outcome:
    """Fail if one fails, pass if all pass."""
    outcomes = {check["outcome"] for check in checks}
    if "fail" in outcomes:
        return "fail"
    return "inconclusive" if "inconclusive" in outcomes else "pass"


def _needs_more(check: Check, stored: int) -> bool:
    """Whether further replications can decide a check.

    Not where there are no samples, and not where the baseline has no further runs to pair with.
    """
    if check["outcome"] != "inconclusive" or check["value"] is None:
        return False
    return check["kind"] != "baseline" or check["replications"] < stored


def judge(
    criteria: Sequence[Criterion],
    looks: Sequence[int],
    runs: Callable[[int], Sequence[RunResult]],
    baseline: Mapping[int, RunResult] | None = None,
    error: float = ERROR,
    scale: float = 1.0,
) -> list[Check]:
    """The whole procedure, its stopping rule included.

    Args:
        criteria: the thresholds.
        looks: numbers of replications at which decisions are tried, growing.
        runs: makes replications up to a number and returns them; fewer when it could not.
        baseline: seed -> stored run to compare with.
        error: probability of a false alarm, and of a false pass, at most.
        scale: of the runs; thresholds and differences are of full size.
    """
    compared = sum(map(_is_compared, criteria)) if baseline is not None else 0
    plan = LookPlan(looks, max(1, len(criteria) + compared), error, scale)
    referee = Judge(criteria, plan, baseline)
    stored = len(baseline or {})
    checks: list[Check] = []
    for number in looks:
        made = runs(number)
        checks = referee.look(made)
        needed = any(_needs_more(check, stored) for check in checks)
        if not needed or referee.aborted() or len(made) < number:
            break
    return checks
