"""Parses TOML from anybody, within limits, so that no text can exhaust time or memory.

What TOML allows and a config never needs is refused here: numbers beyond 64 bits, control
characters, tables nested without end, keys of thousands of parts (their parsing is quadratic).
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

MOST_CHARS: Final = 1_000_000
"""The largest shipped config has about 5,000."""
DEEPEST: Final = 16
_MOST_PARTS: Final = 100
_MANY_PARTS: Final = re.compile(
    # From the beginning of such a key only, or the search itself would be quadratic.
    rf"""(?<![\w"'. \t-])(?:[\w"'-]*[ \t]*\.[ \t]*){{{_MOST_PARTS}}}"""
)
_TABLE: Final = re.compile(r"\s*\[+\s*\"?(\w+)")
OF_ONE_EVENT: Final = ("observed", "explain")
"""Tables about one event of the past: a config that extends another one is about something else, so
it takes them over only if it says so by `EXTENDS_OBSERVED`."""
EXTENDS_OBSERVED: Final = "extends_observed"
_LEAST, _MOST = -(2**63), 2**63 - 1
_NO_TEXT: Final = frozenset({"Cc", "Cn", "Co", "Cs"})
_SPACES: Final = frozenset("\t\n\r")


class TomlError(ValueError):
    """A text is no TOML, or more than a config needs.

    Args:
        place: "line N" or the dotted path of a key; may be empty.
        problem: what is wrong.
        is_limit: whether it is TOML, but more than a config needs.
    """

    def __init__(self, place: str, problem: str, *, is_limit: bool = True) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.place = place
        self.problem = problem
        self.is_limit = is_limit


def parse(text: str) -> dict[str, Any]:
    """The table that a text means. Raises `TomlError`, whatever the text is."""
    if len(text) > MOST_CHARS:
        raise TomlError("", f"more than {MOST_CHARS:,} characters")
    if _MANY_PARTS.search(text):
        raise TomlError("", f"a key of more than {_MOST_PARTS} parts")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        line = place.split(",")[0].rstrip(")") or "end of file"
        raise TomlError(line, f"not valid TOML: {reason}", is_limit=False) from error
    except RecursionError as error:
        raise TomlError("", f"nested too deeply; allowed: {DEEPEST} levels") from error
    except ValueError as error:
        # Of Python's own limit on the digits of a whole number, which TOML does not know.
        raise TomlError("", f"not valid TOML: {error}", is_limit=False) from error
    for path, value in _values(table):
        _check(path, value)
    return table


def _values(table: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All values with their paths, level by level. Raises `TomlError` below the deepest level."""
    level: list[tuple[tuple[str, ...], Any]] = [((), table)]
    for _ in range(DEEPEST):
        level = [inner for path, value in level for inner in _inside(path, value)]
        yield from level
    if any(True for path, value in level for _ in _inside(path, value)):
        raise TomlError(".".join(level[0][0]), f"nested too deeply; allowed: {DEEPEST} levels")


def _inside(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        yield from (((*path, key), inner) for key, inner in value.items())
    elif isinstance(value, list):
        yield from (((*path, str(index)), inner) for index, inner in enumerate(value))


def _check(path: tuple[str, ...], value: Any) -> None:
    place = ".".join(path)
    if isinstance(value, int) and not _LEAST <= value <= _MOST:
        raise TomlError(place, "a whole number beyond 64 bits")
    for text in (path[-1], value):
        if isinstance(text, str) and not is_text(text):
            raise TomlError(place, "a control character or no character at all")


def is_text(text: str) -> bool:
    """Whether a text has only characters that can be shown, and spaces and ends of lines."""
    return text.isprintable() or all(
        character in _SPACES or unicodedata.category(character) not in _NO_TEXT
        for character in text
    )


def without_observations(text: str) -> str:
    """A config without its tables `observed` and `explain`, and without the comments above them.

    These belong to one system on one day: a config that is changed describes another one.
    """
    kept: list[str] = []
    waiting: list[str] = []
    dropping = False
    for line in text.splitlines(keepends=True):
        header = _TABLE.match(line)
        if header:
            dropping = header[1] in OF_ONE_EVENT
        elif not line.strip() or line.startswith("#"):
            # Comments and empty lines belong to the table that follows them.
            waiting.append(line)
            continue
        elif line.partition("=")[0].strip() == EXTENDS_OBSERVED:
            continue
        if not dropping:
            kept += [*waiting, line]
        waiting = []
    return "".join(kept)
