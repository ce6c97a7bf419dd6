"""Config keys as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

from experiments.config.key_table import KeyRow, config_rows
from experiments.config.keys import nearest

_NARROWEST: Final = 60
_WIDEST: Final = 140
_LONGEST_MEANING: Final = 28
"""Columns that the meaning has at least; below it stands on lines of its own."""
_MOST_KINDS: Final = 3
_COLUMNS: Final = ("key", "unit", "default", "range")
_HEADS: Final = {"key": "key", "unit": "unit", "default": "default", "range": "plausible"}


def matching(words: Sequence[str]) -> list[KeyRow]:
    """The keys that have every word in key, unit or meaning, or as the name of their kind.

    Tables themselves are left out. A key that several kinds of a table have in the same way is one
    row; `of` names the kinds.
    """
    wanted = [word.casefold() for word in words]
    found = [
        row
        for row in config_rows()
        if row["type"] != "table"
        and all(
            any(word in row[column].casefold() for column in ("key", "unit", "meaning"))
            or f'"{word}"' in row.get("of", "")
            for word in wanted
        )
    ]
    same: dict[tuple[str, ...], list[KeyRow]] = {}
    for row in found:
        same.setdefault(tuple(row[column] for column in (*_COLUMNS, "meaning")), []).append(row)
    return [rows[0] | {"of": _kinds(rows)} for rows in same.values()]


def _kinds(rows: Sequence[KeyRow]) -> str:
    """The kinds that have a key, such as `kind = "redis_pause" or "database_pause"`."""
    kinds = [row["of"] for row in rows if row.get("of")]
    names = [kind.partition(" = ")[2] for kind in kinds]
    field = kinds[0].partition(" = ")[0] if kinds else ""
    if len(names) > _MOST_KINDS:
        return f"{len(names)} kinds, such as {names[0]}"
    return f"{field} = {' or '.join(names)}" if names else ""


def no_such_key(words: Sequence[str]) -> str:
    """The message when no key matches."""
    found = nearest(words[0], [row["key"] for row in config_rows()]) if words else ""
    hint = f"; did you mean {found}?" if found else ""
    return f"no key has {' and '.join(words)}{hint}"


def render(rows: Sequence[KeyRow], width: int) -> str:
    """The table for a terminal of so many columns; the meaning takes what the others leave."""
    width = max(_NARROWEST, min(width, _WIDEST))
    cells = [{column: row[column] or "-" for column in _COLUMNS} for row in rows]
    widths = {
        column: max(len(_HEADS[column]), *(len(one[column]) for one in cells))
        for column in _COLUMNS
    }
    left = width - sum(widths.values()) - 2 * len(widths)
    lines = [_line(_HEADS, widths) + ("meaning" if left >= _LONGEST_MEANING else "")]
    for row, one in zip(rows, cells, strict=True):
        lines += _entry(row, _line(one, widths), left, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _line(cells: KeyRow, widths: dict[str, int]) -> str:
    return "".join(f"{cells[column]:<{widths[column]}}  " for column in _COLUMNS)


def _entry(row: KeyRow, line: str, left: int, width: int) -> Iterator[str]:
    row = row | {"meaning": f"{row['meaning']} ({row['of']})" if row.get("of") else row["meaning"]}
    if left >= _LONGEST_MEANING:
        first, *others = wrap(row["meaning"], left) or [""]
        yield line + first
        yield from (" " * len(line) + other for other in others)
    else:
        yield line
        yield from (f"    {part}" for part in wrap(row["meaning"], width - 4))
