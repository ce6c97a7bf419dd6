"""Variants: named patches on a config, in TOML.

    [sets]
    mine = ["bigger-pool", "F3"]          names that one name stands for

    [variants.bigger-pool]
    description = "..."                   optional
    include = ["F3"]                      variants or sets below this one
    exclude = ["F9"]                      variants left out of what is included
    cost = 2.0                            optional; of this one, what it includes is added
    measured = ["D_cap50_fix12"]          measured runs to show beside it
    pool.connections = 40                 any keys of the config

The shipped files (`experiments/shipped/variants/*.toml`) are always known.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from experiments.config.keys import nearest
from experiments.config.reading import Config, Header, check
from experiments.config.sources import (
    Merged,
    Source,
    Table,
    leaves,
    merge,
    read_source,
    say_later,
    show_value,
)
from experiments.errors import ConfigError

_OWN_KEYS = ("description", "include", "exclude", "measured", "cost")
Patch = tuple[str, Table]
"""Where a patch was written, and its keys."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant with everything that it includes; later patches go over earlier ones."""

    name: str
    description: str
    patches: tuple[Patch, ...]
    measured: tuple[str, ...]
    costs: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    """By name of this variant and of all that it includes; None where a patch states no cost."""

    @property
    def cost(self) -> float | None:
        """Of everything together, each once, in the unit of the file; None if one is not known."""
        known = [cost for cost in self.costs.values() if cost is not None]
        return math.fsum(known) if known and len(known) == len(self.costs) else None

    def keys(self) -> dict[str, Any]:
        """Dotted path -> value of every key that it sets."""
        table: Table = {}
        for _, patch in self.patches:
            merge(table, patch)
        return dict(_values(table))

    def applied(self, base: Merged, name: str) -> Config:
        """The config with this variant over it.

        Raises:
            ConfigError: it sets a key that does not exist, or to a value that is not allowed.
        """
        table: Table = {}
        merge(table, base.table)
        origins = dict(base.origins)
        for source, patch in self.patches:
            _check_world(source, patch)
            merge(table, patch)
            say_later(origins, {".".join(path): source for path in leaves(patch)})
        return check(Merged(table, origins), name)


def sets_of(variants: Sequence[Variant], most: int) -> list[Variant]:
    """The variants, and all sets of two up to `most` of them, small sets first.

    A set applies its members in their order. Two members that include the same variant, or of
    which one includes the other, make no set: the set would be one of them, or nearly.
    """
    sizes = range(2, min(most, len(variants)) + 1)
    found = [members for size in sizes for members in itertools.combinations(variants, size)]
    return [*variants, *(_together(members) for members in found if _apart(members))]


def _apart(members: Sequence[Variant]) -> bool:
    names = [name for member in members for name in member.costs]
    return len(names) == len(set(names))


def _together(members: Sequence[Variant]) -> Variant:
    return Variant(
        "+".join(member.name for member in members),
        "; ".join(member.description for member in members if member.description),
        tuple(patch for member in members for patch in member.patches),
        (),
        {name: cost for member in members for name, cost in member.costs.items()},
    )


def _check_world(source: str, patch: Table) -> None:
    """A variant changes the world; seed and replications are the comparison's."""
    for field in dataclasses.fields(Header):
        if field.name in patch:
            raise ConfigError(
                source,
                field.name,
                "not part of the world; allowed: tables of the config",
                value=show_value(patch[field.name]),
            )


def _values(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _values(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@dataclasses.dataclass(frozen=True)
class _Entry:
    source: str
    name: str
    table: Table

    def names(self, key: str) -> list[str]:
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ConfigError(self.source, key, "allowed: a list of names", value=show_value(value))
        return value

    @property
    def patch(self) -> Patch:
        keys = {key: value for key, value in self.table.items() if key not in _OWN_KEYS}
        return self.source, keys


class Variants:
    """All variants known: the shipped ones and those of the files that the user names."""

    def __init__(self) -> None:
        self._sets: dict[str, tuple[str, list[str]]] = {}
        self._entries: dict[str, _Entry] = {}
        for source in _shipped():
            self._read(source)

    def select(self, wanted: Sequence[str], asked: str = "--variants") -> list[Variant]:
        """Variants in the order asked for, each once.

        Args:
            wanted: names of variants or sets, or paths of files, which stand for all in them.
            asked: where they are asked for, for messages.

        Raises:
            ConfigError: no such variant or file, or one that is not right.
        """
        names: list[str] = []
        for word in wanted:
            if word.endswith(".toml"):
                names += self._read(read_source(word))
            else:
                names += self._expanded(word, asked)
        return [self._variant(name) for name in dict.fromkeys(names)]

    def select_with_sets(
        self, wanted: Sequence[str], members: Sequence[str], most: int
    ) -> list[Variant]:
        """What is wanted, then each member and every set of up to `most` of them, each once.

        Raises:
            ConfigError: as `select` does.
        """
        found = [*self.select(wanted), *sets_of(self.select(members, "--sets-of"), most)]
        return list({variant.name: variant for variant in found}.values())

    def _read(self, source: Source) -> list[str]:
        """Take up the variants of a file and return their names."""
        table = _parsed(source)
        variants = _tables(source, table, "variants")
        for name, own in variants.items():
            if not isinstance(own, dict):
                raise ConfigError(
                    source.name, f"variants.{name}", "allowed: a table", value=show_value(own)
                )
            self._entries[name] = _Entry(f"{source.name}: variant {name}", name, own)
        for name, members in _tables(source, table, "sets").items():
            entry = _Entry(source.name, name, {name: members})
            self._sets[name] = (source.name, entry.names(name))
        return list(variants)

    def _expanded(self, name: str, source: str, seen: tuple[str, ...] = ()) -> list[str]:
        """The variants that a name stands for."""
        if name in self._entries:
            return [name]
        if name in seen:
            raise ConfigError(source, name, f"refers to itself: {' -> '.join([*seen, name])}")
        if name not in self._sets:
            known = [*self._sets, *self._entries]
            raise ConfigError(
                source,
                "",
                f"no variant {name}; allowed: a file that ends in .toml, or one of "
                f"{', '.join(known)}",
                nearest=nearest(name, known),
            )
        where, members = self._sets[name]
        inside = (*seen, name)
        return [one for member in members for one in self._expanded(member, where, inside)]

    def _variant(self, name: str) -> Variant:
        entry = self._entries[name]
        patches = self._patches(entry, ())
        costs = {one: _cost(self._entries[one]) for one in patches}
        description = entry.table.get("description", "")
        if not isinstance(description, str):
            raise ConfigError(
                entry.source, "description", "allowed: text", value=show_value(description)
            )
        measured = tuple(entry.names("measured"))
        return Variant(name, description, tuple(patches.values()), measured, costs)

    def _patches(self, entry: _Entry, seen: tuple[str, ...]) -> dict[str, Patch]:
        """Variant -> its own patch, of everything that an entry includes and then of itself."""
        if entry.name in seen:
            circle = " -> ".join([*seen, entry.name])
            raise ConfigError(entry.source, "include", f"variants refer to one another: {circle}")
        patches: dict[str, Patch] = {}
        for word in entry.names("include"):
            for name in self._expanded(word, entry.source):
                patches |= self._patches(self._entries[name], (*seen, entry.name))
        for name in entry.names("exclude"):
            if name not in patches:
                raise ConfigError(
                    entry.source,
                    "exclude",
                    f"{name} is not included; allowed: {', '.join(patches) or 'nothing'}",
                    nearest=nearest(name, patches),
                )
            del patches[name]
        return {**patches, entry.name: entry.patch}


def _cost(entry: _Entry) -> float | None:
    """The cost of an entry by itself: 0 without own changes, None if it states no cost."""
    cost = entry.table.get("cost", None if entry.patch[1] else 0.0)
    number = isinstance(cost, int | float) and not isinstance(cost, bool)
    if cost is not None and not (number and 0 <= cost < math.inf):
        raise ConfigError(
            entry.source, "cost", "allowed: a number, 0 or more", value=show_value(cost)
        )
    return None if cost is None else float(cost)


def _shipped() -> list[Source]:
    folder = resources.files("experiments.shipped") / "variants"
    entries = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".toml")),
        key=lambda entry: entry.name,
    )
    return [read_source(str(entry)) for entry in entries]


def _parsed(source: Source) -> Table:
    table = source.parsed()
    unknown = [key for key in table if key not in {"variants", "sets"}]
    if unknown:
        raise ConfigError(source.name, unknown[0], "unknown key; allowed here: variants, sets")
    return table


def _tables(source: Source, table: Table, key: str) -> Table:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(source.name, key, "allowed: a table", value=show_value(value))
    return value
