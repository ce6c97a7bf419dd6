"""From coordinates of the unit cube to worlds: priors, hypotheses, and what both set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from experiments.config.explain_settings import Explain
from experiments.config.keys import nearest
from experiments.config.reading import Config, check
from experiments.config.sources import Merged, Table, merge
from experiments.config.unknown import (
    STOPPED,
    TARGETS,
    Unknown,
    overwrites,
    put,
    value_at,
    with_values,
    without_support,
)
from experiments.config.worlds import without_unknowns
from experiments.errors import ConfigError
from experiments.studies.explain.inference import Point

AS_IT_IS: Final = "(as it is)"
"""The only model of a config without hypotheses."""


class Unknowns:
    """The unknowns of a config and the worlds that they span."""

    def __init__(self, merged: Merged, base: Config, source: str) -> None:
        """Check everything that can be wrong.

        Raises:
            ConfigError: a prior without support, an unknown key or a value that is not allowed,
                a combination of hypotheses that do not exist, a key that is drawn and set again.
        """
        # Worlds drawn for other commands are not what is inferred.
        self._merged = without_unknowns(merged)
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
        alone = [(name,) for name in settings.hypotheses if settings.alone]
        return {"+".join(names): names for names in dict.fromkeys([*alone, *together])}

    def _check(self, unknown: Unknown) -> None:
        where = _place(unknown)
        if not unknown.prior.reason:
            raise ConfigError(self._source, f"{where}.reason", "this key is required")
        problem = without_support(unknown.prior)
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
                    if overwrites(key, other):
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

    def settings(self, model: str, point: Point) -> dict[str, Any]:
        """The dotted keys that make the config the world of a model at a point."""
        merged = self.merged(model, point)
        at_work = self.models[model]
        keys = [
            key
            for name, hypothesis in self._hypotheses.items()
            for key in (hypothesis.on if name in at_work else hypothesis.off)
        ]
        for unknown in self.in_model(model):
            staged = unknown.prior.key in {STOPPED, TARGETS}
            keys += [STOPPED] if staged else []
            keys += [key for key in unknown.keys if key != TARGETS]
        values = {key: value_at(merged.table, key) for key in dict.fromkeys(keys)}
        return {key: value for key, value in values.items() if value is not None}

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
        return with_values(chosen, merged, self._base.resolved, self._source, _place)


def _all_unknowns(settings: Explain) -> Iterator[Unknown]:
    for name, prior in settings.priors.items():
        yield Unknown(name, prior)
    for owner, hypothesis in settings.hypotheses.items():
        for name, prior in hypothesis.priors.items():
            yield Unknown(name, prior, owner)


def _place(unknown: Unknown) -> str:
    owner = f"hypotheses.{unknown.hypothesis}." if unknown.hypothesis else ""
    return f"explain.{owner}priors.{unknown.name}"


def _put_all(table: Table, settings: Mapping[str, Any]) -> None:
    for key, value in settings.items():
        put(table, key, value, "explain.hypotheses", key)
