"""Runs that need not be made: another config's is the same, as it never asked for what differs."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from experiments.config.reading import Config
from experiments.runs.journal import key_of
from experiments.runs.store import identity_of
from sim.result import RunResult

_POLICY: Final = "policy"


class Twins:
    """Finished runs, to be found again under other policies."""

    def __init__(self) -> None:
        self._finished: dict[tuple[str, int], dict[Any, tuple[Config, RunResult]]] = {}
        # The config is kept as well: its id must not become another one's.
        self._rests: dict[int, tuple[Config, str]] = {}

    def add(self, config: Config, run: RunResult) -> None:
        """Remember a run that came to its end by itself."""
        if run.consulted is not None and not run.partial:
            policy = tuple(sorted(config.resolved[_POLICY].items()))
            self._alike(config, run.seed)[policy] = config, run

    def find(self, config: Config, seed: int) -> RunResult | None:
        """The run that this config would make with this seed, if that is known already."""
        for other, run in self._alike(config, seed).values():
            if switches_between(config, other).isdisjoint(run.consulted or ()):
                return run
        return None

    def _alike(self, config: Config, seed: int) -> dict[Any, tuple[Config, RunResult]]:
        """The finished runs of configs that differ in nothing but the policy, by policy."""
        return self._finished.setdefault((self._rest(config), seed), {})

    def _rest(self, config: Config) -> str:
        """The digest of everything but the policy."""
        known = self._rests.get(id(config))
        if known is None:
            identity = identity_of(config.resolved, 0, 1.0)
            rest = {key: value for key, value in identity.config.items() if key != _POLICY}
            known = config, key_of(dataclasses.replace(identity, config=rest))
            self._rests[id(config)] = known
        return known[1]


def switches_between(one: Config, other: Config) -> set[str]:
    """Fields of the policy in which two configs differ."""
    before, after = one.resolved[_POLICY], other.resolved[_POLICY]
    # A field without a value is left out of a resolved config.
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
