"""Reuses a finished run when two configs differ only in policy switches that the run never read."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from experiments.config.reading import Config
from experiments.runs.storage.store import identity_of, key_of
from experiments.runs.wanted import Wanted
from sim.result import RunResult

_POLICY: Final = "policy"


class FinishedRuns:
    """Finished runs, to be found again under other policies."""

    def __init__(self) -> None:
        self._finished: dict[Any, dict[Any, tuple[Config, RunResult]]] = {}
        # The config is kept as well: its id must not become that of another config.
        self._digests: dict[int, tuple[Config, str]] = {}

    def add(self, wanted: Wanted, run: RunResult) -> None:
        """Remember a run that ended by itself."""
        config = wanted.config
        if config is not None and run.consulted is not None and not run.partial:
            policy = tuple(sorted(config.resolved[_POLICY].items()))
            self._alike(wanted, config)[policy] = config, run

    def find(self, wanted: Wanted) -> RunResult | None:
        """The finished run that is the same as the wanted one; None if there is none."""
        if wanted.config is None:
            return None
        for other, run in self._alike(wanted, wanted.config).values():
            if switches_between(wanted.config, other).isdisjoint(run.consulted or ()):
                return run
        return None

    def _alike(self, wanted: Wanted, config: Config) -> dict[Any, tuple[Config, RunResult]]:
        """Policy -> config and finished run, where nothing but the policy differs."""
        task = wanted.task
        everything_else = (self._digest(config), task.seed, task.scale, task.limits)
        return self._finished.setdefault(everything_else, {})

    def _digest(self, config: Config) -> str:
        """The digest of everything in a config but the policy."""
        known = self._digests.get(id(config))
        if known is None:
            identity = identity_of(config.resolved, 0, 1.0)
            rest = {key: value for key, value in identity.config.items() if key != _POLICY}
            known = config, key_of(dataclasses.replace(identity, config=rest))
            self._digests[id(config)] = known
        return known[1]


def switches_between(one: Config, other: Config) -> set[str]:
    """Fields of the policy in which two configs differ."""
    before, after = one.resolved[_POLICY], other.resolved[_POLICY]
    # A field without a value is left out of a resolved config.
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
