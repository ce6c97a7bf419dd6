"""The number of rows that share given column values, without a new count for each question."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

from sim.database.statements import TableInfo


class _Group:
    """Rows per combination of values of some columns of a table."""

    __slots__ = ("_rows", "combinations", "positions")

    def __init__(self, positions: tuple[int, ...]) -> None:
        self.positions = positions
        self.combinations = 0
        """How many combinations of values there are."""
        # By all values but the last, then by the last: no tuple is kept for each combination.
        self._rows: dict[tuple[Any, ...], dict[Any, int]] = {}

    def rows(self, values: tuple[Any, ...]) -> int:
        """Rows with these values."""
        among = self._rows.get(values[:-1])
        return 0 if among is None else among.get(_last(values), 0)

    def add(self, values: tuple[Any, ...], number: int) -> None:
        """Count so many rows more with these values."""
        among = self._rows.setdefault(values[:-1], {})
        last = _last(values)
        before = among.get(last, 0)
        if before + number:
            among[last] = before + number
        else:
            del among[last]
            if not among:
                # Values that are never asked for again must not pile up over a run.
                del self._rows[values[:-1]]
        self.combinations += bool(before + number) - bool(before)

    def add_row(self, image: tuple[Any, ...], number: int) -> None:
        """Count a row as it is stored."""
        self.add(tuple(image[position] for position in self.positions), number)


def _last(values: tuple[Any, ...]) -> Any:
    return values[-1] if values else None


class GroupCounts:
    """Counts of committed rows. Each group of columns is counted once, then kept up to date.

    `hide` makes the connection show committed rows only.
    """

    def __init__(
        self,
        raw: sqlite3.Connection,
        infos: Mapping[str, TableInfo],
        hide: Callable[[], None],
    ) -> None:
        self._raw: Final = raw
        self._hide: Final = hide
        self._columns: Final = {
            name: [column.name for column in info.table.columns] for name, info in infos.items()
        }
        self._groups: dict[str, dict[tuple[str, ...], _Group]] = {}

    def rows(self, table: str) -> int:
        """Rows of a table."""
        return self._group(table, ()).rows(())

    def matching(self, table: str, columns: tuple[str, ...], values: tuple[Any, ...]) -> int:
        """Number of rows in which these columns have these values, as SQLite stores them."""
        return self._group(table, columns).rows(values)

    def mean(self, table: str, columns: tuple[str, ...]) -> float:
        """Number of rows per combination of values that occurs in these columns."""
        return self.rows(table) / max(1, self._group(table, columns).combinations)

    def tracks(self, table: str) -> bool:
        """Whether this object must be told of changes of the table."""
        return table in self._groups

    def changed(
        self, table: str, before: tuple[Any, ...] | None, after: tuple[Any, ...] | None
    ) -> None:
        """Take one row's change into account."""
        for group in self._groups[table].values():
            if before is not None:
                group.add_row(before, -1)
            if after is not None:
                group.add_row(after, 1)

    def forget(self, table: str) -> None:
        """Count the rows again at the next question."""
        self._groups.pop(table, None)

    def _group(self, table: str, columns: tuple[str, ...]) -> _Group:
        groups = self._groups.setdefault(table, {})
        group = groups.get(columns)
        if group is None:
            group = groups[columns] = self._count(table, columns)
        return group

    def _count(self, table: str, columns: tuple[str, ...]) -> _Group:
        names = ", ".join(f'"{column}"' for column in columns)
        grouping = f" GROUP BY {names}" if columns else ""
        selected = f"{names}, " if columns else ""
        sql = f'SELECT {selected}count(*) FROM "{table}"{grouping}'  # noqa: S608 - own names
        self._hide()
        order = self._columns[table]
        positions = tuple(order.index(column) for column in columns)
        group = _Group(positions)
        for row in self._raw.execute(sql):
            # Without columns the only row is there even for an empty table.
            if row[-1]:
                group.add(row[:-1], row[-1])
        return group
