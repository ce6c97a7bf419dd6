"""Other values for keys of a config: from `--set`, from a notebook, from the points of a sweep."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from experiments.config.keys import lies_in
from experiments.config.sources import Merged, copied, merge, parse_value, show_value
from experiments.config.toml_text import DEEPEST, TomlError
from experiments.errors import ConfigError

_SET: Final = "--set"


@dataclasses.dataclass(frozen=True)
class Change:
    """Another value for one key.

    `key` is a dotted path, in which numbers are positions in lists. `source` is how messages name
    the place where the change was asked for.
    """

    key: str
    value: Any
    source: str


def parse_set(text: str) -> Change:
    """Read what `--set` says: key=value, the value as TOML.

    Raises:
        ConfigError: no `=`, or a value that is not TOML.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise _no_assignment(text)
    try:
        return Change(key.strip(), parse_value(value), _SET)
    except TomlError as error:
        problem = "not a TOML value; allowed: 3, 0.5, true, [1, 2], and text in quotes"
        shown = show_value(value.strip()).strip('"')
        raise ConfigError(
            _SET, key.strip(), error.problem if error.is_limit else problem, value=shown
        ) from error


def _no_assignment(text: str) -> ConfigError:
    shown = show_value(text).strip('"')
    return ConfigError(_SET, "", f"'{shown}': allowed: key=value, value as TOML")


def changed(merged: Merged, change: Change) -> Merged:
    """The config with one change.

    Raises:
        ConfigError: the path is empty or too deep, or leads through something that is no table.
    """
    path = [part.strip() for part in change.key.split(".")]
    if not all(path) or len(path) > DEEPEST:
        shown = show_value(change.key).strip('"')
        problem = f"'{shown}': allowed: the dotted path of a key"
        raise ConfigError(change.source, "", problem)
    table = copied(merged.table)
    parent: Any = table
    for depth, part in enumerate(path[:-1], start=1):
        parent = _inside(parent, part, change.source, ".".join(path[:depth]))
    _assign(parent, path, change)
    dotted = ".".join(path)
    kept = {at: name for at, name in merged.origins.items() if not lies_in(at, dotted)}
    return Merged(table, {**kept, dotted: change.source})


def _inside(parent: Any, part: str, source: str, key: str) -> Any:
    if isinstance(parent, list):
        return parent[_position(parent, part, source, key)]
    if isinstance(parent, dict):
        return parent.setdefault(part, {})
    raise ConfigError(source, key, "there is a single value above this key")


def _assign(parent: Any, path: list[str], change: Change) -> None:
    key = ".".join(path)
    if isinstance(parent, list):
        parent[_position(parent, path[-1], change.source, key)] = copied(change.value)
    elif isinstance(parent, dict):
        merge(parent, {path[-1]: change.value})
    else:
        raise ConfigError(change.source, key, "there is a single value above this key")


def _position(parent: list[Any], part: str, source: str, key: str) -> int:
    if part.isdecimal() and int(part) < len(parent):
        return int(part)
    raise ConfigError(source, key, f"allowed: a position from 0 to {len(parent) - 1}")
