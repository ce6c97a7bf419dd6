"""Config texts and how they combine by `extends` and `include`, before anything is checked.

What is said later wins: the extended config, then its includes in order, then the file's own keys,
then every change (`experiments.config.changes`). Tables merge key by key; a table with a `preset`
or another `executor` starts afresh. `unset` takes keys out of what is extended and included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from experiments.config.keys import lies_in, nearest
from experiments.config.toml_text import (
    EXTENDS_OBSERVED,
    MOST_CHARS,
    OF_ONE_EVENT,
    TomlError,
    parse,
)
from experiments.errors import ConfigError

Table = dict[str, Any]

UNSET: Final = "unset"
_DEEPEST_CHAIN = 16
_SHOWN_CHARS = 60
_DEFAULT_EXECUTOR = "ramping-vus"
"""The executor of a load that names none."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A text in TOML, its name for messages, and the folder that its relative paths start from."""

    name: str
    text: str
    folder: Path

    @property
    def identity(self) -> Path:
        """The same for every spelling of one file."""
        return Path(self.name).resolve()

    def parsed(self) -> Table:
        """The table that it says. Raises `ConfigError` if it says none."""
        try:
            return parse(self.text)
        except TomlError as error:
            raise ConfigError(self.name, error.place, error.problem) from error


@dataclasses.dataclass(frozen=True)
class Merged:
    """A config as one table, and where each of its values was written (dotted path -> source).

    Origins are in the order in which values were said: what comes later went over what came before.
    """

    table: Table
    origins: Mapping[str, str]

    def origin(self, path: Sequence[str | int], default: str) -> str:
        """The source of the value at a path, or of the nearest table above it."""
        for length in range(len(path), 0, -1):
            found = self.origins.get(".".join(map(str, path[:length])))
            if found is not None:
                return found
        return default


def _shipped_folder() -> Traversable:
    return resources.files("experiments.shipped") / "configs"


def shipped_names() -> list[str]:
    """The configs that come with the program."""
    folder = _shipped_folder()
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def read_source(name: str, folder: Path = Path()) -> Source:
    """Find a config by path, relative to a folder, or by the name of a shipped one.

    Raises:
        ConfigError: there is no such file and no shipped config of that name.
    """
    path = folder / name
    if name.endswith(".toml") or "/" in name:
        return _read_file(path, name)
    if name in shipped_names():
        text = (_shipped_folder() / f"{name}.toml").read_text("utf-8")
        return Source(name, text, Path())
    shipped = shipped_names()
    raise ConfigError(
        name,
        "",
        f"no such config; allowed: a path that ends in .toml, or one of {', '.join(shipped)}",
        nearest=nearest(name, shipped),
    )


def _read_file(path: Path, name: str) -> Source:
    try:
        with path.open(encoding="utf-8-sig") as file:
            # No more than is needed to see that it is too much: a device has no end.
            return Source(str(path), file.read(MOST_CHARS + 1), path.parent)
    except OSError as error:
        raise ConfigError(name, "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(name, "", "cannot be read: not UTF-8 text") from error
    except ValueError as error:
        raise ConfigError(name, "", f"cannot be read: {error}") from error


def read_merged(source: Source) -> Merged:
    """A config with everything that it extends and includes.

    Raises:
        ConfigError: not TOML, a file that is missing, or files that extend one another in a circle
            or without end.
    """
    return _merged(source, (), {})


def _merged(source: Source, above: tuple[Source, ...], known: dict[Path, Merged]) -> Merged:
    """See `read_merged`; `known` are the files read before, so that each is read once."""
    if source.identity in known:
        return known[source.identity]
    if source.identity in [one.identity for one in above]:
        circle = " -> ".join(one.name for one in [*above, source])
        raise ConfigError(source.name, "extends", f"files refer to one another: {circle}")
    if len(above) == _DEEPEST_CHAIN:
        raise ConfigError(source.name, "extends", f"allowed: {_DEEPEST_CHAIN} files one on another")
    own = source.parsed()
    table: Table = {}
    origins: dict[str, str] = {}
    left_out = () if _flag(source, own, EXTENDS_OBSERVED) else OF_ONE_EVENT
    for reference in _names(source, own, "extends"):
        part = _merged(read_source(reference, source.folder), (*above, source), known)
        merge(table, {key: value for key, value in part.table.items() if key not in left_out})
        say_later(
            origins,
            {p: name for p, name in part.origins.items() if p.partition(".")[0] not in left_out},
        )
    for reference in _names(source, own, "include"):
        part = _merged(read_source(reference, source.folder), (*above, source), known)
        merge(table, part.table)
        say_later(origins, part.origins)
    for key in _list_of_texts(source, own, UNSET, "a list of keys"):
        _unset(table, origins, key, source)
    merge(table, own)
    say_later(origins, {".".join(path): source.name for path in leaves(own)})
    known[source.identity] = Merged(table, origins)
    return known[source.identity]


def _flag(source: Source, table: Table, key: str) -> bool:
    """Take a switch out of a table; false where it is not there."""
    value = table.pop(key, False)
    if not isinstance(value, bool):
        raise ConfigError(source.name, key, "allowed: true, false", value=show_value(value))
    return value


def _names(source: Source, table: Table, key: str) -> list[str]:
    """Take the names of other configs out of a table: one for `extends`, a list for `include`."""
    if key == "extends" and isinstance(table.get(key), str):
        return [table.pop(key)]
    allowed = "the path or name of a config" if key == "extends" else "a list of paths"
    return _list_of_texts(source, table, key, allowed)


def _list_of_texts(source: Source, table: Table, key: str, allowed: str) -> list[str]:
    """Take a list of texts out of a table; an empty one where it is not there."""
    value = table.pop(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ConfigError(source.name, key, f"allowed: {allowed}", value=show_value(value))
    return value


def _unset(table: Table, origins: dict[str, str], key: str, source: Source) -> None:
    """Take a key out of what was extended and included, in place.

    Raises:
        ConfigError: it is not the dotted path of a key as TOML writes it, or nothing stands there.
    """
    path = _path(key, source)
    parent: Any = table
    for part in path[:-1]:
        parent = parent.get(part) if isinstance(parent, dict) else None
    if not isinstance(parent, dict) or path[-1] not in parent:
        known = [".".join(map(_written, one)) for one in leaves(table)]
        problem = "nothing that this file extends or includes has this key"
        raise ConfigError(
            source.name, UNSET, problem, value=show_value(key), nearest=nearest(key, known)
        )
    del parent[path[-1]]
    gone = ".".join(path)
    for at in [at for at in origins if lies_in(at, gone)]:
        del origins[at]


def _path(key: str, source: Source) -> tuple[str, ...]:
    """The parts of a key as TOML writes it, such as `thresholds."http_reqs{name:a.b}"`."""
    try:
        found = leaves(parse(f"{key} = 0"))
    except TomlError:
        found = []
    # One value, and only the tables above it.
    if not found or [len(path) for path in found] != list(range(1, len(found) + 1)):
        problem = (
            'allowed: keys as TOML writes them, such as thresholds.goodput or thresholds."a.b"'
        )
        raise ConfigError(source.name, UNSET, problem, value=show_value(key))
    return found[-1]


def _written(part: str) -> str:
    """One part of a key as TOML writes it."""
    return part if part.replace("_", "").replace("-", "").isalnum() else f'"{part}"'


def say_later(origins: dict[str, str], later: Mapping[str, str]) -> None:
    """Add origins, in place, behind those that are there."""
    for path, name in later.items():
        origins.pop(path, None)
        origins[path] = name


def merge(base: Table, over: Mapping[str, Any]) -> None:
    """Put one table over another, in place; inner tables merge, everything else is replaced."""
    for key, value in over.items():
        below = base.get(key)
        if isinstance(value, Mapping) and isinstance(below, dict) and not _begins(value, below):
            merge(below, value)
        else:
            base[key] = copied(value)


def _begins(value: Mapping[str, Any], below: Mapping[str, Any]) -> bool:
    """Whether a table starts afresh: from a preset, or with another executor's own keys."""
    return "preset" in value or (
        "executor" in value and value["executor"] != below.get("executor", _DEFAULT_EXECUTOR)
    )


def copied(value: Any) -> Any:
    """The value, its tables and lists copied at every depth."""
    if isinstance(value, Mapping):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def leaves(table: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all values below a table or list, tables included."""
    if isinstance(table, Mapping):
        inner = [(str(key), value) for key, value in table.items()]
    elif isinstance(table, list):
        inner = [(str(index), value) for index, value in enumerate(table)]
    else:
        inner = []
    found = [path] if path else []
    for key, value in inner:
        found += leaves(value, (*path, key))
    return found


def show_value(value: Any) -> str:
    """A value as it would be written in TOML, shortened to fit into a message."""
    text = _shown(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."


def _shown(value: Any) -> str:
    """The value in TOML, or at least as much of it as is shown."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value[:_SHOWN_CHARS]}"'
    if isinstance(value, Mapping):
        items = list(value.items())[:_SHOWN_CHARS]
        return "{" + ", ".join(f"{key} = {_shown(inner)}" for key, inner in items) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value[:_SHOWN_CHARS])) + "]"
    return str(value)


def parse_value(text: str) -> Any:
    """One value, as TOML writes it. Raises `TomlError`."""
    table = parse(f"value = {text}")
    if list(table) != ["value"]:
        raise TomlError("", "more than one value")
    return table["value"]
