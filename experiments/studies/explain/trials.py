"""Runs for an inference: stopped early when they cannot come near any more, made only once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.config.reading import Config
from experiments.runs.budget import Budget
from experiments.runs.failures import raise_if_failed
from experiments.runs.journal import Journal, key_of
from experiments.runs.options import RunOptions
from experiments.runs.replications import stream_replications
from experiments.runs.store import identity_of
from experiments.runs.worker import Task
from sim.customers.shop import GENERATION
from sim.kernel.environment import Environment
from sim.result import RunResult
from sim.run import Progress, simulate

REJECTED = "rejected"
"""How the end of a run begins that was stopped because it could not come near any more."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """From when on a run is hopeless; counts at the scale of the run."""

    tokens: float
    requests: float


@dataclasses.dataclass(frozen=True)
class Trial(Task):
    """A run that ends when it exceeds its limits."""

    limits: Limits | None = None

    def perform(
        self, hear: Callable[[Progress], bool], on_kernel: Callable[[Environment], None]
    ) -> RunResult:
        """Run it here; `hear` is told how far it is and says whether to stop."""
        hopeless = _Hopeless(self.limits)

        def heard(progress: Progress) -> bool:
            return hear(progress) or hopeless.after(progress)

        result = simulate(
            self.world,
            self.seed,
            scale=self.scale,
            progress=heard,
            listener=hopeless.listen if self.limits else None,
            on_kernel=on_kernel,
        )
        ended = hopeless.why or result.ended
        return dataclasses.replace(
            result, ended=ended, metrics=_untagged(result.metrics), series={}
        )


class _Hopeless:
    """Watches a run for what cannot become less any more."""

    def __init__(self, limits: Limits | None) -> None:
        self._limits = limits
        self._tokens = 0
        self.why = ""

    def listen(self, _time_s: float, endpoint: str, status: int, _duration_s: float) -> None:
        """Count tokens: every one that reached a customer is a row."""
        if endpoint == GENERATION and 200 <= status < 400:  # noqa: PLR2004 (as k6 counts)
            self._tokens += 1

    def after(self, progress: Progress) -> bool:
        """Whether it is hopeless now."""
        if self._limits is None:
            return False
        if self._tokens > self._limits.tokens:
            self.why = f"{REJECTED}: too many tokens"
        elif progress.requests > self._limits.requests:
            self.why = f"{REJECTED}: too many requests"
        return bool(self.why)


def _untagged(metrics: Mapping[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Metrics of all requests; those by endpoint would fill the journal."""
    return {name: statistics for name, statistics in metrics.items() if "{" not in name}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A run that is wanted: of which world, with which seed, at which scale."""

    config: Config
    seed: int
    scale: float
    limits: Limits | None = None

    @property
    def key(self) -> str:
        """Everything that it depends on."""
        limits = {"limits": dataclasses.asdict(self.limits)} if self.limits else {}
        resolved: dict[str, Any] = {**self.config.resolved, **limits}
        return key_of(identity_of(resolved, self.seed, self.scale))


class Runs:
    """Makes runs over processes and keeps them; none is made twice."""

    def __init__(self, journal: Journal, options: RunOptions, budget: Budget) -> None:
        self._journal = journal
        self._options = options
        self._purse = budget.started()
        self.interrupted = False
        self._used: set[str] = set()

    @property
    def spent(self) -> bool:
        """Whether nothing further may be run."""
        return self.interrupted or self._purse.seconds_left <= 0.0

    @property
    def used(self) -> int:
        """How many runs the answer is made of."""
        return len(self._used)

    def results(self, wanted: Sequence[Wanted]) -> list[RunResult | None]:
        """The runs in the order asked for; None for those that could not be made any more."""
        keys = [one.key for one in wanted]
        missing = {
            key: one
            for key, one in zip(keys, wanted, strict=True)
            if self._journal.get(key) is None
        }
        if missing and not self.spent:
            self._make(list(missing), list(missing.values()))
        found = [self._journal.get(key) for key in keys]
        self._used.update(key for key, run in zip(keys, found, strict=True) if run is not None)
        return found

    def _make(self, keys: Sequence[str], wanted: Sequence[Wanted]) -> None:
        tasks = [
            Trial(number, one.config.world, one.seed, one.scale, limits=one.limits)
            for number, one in enumerate(wanted)
        ]

        def finished(number: int, result: RunResult) -> bool:
            raise_if_failed(result)
            if result.partial:
                self.interrupted = True
                return True
            self._journal.add(keys[number], result)
            return self._purse.seconds_left <= 0.0

        load = wanted[0].config.world_at(wanted[0].scale).load
        with self._options.display.runs(len(tasks), load) as report:
            heard = stream_replications(tasks, self._options.workers, report, finished)
        self.interrupted = self.interrupted or heard
