"""From coordinates of the unit cube to worlds: priors, hypotheses, and what both set."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from experiments.config.explain_settings import Explain, Prior
from experiments.config.keys import lies_in, nearest
from experiments.config.reading import Config, check
from experiments.config.sources import Merged, Table, merge, show_value
from experiments.errors import ConfigError
from experiments.studies.explain.inference import Point

STOPPED: Final = "load.stages"
"""Stands for the second at which the load was stopped by hand."""
TARGETS: Final = "load.stages.target"
"""Stands for the targets of all stages."""
_GRACE: Final = "load.graceful_stop_s"
_LABEL: Final = "label"
"""In a table of keys: how tables of results call it."""
AS_IT_IS: Final = "(as it is)"
"""The only model of a config without hypotheses."""


@dataclass(frozen=True)
class Unknown:
    """One coordinate: an unknown input and, if it only matters under one, its hypothesis."""

    name: str
    prior: Prior
    hypothesis: str = ""

    def value(self, coordinate: float) -> Any:
        """What a coordinate from 0 to 1 stands for; the prior is uniform over coordinates."""
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
        """What it sets. An early end cuts whatever stages there are, so it only sets the rest."""
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
            return ", ".join(f"{key}={show_value(inner)}" for key, inner in value.items())
        if isinstance(value, float):
            return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"  # noqa: PLR2004 (digits)
        return str(value)


class Unknowns:
    """The unknowns of a config and the worlds that they span."""

    def __init__(self, merged: Merged, base: Config, source: str) -> None:
        """Check everything that can be wrong.

        Raises:
            ConfigError: a prior without support, an unknown key or a value that is not allowed,
                a combination of hypotheses that do not exist, a key that is drawn and set again.
        """
        self._merged = merged
        self._base = base
        self._source = source
        settings = base.header.explain
        self._hypotheses = settings.hypotheses
        self.unknowns = list(_all_unknowns(settings))
        self.models = self._models(settings)
        for unknown in self.unknowns:
            self._check(unknown)
        for model in self.models:
            self._check_owners(model)

    def _models(self, settings: Explain) -> dict[str, tuple[str, ...]]:
        """Name -> hypotheses at work, of everything that is compared."""
        if not settings.hypotheses:
            return {AS_IT_IS: ()}
        together = settings.combinations or (tuple(settings.hypotheses),)
        for combination in together:
            for name in combination:
                if name not in settings.hypotheses:
                    raise ConfigError(
                        self._source,
                        "explain.combinations",
                        f"no hypothesis {name}; allowed: {', '.join(settings.hypotheses)}",
                        nearest=nearest(name, settings.hypotheses),
                    )
        alone = [(name,) for name in settings.hypotheses]
        return {"+".join(names): names for names in dict.fromkeys([*alone, *together])}

    def _check(self, unknown: Unknown) -> None:
        where = _place(unknown)
        problem = _without_support(unknown.prior)
        if problem:
            raise ConfigError(self._source, where, problem)
        for corner in unknown.corners:
            check(self._with([(unknown, corner)], self._merged), self._source)

    def _check_owners(self, model: str) -> None:
        """Refuse a model in which a key is drawn twice, or drawn and set by a hypothesis."""
        owners = {
            key: f"explain.hypotheses.{name}.{'on' if name in self.models[model] else 'off'}"
            for name, hypothesis in self._hypotheses.items()
            for key in (hypothesis.on if name in self.models[model] else hypothesis.off)
        }
        for unknown in self.in_model(model):
            for key in unknown.keys:
                for other, owner in owners.items():
                    if _overwrites(key, other):
                        raise ConfigError(
                            self._source,
                            _place(unknown),
                            f"{key} is set by {owner} too, both in the model {model}; "
                            "allowed: one of them",
                        )
            owners |= dict.fromkeys(unknown.keys, _place(unknown))

    def in_model(self, model: str) -> list[Unknown]:
        """The unknowns that matter in a model."""
        at_work = {"", *self.models[model]}
        return [unknown for unknown in self.unknowns if unknown.hypothesis in at_work]

    def config(self, model: str, point: Point) -> Config:
        """The world of a model at a point."""
        return check(self.merged(model, point), self._source)

    def merged(self, model: str, point: Point, *, to_its_end: bool = False) -> Merged:
        """The same as a table, to be changed further.

        Args:
            model: which hypotheses are at work.
            point: one coordinate for each unknown.
            to_its_end: leave the load running although it was stopped by hand.
        """
        table: Table = {}
        merge(table, self._merged.table)
        at_work = self.models[model]
        for name, hypothesis in self._hypotheses.items():
            _put_all(table, hypothesis.on if name in at_work else hypothesis.off)
        chosen = [
            (unknown, coordinate)
            for unknown, coordinate in zip(self.unknowns, point, strict=True)
            if unknown in self.in_model(model) and not (to_its_end and unknown.prior.key == STOPPED)
        ]
        return self._with(chosen, Merged(table, self._merged.origins))

    def _with(self, chosen: Sequence[tuple[Unknown, float]], merged: Merged) -> Merged:
        table: Table = {}
        merge(table, merged.table)
        origins = dict(merged.origins)
        # The load is cut last: its targets may be unknown as well.
        for unknown, coordinate in sorted(chosen, key=lambda pair: pair[0].prior.key == STOPPED):
            for key, value in self._settings(unknown, coordinate, table):
                _put(table, key, value, self._source, _place(unknown))
                origins[key] = f"{self._source}: {_place(unknown)}"
        return Merged(table, origins)

    def _settings(
        self, unknown: Unknown, coordinate: float, table: Table
    ) -> Iterator[tuple[str, Any]]:
        """The keys that an unknown sets, with their values."""
        prior, value = unknown.prior, unknown.value(coordinate)
        if not prior.key:
            yield from ((key, inner) for key, inner in value.items() if key != _LABEL)
        elif prior.key == TARGETS:
            stages = self._stages(table, unknown)
            targets = [stage["target"] * value if prior.scales else value for stage in stages]
            yield (
                STOPPED,
                [
                    {**stage, "target": float(round(target))}
                    for stage, target in zip(stages, targets, strict=True)
                ],
            )
        elif prior.key == STOPPED:
            stages = self._stages(table, unknown)
            if value < sum(stage["duration_s"] for stage in stages):
                yield STOPPED, stopped_after(stages, value)
                yield _GRACE, 0.0
        else:
            present = _value_at(self._base.resolved, prior.key)
            if prior.scales:
                value = value * present
            whole = isinstance(present, int) and not isinstance(present, bool)
            yield prior.key, round(value) if whole and isinstance(value, float) else value

    def _stages(self, table: Table, unknown: Unknown) -> list[Table]:
        stages = _value_at(table, STOPPED) or _value_at(self._base.resolved, STOPPED)
        if not isinstance(stages, list) or not stages or "duration_s" not in stages[0]:
            raise ConfigError(
                self._source, _place(unknown), "the load has no stages; allowed: ramping-vus"
            )
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


def _all_unknowns(settings: Explain) -> Iterator[Unknown]:
    for name, prior in settings.priors.items():
        yield Unknown(name, prior)
    for owner, hypothesis in settings.hypotheses.items():
        for name, prior in hypothesis.priors.items():
            yield Unknown(name, prior, owner)


def _overwrites(key: str, other: str) -> bool:
    """Whether setting `key` after `other` changes what that has set."""
    if key == TARGETS:
        # Of whatever stages there are.
        return other == TARGETS
    return lies_in(key, other) or lies_in(other, key)


def _place(unknown: Unknown) -> str:
    owner = f"hypotheses.{unknown.hypothesis}." if unknown.hypothesis else ""
    return f"explain.{owner}priors.{unknown.name}"


def _without_support(prior: Prior) -> str:
    """What keeps a prior from having any value; nothing when it has some."""
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


def _value_at(table: Any, key: str) -> Any:
    for part in key.split("."):
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _put_all(table: Table, settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        _put(table, key, value, "explain.hypotheses", key)


def _put(table: Table, key: str, value: Any, source: str, place: str) -> None:
    *above, last = key.split(".")
    for part in above:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(source, place, f"{key}: there is a single value above this key")
        table = inner
    table[last] = value
