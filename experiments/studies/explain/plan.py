"""Plans the work of an explanation: shares out `--budget`, or the default of 20 minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from experiments.errors import ConfigError
from experiments.runs.budget import Budget
from experiments.studies.explain.inference import Plan

FEWEST_PARTICLES: Final = 8
_FEWEST_LEVELS: Final = 2
_LEVELS: Final = 7
_PARTICLES: Final = 54
_FULL_SIZE: Final = 12
_REPLICATIONS: Final = 3
_TO_INFERENCE: Final = 0.65
_TO_FULL_SIZE: Final = 0.05


@dataclass(frozen=True)
class Work:
    """What is run: the inference, worlds of the best region at full size, the attribution.

    `replications` of every coalition; 0 leaves the attribution out. `other_scale`: whether the
    attribution is made at a second scale as well.
    """

    inference: Plan
    full_size: int
    replications: int
    other_scale: bool


@dataclass(frozen=True)
class Thorough:
    """What `--full` adds: random orders of single defects, and worlds to infer back."""

    orders: int
    truths: int
    calibration: Plan


THOROUGH: Final = Thorough(orders=6, truths=16, calibration=Plan(54, 7))


def work_of(budget: Budget, models: int, coalitions: int, own: int | None) -> Work:
    """Share out a budget.

    Args:
        budget: a number of runs decides how much is done; wall time only ends it early.
        models: that are compared.
        coalitions: of the attribution, 0 without one.
        own: replications that the user asked for.

    Raises:
        ConfigError: too few runs for any answer.
    """
    replications = own or _REPLICATIONS
    if budget.runs is None:
        own_plan = Plan(_PARTICLES, _LEVELS)
        return Work(own_plan, _FULL_SIZE, replications if coalitions else 0, other_scale=True)
    fewest = Plan(FEWEST_PARTICLES, _FEWEST_LEVELS).runs(models) + 1
    if budget.runs < fewest:
        raise ConfigError(
            "--budget",
            "",
            f"{budget.runs} runs are too few for any answer; allowed: at least {fewest} for "
            f"{models} models",
        )
    inference = _inference(budget.runs, models)
    left = budget.runs - inference.runs(models)
    full_size = min(left, _FULL_SIZE, max(1, round(_TO_FULL_SIZE * budget.runs)))
    affordable = (left - full_size) // coalitions if coalitions else 0
    return Work(inference, full_size, min(replications, affordable), affordable >= 2 * replications)


def _inference(runs: int, models: int) -> Plan:
    for levels in range(_LEVELS, _FEWEST_LEVELS - 1, -1):
        particles = int(_TO_INFERENCE * runs / (models * (1 + levels)))
        if particles >= 2 * FEWEST_PARTICLES:
            return Plan(particles, levels)
    return Plan(FEWEST_PARTICLES, _FEWEST_LEVELS)


def budget_in_words(budget: Budget) -> Mapping[str, float | None]:
    """The budget as it is reported."""
    return {"runs": budget.runs, "seconds": budget.duration_s}
