"""A file of weighted draws: worlds that somebody, such as `ticketsim explain`, found possible.

    config = "incident"        the config that they are worlds of
    version = "..."            the program that found them, digest of its simulating code included
    made_by = "..."            the command, for people

    [[draws]]
    weight = 1.0               how likely, beside the others; 1 where nothing is said
    label = "H2/7/31"          optional, as are distance and seed: of the run that was accepted
    set = { "host.cores" = 4.0, "load.stages" = [...] }

Draws are numbered from 1 in messages.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from experiments.config.keys import nearest
from experiments.config.sources import Source, read_source, show_value
from experiments.errors import ConfigError

_KEYS: Final = ("config", "version", "made_by", "draws")
_DRAW_KEYS: Final = ("weight", "label", "distance", "seed", "set")
"""`distance` and `seed` are those of the run that was accepted: to be checked, not to be drawn."""


@dataclasses.dataclass(frozen=True)
class Draw:
    """One possible world: dotted keys with their values, and how likely it is."""

    number: int
    weight: float
    label: str
    settings: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class DrawsFile:
    """A file of draws as read; `name` is how messages name it, `path` is empty if it is shipped."""

    name: str
    path: str
    config: str
    version: str
    sha256: str
    draws: Sequence[Draw]

    @property
    def keys(self) -> list[str]:
        """Every key that some draw sets."""
        return list(dict.fromkeys(key for draw in self.draws for key in draw.settings))


def read_draws(reference: str, origin: str) -> DrawsFile:
    """Read a file of draws.

    Args:
        reference: its path, relative to the file that names it, or the name of a shipped one.
        origin: the file that names it, the name of a shipped config, or an option.

    Raises:
        ConfigError: there is no such file, or it holds no draws.
    """
    folder = Path(origin).parent if origin.endswith(".toml") else Path()
    shipped = resources.files("experiments.shipped") / "data" / Path(reference).name
    bare = Path(reference).name == reference
    if bare and not (folder / reference).exists() and shipped.is_file():
        return _parsed(Source(reference, shipped.read_text("utf-8"), Path()), "")
    if not reference.endswith(".toml"):
        raise ConfigError(origin, "draws", "allowed: the path of a .toml file", value=reference)
    source = read_source(reference, folder)
    return _parsed(source, str(source.identity))


@functools.lru_cache(maxsize=16)
def _parsed(source: Source, path: str) -> DrawsFile:
    table = source.parsed()
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        raise ConfigError(
            source.name,
            unknown[0],
            f"unknown key; allowed here: {', '.join(_KEYS)}",
            nearest=nearest(unknown[0], _KEYS),
        )
    for key in ("config", "version"):
        if not isinstance(table.get(key), str):
            raise ConfigError(source.name, key, "this key is required; allowed: text")
    entries = table.get("draws")
    if not isinstance(entries, list) or not entries:
        raise ConfigError(source.name, "draws", "no draws; allowed: at least one [[draws]]")
    draws = tuple(_draw(source.name, number, one) for number, one in enumerate(entries, 1))
    if not sum(draw.weight for draw in draws) > 0:
        raise ConfigError(source.name, "draws", "all weights are 0; allowed: some more than 0")
    digest = hashlib.sha256(source.text.encode()).hexdigest()
    return DrawsFile(source.name, path, table["config"], table["version"], digest, draws)


def _draw(source: str, number: int, entry: Any) -> Draw:
    where = f"draw {number}"
    if not isinstance(entry, Mapping):
        raise ConfigError(source, where, "allowed: a table", value=show_value(entry))
    unknown = [key for key in entry if key not in _DRAW_KEYS]
    if unknown:
        allowed = f"unknown key; allowed here: {', '.join(_DRAW_KEYS)}"
        raise ConfigError(source, f"{where}: {unknown[0]}", allowed)
    weight = entry.get("weight", 1.0)
    number_like = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number_like or not 0 <= weight < float("inf"):
        problem = "allowed: a number of at least 0"
        raise ConfigError(source, f"{where}: weight", problem, value=show_value(weight))
    settings = entry.get("set")
    if not isinstance(settings, Mapping) or not settings:
        problem = "allowed: a table of dotted keys and values"
        raise ConfigError(source, f"{where}: set", problem, value=show_value(settings))
    return Draw(number, float(weight), str(entry.get("label", "")), settings)
