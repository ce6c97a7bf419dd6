"""A load that ends early: real runs are bounded in time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from experiments.errors import ConfigError
from sim.load.settings import (
    Load,
    OpeningCrowd,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    Stage,
    length_s,
)


def cut_all(loads: Sequence[Load], at_most_s: float) -> tuple[Load, ...]:
    """The loads up to a time; loads that begin later are left out.

    Raises:
        ConfigError: see `cut`.
    """
    return tuple(cut(load, at_most_s - load.start_s) for load in loads if load.start_s < at_most_s)


def cut(load: Load, at_most_s: float) -> Load:
    """The load up to a time; unchanged if it ends before.

    Raises:
        ConfigError: the executor has no time at which it could be cut.
    """
    if length_s(load) <= at_most_s:
        return load
    if isinstance(load, RampingVUs | RampingArrivalRate):
        start = load.start_vus if isinstance(load, RampingVUs) else load.start_rate
        return dataclasses.replace(load, stages=_cut_stages(load.stages, start, at_most_s))
    if isinstance(load, OpeningCrowd):
        raise ConfigError(
            "",
            "load.duration_s",
            f"longer than --at-most {at_most_s:g}s, and a crowd cannot be cut short; "
            "allowed: a shorter load, or a longer --at-most",
            value=f"{load.duration_s:g}",
        )
    if isinstance(load, PerVUIterations | SharedIterations):
        return dataclasses.replace(load, max_duration_s=at_most_s)
    return dataclasses.replace(load, duration_s=at_most_s)


def _cut_stages(stages: Sequence[Stage], start: float, at_most_s: float) -> tuple[Stage, ...]:
    kept: list[Stage] = []
    left_s, level = at_most_s, start
    for stage in stages:
        if stage.duration_s >= left_s:
            reached = level + (stage.target - level) * left_s / (stage.duration_s or 1.0)
            kept.append(Stage(left_s, round(reached)))
            break
        kept.append(stage)
        left_s -= stage.duration_s
        level = stage.target
    return tuple(kept)
