"""What an application counts down, and how low that came: whether anything ever ran out.

A search in which the stock never runs out cannot find that more of it is sold than there is. Stock
is a whole number above 0 that is there before the load, in a row, a Redis string or a field of a
Redis hash. Numbers that come during the load are none: orders, people inside, attempts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sim.app.server import ApplicationServer
    from sim.app.sql.store import Store
    from sim.database.views import Changes, RowKey
    from sim.result import Counts

_MOST_DIGITS: Final = 9
"""More are an id or a time, not a stock."""
_TINY: Final = 127
"""Largest number of a TINYINT, as MySQL keeps flags: 1 becomes 0, and no stock ran out."""
_ID: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:\d+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?![A-Za-z0-9])"
)
Field = tuple[int, bytes, bytes]
"""Number of the Redis database, key and field of a hash; the field of a string is empty."""


class Stock:
    """Watches the numbers that are there now.

    `lowest`: name without ids, such as `stock:{id}` or `items.left` -> the lowest value that one
    of these numbers was lowered to.
    """

    def __init__(self, server: ApplicationServer) -> None:
        self.lowest: Counts = {}
        self._server = server
        self._new: set[tuple[int, RowKey]] = set()
        """Rows that came during the load."""
        self._values: dict[Field, int] = {}
        self._fields: dict[bytes, list[Field]] = {}
        for field, value in self._numbers():
            if value > 0:
                self._values[field] = value
                self._fields.setdefault(field[1], []).append(field)
        if self._values:
            server.redis.after_command.append(self._command_ran)
        for database in server.database.by_name.values():
            self._watch(database.store)

    def _lowered(self, name: str, value: int) -> None:
        self.lowest[name] = min(value, self.lowest.get(name, value))

    # Redis

    def _numbers(self) -> Iterator[tuple[Field, int]]:
        redis = self._server.redis
        for number, keyspace in redis.databases() if redis.up else ():
            for key in keyspace:
                yield from _numbers_of(number, key, keyspace.peek(key))

    def _command_ran(self, name: str, args: Any) -> None:
        """Look at the numbers that a command, a script or a transaction names."""
        several = [inner for _, inner in args] if name == "exec" else [args]
        for key in {arg for one in several for arg in one if arg in self._fields}:
            for number in {field[0] for field in self._fields[key]}:
                entry = self._server.redis.keyspaces[number].peek(key)
                for field, value in _numbers_of(number, key, entry):
                    before = self._values.get(field)
                    if before is not None and value < before:
                        self._lowered(_redis_name(field), value)
                    if before is not None:
                        self._values[field] = value

    # Rows

    def _watch(self, store: Store) -> None:
        columns = {
            name: [
                (place, f"{name}.{column.name}")
                for place, column in enumerate(table.columns.values())
                if column.type.kind == "int"
                and column.type.most != _TINY
                and column.name != table.key
                and column.name not in table.primary
                and not any(column.name in foreign.columns for foreign in table.foreign)
            ]
            for name, table in store.tables.items()
        }

        def committing(changes: Changes) -> None:
            images = store.images_after(changes)
            for row, before in changes.before.items():
                after = images.get(row)
                place = (id(store), row)
                if before is None:
                    self._new.add(place)
                elif after is not None and place not in self._new:
                    for at, name in columns.get(row[0], ()):
                        if _is_lower(after[at], before[at]):
                            self._lowered(name, after[at])

        store.before_commit = committing


def _numbers_of(number: int, key: bytes, entry: Any) -> Iterator[tuple[Field, int]]:
    """The whole numbers of a string or a hash."""
    value: Any = None if entry is None else entry.value
    if isinstance(value, bytes):
        pairs = [(b"", value)]
    elif hasattr(value, "items") and not hasattr(value, "zcount"):
        pairs = list(value.items())
    else:
        return
    for field, text in pairs:
        digits = text.removeprefix(b"-") if isinstance(text, bytes) else b""
        if digits.isdigit() and len(digits) <= _MOST_DIGITS:
            yield (number, key, field), int(text)


def _redis_name(field: Field) -> str:
    _, key, name = field
    named = b" ".join(filter(None, (key, name))).decode(errors="replace")
    return _ID.sub("{id}", named)


def _is_lower(after: Any, before: Any) -> bool:
    both = type(before) is int and type(after) is int
    return both and before < 10**_MOST_DIGITS and after < before
