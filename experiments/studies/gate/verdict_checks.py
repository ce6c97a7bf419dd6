"""Checks of a world that agree with its verdict.

Besides the thresholds of the config, the limits of the steps of buying are checked, with the same
statistics; and what the verdict says failed and no threshold is about, such as an invariant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from experiments.errors import ConfigError
from experiments.statistics.full_size import refusal
from experiments.statistics.thresholds import STEP_FAILED, Criterion
from experiments.statistics.verdict import Failure, Terms, Verdict, default_criteria, verdict_on
from experiments.studies.gate.decision import ERROR, Check, judge
from sim.result import RunResult


def refuse_untold(terms: Terms, source: str) -> None:
    """Raise ConfigError for a threshold that cannot be told at the scale of the runs."""
    for criterion in terms.criteria:
        reason = refusal(criterion.measure, terms.scale)
        if reason:
            raise ConfigError(
                source, f'thresholds."{criterion.measure.name}"', f"at --scale below 1: {reason}"
            )


def judged(
    terms: Terms,
    looks: Sequence[int],
    runs: Callable[[int], Sequence[RunResult]],
    baseline: Mapping[int, RunResult] | None = None,
    error: float = ERROR,
    *,
    thresholds_alone: bool = False,
) -> tuple[list[Check], Verdict | None]:
    """The checks of a world, and the verdict on the replications that they rest on.

    Arguments are those of `experiments.studies.gate.decision.judge`, with the terms of the verdict
    for the thresholds. The verdict is None if there is no replication at all.

    With `thresholds_alone` neither steps nor anything else of the verdict is checked: the
    thresholds are about the simulator.
    """
    made: Sequence[RunResult] = ()

    def kept(number: int) -> Sequence[RunResult]:
        nonlocal made
        made = runs(number)
        return made

    defaults = () if thresholds_alone else default_criteria(terms.criteria)
    checks = judge([*terms.criteria, *defaults], looks, kept, baseline, error, terms.scale)
    # A step that nobody came to is no failure of that step.
    checks = [check for check in checks if check["kind"] != "default" or check["value"] is not None]
    if not made:
        return checks, None
    verdict = verdict_on(made, terms)
    if thresholds_alone:
        return checks, verdict
    steps = _checked_steps([*terms.criteria, *defaults])
    others = [failure for failure in verdict["failures"] if not _is_checked(failure, steps)]
    return [*checks, *(_check(failure, len(made)) for failure in others)], verdict


def _checked_steps(criteria: Sequence[Criterion]) -> set[str]:
    """The steps of buying that a threshold is about."""
    measures = [criterion.measure for criterion in criteria]
    return {dict(each.tags)["step"] for each in measures if each.metric == STEP_FAILED}


def _is_checked(failure: Failure, steps: Collection[str]) -> bool:
    """Whether a failure of the verdict is what one of the checks is about."""
    return failure["kind"] == "threshold" or (
        failure["kind"] == "step" and failure["name"] in steps
    )


def _check(failure: Failure, replications: int) -> Check:
    name = {
        "invariant": f"must never happen: {failure['name']}",
        "step": f"{failure['name']} failed",
    }
    return {
        "name": name.get(failure["kind"], failure["name"]),
        "kind": "verdict",
        "outcome": "fail",
        "value": failure["value"],
        "bounds": None,
        "limit": failure["limit"] or 0.0,
        "replications": replications,
        "reason": f"the verdict: {failure['cause'] or failure['kind']}",
    }
