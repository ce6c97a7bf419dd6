"""Reports a broken invariant of a correct service: the seed, the config, the schedule."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from experiments.config.reading import Config
from experiments.errors import ViolationError
from experiments.runs.storage.whole_file import write_text
from experiments.studies.fuzz.replay import replay_config
from experiments.studies.fuzz.shrink import Case, Shrinker
from experiments.studies.fuzz.trial import broken, users_of
from model.policy import Policy
from sim.measure.inspection.decisive import story_in
from sim.result import RunResult
from sim.scale import scaled

_SHRINKING_S: Final = 60.0
_MOST_USERS: Final = 100
"""Users up to which a run is made smaller: inspecting every event of more takes minutes."""


def is_correct(policy: Policy) -> bool:
    """Whether every switch of the policy is on: nothing may ever break."""
    values = (getattr(policy, field.name) for field in dataclasses.fields(policy))
    return all(value for value in values if isinstance(value, bool))


def raise_if_broken(config: Config, scale: float, results: Mapping[int, RunResult]) -> None:
    """Raise if a run of a correct policy, or of an application, broke an invariant.

    A small run is shrunk before.

    Raises:
        ViolationError: with the invariants, the config, the seed, and what shows them again.
    """
    if not is_correct(config.world.policy):
        return
    for run in results.values():
        names = broken(run)
        if names:
            # The policy is the ticket service's; an application's invariants always have to hold.
            where = "" if config.world.app.path else " under a correct policy"
            raise ViolationError(
                f"{config.name}, seed {run.seed}: {', '.join(names)} broken{where}; "
                f"{_again(config, scale, run, names)}"
            )


def _again(config: Config, scale: float, run: RunResult, names: tuple[str, ...]) -> str:
    world = scaled(config.world, scale)
    if users_of(world) > _MOST_USERS:
        return f"again: the same command with --seed {run.seed}"
    inspected = replace(world, search=replace(world.search, inspects=True))
    limit_s = time.monotonic() + _SHRINKING_S
    shrinker = Shrinker(
        Case(inspected, run.seed), names, inspected, lambda: time.monotonic() < limit_s
    )
    smallest = shrinker.shrink()
    for line in story_in(smallest.notes) or smallest.notes:
        sys.stderr.write(f"  {line}\n")
    path = Path(f"replay-{run.seed}.toml")
    write_text(path, replay_config(shrinker.case, config, ", ".join(names), Path()))
    return f"the shortest schedule is above, and again: ticketsim run {path}"
