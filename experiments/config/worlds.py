"""The table `[unknowns]`: replication i draws world i, the same one for every variant.

A distribution is drawn by a hash of seed, name and replication, so that the draws of one unknown
do not depend on which others there are. Of a file of draws that are equally likely each one comes
once in every round of as many replications, in an order that the seed decides; of others each
replication draws by the weights.

What was said after an unknown goes over it: a key that `--set`, a variant or a config on top sets
is known (`known` says so in the resolved config).
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from experiments.config.draws import Draw, DrawsFile, read_draws
from experiments.config.explain_settings import UnknownInput
from experiments.config.keys import lies_in
from experiments.config.sources import Merged, Table, merge, read_merged, read_source
from experiments.config.unknown import (
    Unknown,
    overwrites,
    put,
    value_at,
    with_values,
    without_support,
)
from experiments.errors import ConfigError

TABLE: Final = "unknowns"
_NOT_WORLD: Final = frozenset({"observed", "thresholds", "explain", TABLE})
_MOST_CHECKED: Final = 200
"""Draws of a file that are checked before anything runs; further ones when they are drawn."""


def without_unknowns(merged: Merged) -> Merged:
    """The config without its unknowns: one world, with the values that stand in it."""
    table = {key: value for key, value in merged.table.items() if key != TABLE}
    return Merged(table, merged.origins)


@dataclasses.dataclass(frozen=True)
class _Input:
    """One unknown as it is drawn: by a distribution, or from a file."""

    name: str
    settings: UnknownInput
    file: DrawsFile | None
    known: tuple[str, ...]

    @property
    def unknown(self) -> Unknown:
        return Unknown(self.name, self.settings)

    @property
    def keys(self) -> list[str]:
        return self.file.keys if self.file else self.unknown.keys

    @property
    def drawn(self) -> list[str]:
        """The keys that are still drawn."""
        return [key for key in self.keys if not any(lies_in(key, one) for one in self.known)]


class Worlds:
    """The worlds of a config with unknowns."""

    def __init__(
        self,
        merged: Merged,
        resolved: Mapping[str, Any],
        settings: Mapping[str, UnknownInput],
        name: str,
    ) -> None:
        """Check everything but the values that will be drawn.

        Args:
            merged: the config as combined.
            resolved: the same, checked.
            settings: its table of unknowns.
            name: the file that messages name.

        Raises:
            ConfigError: a distribution without values, two unknowns of one key, a key that is not
                of the world, a file that cannot be used or belongs to another config.
        """
        self._merged = without_unknowns(merged)
        self._resolved = resolved
        self._name = name
        self._order = {path: place for place, path in enumerate(merged.origins)}
        self._origins = merged.origins
        self._inputs = [self._input(one, own) for one, own in settings.items()]
        self._check_owners()

    def _input(self, name: str, settings: UnknownInput) -> _Input:
        place = f"{TABLE}.{name}"
        origin = self._origins.get(f"{place}.draws", self._name)
        if settings.draws:
            if settings.key or settings.values or settings.low is not None:
                problem = "a distribution and a file of draws; allowed: one of them"
                raise ConfigError(origin, place, problem)
            file = read_draws(settings.draws, origin)
            self._check_file(file, settings, place, origin)
            found = _Input(name, settings, file, ())
        else:
            wrong = without_support(settings)
            if wrong:
                raise ConfigError(self._origins.get(place, self._name), place, wrong)
            found = _Input(name, settings, None, ())
        for key in found.keys:
            self._check_key(key, place)
        known = (*settings.known, *self._known(found, place))
        return dataclasses.replace(found, known=tuple(dict.fromkeys(known)))

    def _check_file(self, file: DrawsFile, settings: UnknownInput, place: str, origin: str) -> None:
        if settings.sha256 not in {"", file.sha256}:
            raise ConfigError(
                origin,
                f"{place}.sha256",
                f"{file.name} has changed: it has the digest {file.sha256[:12]}...; allowed: the "
                "file as it was, or no sha256",
                value=f"{settings.sha256[:12]}...",
            )
        names = {str(self._resolved.get("name", "")), _name_in(origin)}
        if file.config not in names:
            raise ConfigError(
                origin,
                f"{place}.draws",
                f"{file.name} holds worlds of another config, {file.config}; allowed: worlds of "
                f"{' or '.join(sorted(names - {''}))}",
            )

    def _check_key(self, key: str, place: str) -> None:
        table = key.partition(".")[0]
        present = self._resolved.get(table, {})
        if not isinstance(present, Mapping | list) or table in _NOT_WORLD:
            raise ConfigError(
                self._origins.get(place, self._name),
                place,
                "not part of the world; allowed: a key of one of its tables",
                value=key,
            )

    def _known(self, found: _Input, place: str) -> Iterator[str]:
        """Keys that were said after the unknown, elsewhere: they are known."""
        said = [f"{place}.{part}" for part in ("draws", "key", "values")]
        at = next((path for path in said if path in self._order), place)
        for path, origin in self._origins.items():
            later = self._order[path] > self._order.get(at, -1)
            if not later or origin == self._origins.get(at, self._name):
                continue
            value = value_at(self._merged.table, path)
            if isinstance(value, Mapping) or value is None:
                continue
            if any(overwrites(key, path) for key in found.keys):
                yield path

    def _check_owners(self) -> None:
        owners: dict[str, str] = {}
        for one in self._inputs:
            place = f"{TABLE}.{one.name}"
            for key in one.drawn:
                for other, owner in owners.items():
                    if overwrites(key, other):
                        raise ConfigError(
                            self._origins.get(place, self._name),
                            place,
                            f"{key} is drawn by {owner} too; allowed: one of them",
                        )
            owners |= dict.fromkeys(one.drawn, place)

    @property
    def names(self) -> list[str]:
        """The unknowns that are still drawn."""
        return [one.name for one in self._inputs if one.drawn]

    @property
    def files(self) -> list[DrawsFile]:
        """The files of draws that are used."""
        return [one.file for one in self._inputs if one.file and one.drawn]

    def resolved(self) -> dict[str, dict[str, Any]]:
        """Each unknown's entry in the resolved config, beside its settings."""
        return {
            one.name: {
                **({"sha256": one.file.sha256} if one.file else {}),
                **({"known": list(one.known)} if one.known else {}),
            }
            for one in self._inputs
        }

    def relative_to(self, folder: Path) -> dict[str, dict[str, Any]]:
        """The resolved table, for a config in that folder: files are found from there."""
        table: dict[str, dict[str, Any]] = {}
        merge(table, self._resolved.get(TABLE, {}))
        for one in self._inputs:
            if one.file and one.file.path:
                table[one.name]["draws"] = os.path.relpath(one.file.path, folder)
        return table

    def merged(self, seed: int, number: int) -> Merged:
        """World `number` (0 upwards) of a seed, as a config without unknowns."""
        chosen = [self._drawn(one, seed, number) for one in self._inputs if one.drawn]
        return self._with(chosen)

    def settings(self, seed: int, number: int) -> dict[str, Any]:
        """The drawn keys of a world with their values, for people and tables."""
        table = self.merged(seed, number).table
        keys = [key for one in self._inputs for key in one.drawn]
        paths = [_real(key) for key in keys]
        return {path: value_at(table, path) for path in dict.fromkeys(paths)}

    def possible(self) -> Iterator[tuple[str, Merged]]:
        """Worlds at the ends of each unknown by itself, to be checked: (which, config)."""
        for one in self._inputs:
            if not one.drawn:
                continue
            if one.file:
                for draw in one.file.draws[:_MOST_CHECKED]:
                    yield f"draw {draw.number}", self._with([(one, draw)])
            else:
                for corner in one.unknown.corners:
                    yield "", self._with([(one, corner)])

    @staticmethod
    def _drawn(one: _Input, seed: int, number: int) -> tuple[_Input, Draw | float]:
        if one.file is None:
            return one, uniform(f"{seed}/{one.name}/{number}")
        return one, choose(one.file.draws, f"{seed}/{one.name}", number)

    def _with(self, chosen: Sequence[tuple[_Input, Draw | float]]) -> Merged:
        values = [(one.unknown, at) for one, at in chosen if isinstance(at, float)]
        merged = with_values(
            values, self._merged, self._resolved, self._name, lambda one: f"{TABLE}.{one.name}"
        )
        table: Table = {}
        merge(table, merged.table)
        origins = dict(merged.origins)
        for one, at in chosen:
            if isinstance(at, Draw) and one.file:
                for key, value in at.settings.items():
                    put(table, key, value, one.file.name, f"draw {at.number}")
                    origins[key] = f"{one.file.name}: draw {at.number}"
        for path in itertools.chain.from_iterable(one.known for one, _ in chosen):
            value = value_at(self._merged.table, path)
            value = value_at(self._resolved, path) if value is None else value
            put(table, path, value, self._name, path)
            origins[path] = self._origins.get(path, self._name)
        return Merged(table, origins)


def _real(key: str) -> str:
    """The key of a config that an unknown's key stands for."""
    return "load.stages" if key == "load.stages.target" else key


def _name_in(origin: str) -> str:
    """The name of the config that a source is; nothing for an option or a fragment."""
    try:
        return str(read_merged(read_source(origin)).table.get("name", ""))
    except ConfigError:
        return ""


def uniform(text: str) -> float:
    """A number from 0 up to 1, as good as random, that depends on the text alone."""
    digest = hashlib.sha256(text.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def choose(draws: Sequence[Draw], stream: str, number: int) -> Draw:
    """The draw of a replication: see the module's docstring."""
    possible = [draw for draw in draws if draw.weight > 0]
    if len({draw.weight for draw in possible}) == 1:
        turn, place = divmod(number, len(possible))
        order = sorted(possible, key=lambda draw: uniform(f"{stream}/{turn}/{draw.number}"))
        return order[place]
    at = uniform(f"{stream}/{number}") * sum(draw.weight for draw in possible)
    reached = itertools.accumulate(draw.weight for draw in possible)
    return next(
        (draw for draw, end in zip(possible, reached, strict=True) if at < end), possible[-1]
    )
