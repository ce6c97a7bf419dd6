"""One run that a study wants, under a key that no other run has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from experiments.config.reading import Config
from experiments.runs.limits import Limits
from experiments.runs.storage.store import Identity, identity_of, key_of
from experiments.runs.workers.worker import Task, whole
from sim.measure.watched import NOTHING, Watched
from sim.result import RunResult


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One run that a study wants.

    It is kept under `key`. `config` is there if another config may have the same run: see
    `experiments.runs.run_reuse`.
    """

    key: str
    task: Task
    config: Config | None = None


def wanted_run(
    config: Config,
    seed: int,
    scale: float,
    limits: Limits | None = None,
    keeps: Callable[[RunResult], RunResult] = whole,
    watched: Watched = NOTHING,
) -> Wanted:
    """The run of a config with a seed, at a scale; the other arguments as in `Task`."""
    task = Task(0, config.world, seed, scale, limits=limits, keeps=keeps, watched=watched)
    return Wanted(key_of(identity_within(config, task)), task, config)


def identity_within(config: Config, task: Task) -> Identity:
    """Everything that the run of a config depends on, its limits included."""
    if task.limits is None:
        return identity_of(config.resolved, task.seed, task.scale)
    limited = {**config.resolved, "limits": dataclasses.asdict(task.limits)}
    return identity_of(limited, task.seed, task.scale)
