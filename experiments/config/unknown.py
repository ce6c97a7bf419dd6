"""One unknown input: which values it may have, and how a value gets into a config.

A prior is uniform over coordinates from 0 to 1; `Unknown.value` turns a coordinate into a value.
`explain` infers such coordinates, `[unknowns]` draws them (`experiments.config.worlds`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from experiments.config.explain_settings import Prior
from experiments.config.keys import lies_in
from experiments.config.sources import Merged, Table, merge
from experiments.errors import ConfigError

STOPPED: Final = "load.stages"
"""Stands for the second at which the load was stopped by hand."""
TARGETS: Final = "load.stages.target"
"""Stands for the targets of all stages."""
_GRACE: Final = "load.graceful_stop_s"
_LABEL: Final = "label"
"""In a table of keys: how tables of results call it."""


@dataclass(frozen=True)
class Unknown:
    """One coordinate: an unknown input and, if it only matters under one, its hypothesis."""

    name: str
    prior: Prior
    hypothesis: str = ""

    def value(self, coordinate: float) -> Any:
        """The value at a coordinate from 0 to 1; the prior is uniform over coordinates."""
        prior = self.prior
        if prior.distribution == "choice":
            return prior.values[self.choice(coordinate)]
        low, high = float(prior.low or 0.0), float(prior.high or 0.0)
        if prior.distribution == "log-uniform":
            return low * (high / low) ** coordinate
        return low + (high - low) * coordinate

    def choice(self, coordinate: float) -> int:
        """Which of the values of a choice a coordinate stands for."""
        reached = 0.0
        for index, share in enumerate(self.shares):
            reached += share
            if coordinate < reached:
                return index
        return max(index for index, share in enumerate(self.shares) if share > 0.0)

    @property
    def keys(self) -> list[str]:
        """The keys that the unknown sets. An early end cuts the stages of the config."""
        if self.prior.key == STOPPED:
            return [_GRACE]
        if self.prior.key:
            return [self.prior.key]
        likely = zip(self.prior.values, self.shares, strict=True)
        tables = [value for value, share in likely if share > 0.0 and isinstance(value, Mapping)]
        return sorted({key for table in tables for key in table if key != _LABEL})

    @property
    def shares(self) -> list[float]:
        """Prior probabilities of the values of a choice."""
        weights = self.prior.weights or (1.0,) * len(self.prior.values)
        return [weight / sum(weights) for weight in weights]

    @property
    def is_choice(self) -> bool:
        """Whether it has a few values instead of a range."""
        return self.prior.distribution == "choice"

    @property
    def corners(self) -> list[float]:
        """Coordinates at the ends of the range, or one within each value of the choice."""
        if not self.is_choice:
            return [0.0, 1.0]
        ends = [math.fsum(self.shares[:index]) for index in range(len(self.shares) + 1)]
        return [(low + high) / 2 for low, high in itertools.pairwise(ends) if low < high]

    def show(self, coordinate: float) -> str:
        """The value at a coordinate, for people."""
        return self.show_value(self.value(coordinate))

    @staticmethod
    def show_value(value: Any) -> str:
        """A value for people."""
        if isinstance(value, Mapping):
            if _LABEL in value:
                return str(value[_LABEL])
            inner = value.items()
            return ", ".join(f"{key}={Unknown.show_value(one)}" for key, one in inner)
        if isinstance(value, float):
            return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"  # noqa: PLR2004 (digits)
        return str(value)


def with_values(
    chosen: Sequence[tuple[Unknown, float]],
    merged: Merged,
    resolved: Mapping[str, Any],
    source: str,
    place: Callable[[Unknown], str],
) -> Merged:
    """A config with values in the place of its unknowns.

    Args:
        chosen: unknowns with their coordinates.
        merged: the config's tables, which stay as they are.
        resolved: the checked config, for values that stand nowhere.
        source: the file that messages name.
        place: where in it an unknown stands.

    Raises:
        ConfigError: a value above a key, or an unknown of stages that the load does not have.
    """
    table: Table = {}
    merge(table, merged.table)
    origins = dict(merged.origins)
    # The load is cut last: its targets may be unknown as well.
    for unknown, coordinate in sorted(chosen, key=lambda pair: pair[0].prior.key == STOPPED):
        where = place(unknown)
        try:
            settings = list(_settings_of(unknown, coordinate, table, resolved))
        except ValueError as error:
            raise ConfigError(source, where, str(error)) from error
        for key, value in settings:
            put(table, key, value, source, where)
            origins[key] = f"{source}: {where}"
    return Merged(table, origins)


def _settings_of(
    unknown: Unknown, coordinate: float, table: Table, resolved: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """The keys that an unknown sets. Raises ValueError if it needs stages and there are none."""
    prior, value = unknown.prior, unknown.value(coordinate)
    if not prior.key:
        yield from ((key, inner) for key, inner in value.items() if key != _LABEL)
    elif prior.key == TARGETS:
        stages = _stages(table, resolved)
        targets = [stage["target"] * value if prior.scales else value for stage in stages]
        pairs = zip(stages, targets, strict=True)
        yield STOPPED, [{**stage, "target": float(round(target))} for stage, target in pairs]
    elif prior.key == STOPPED:
        stages = _stages(table, resolved)
        if value < sum(stage["duration_s"] for stage in stages):
            yield STOPPED, stopped_after(stages, value)
            yield _GRACE, 0.0
    else:
        present = value_at(resolved, prior.key)
        if prior.scales:
            value = value * present
        whole = isinstance(present, int) and not isinstance(present, bool)
        yield prior.key, round(value) if whole and isinstance(value, float) else value


def _stages(table: Table, resolved: Mapping[str, Any]) -> list[Table]:
    stages = value_at(table, STOPPED) or value_at(resolved, STOPPED)
    if not isinstance(stages, list) or not stages or "duration_s" not in stages[0]:
        raise ValueError("the load has no stages; allowed: ramping-vus")
    return stages


def stopped_after(stages: Sequence[Mapping[str, float]], end_s: float) -> list[dict[str, float]]:
    """The stages of a ramp up to a moment, at which nobody may finish anything."""
    cut: list[dict[str, float]] = []
    began_s = before = 0.0
    for stage in stages:
        duration_s, target = stage["duration_s"], stage["target"]
        if began_s + duration_s >= end_s:
            share = (end_s - began_s) / duration_s if duration_s else 1.0
            reached = before + share * (target - before)
            return [*cut, {"duration_s": end_s - began_s, "target": float(round(reached))}]
        cut.append({"duration_s": duration_s, "target": target})
        began_s, before = began_s + duration_s, target
    return cut


def overwrites(key: str, other: str) -> bool:
    """Whether setting `key` after `other` changes what that has set."""
    if key == TARGETS:
        # Of whatever stages there are.
        return other == TARGETS
    return lies_in(key, other) or lies_in(other, key)


def without_support(prior: Prior) -> str:
    """Faults of a prior that leave it without any value."""
    if prior.distribution == "choice":
        return _choice_without_support(prior)
    if not prior.key:
        return "a range needs a key; allowed: the dotted path of a config key"
    if prior.low is None or prior.high is None:
        return f"no support: {prior.distribution} needs low and high"
    if not prior.low < prior.high:
        return f"no support: low = {prior.low:g}, high = {prior.high:g}; allowed: low below high"
    if prior.distribution == "log-uniform" and prior.low <= 0:
        return f"no support: low = {prior.low:g}; allowed for log-uniform: more than 0"
    return ""


def _choice_without_support(prior: Prior) -> str:
    if not prior.values:
        return "no support: a choice needs values"
    if prior.weights and len(prior.weights) != len(prior.values):
        return f"{len(prior.weights)} weights for {len(prior.values)} values; allowed: one each"
    if prior.weights and (min(prior.weights) < 0 or not sum(prior.weights) > 0):
        return "no support: allowed: weights of at least 0, not all 0"
    if not prior.key and not all(isinstance(value, Mapping) for value in prior.values):
        return "without a key each value must be a table of keys"
    return ""


def value_at(table: Any, key: str) -> Any:
    """The value at a dotted key of tables and lists; None where there is none."""
    for part in key.split("."):
        if isinstance(table, list):
            table = table[int(part)] if part.isdecimal() and int(part) < len(table) else None
        else:
            table = table.get(part) if isinstance(table, Mapping) else None
    return table


def put(table: Table, key: str, value: Any, source: str, place: str) -> None:
    """Set a dotted key. Raises ConfigError where there is a single value above it."""
    *above, last = key.split(".")
    inner: Any = table
    for part in above:
        if isinstance(inner, list) and part.isdecimal() and int(part) < len(inner):
            inner = inner[int(part)]
        elif isinstance(inner, dict):
            inner = inner.setdefault(part, {})
        if not isinstance(inner, dict | list):
            raise ConfigError(source, place, f"{key}: there is a single value above this key")
    if isinstance(inner, list):
        if not last.isdecimal() or int(last) >= len(inner):
            raise ConfigError(source, place, f"{key}: allowed: a position in the list")
        inner[int(last)] = value
    else:
        inner[last] = value
