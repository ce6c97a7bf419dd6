"""The ids that a database gives to new rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.app.sql.errors import ErrorKind
    from sim.app.sql.schema import Table


class Numbers:
    """The ids that the database gives to the new rows of one statement.

    MySQL reserves as many as the statement has rows, from a query one, two more, four more, and so
    on, and those that are left over are lost; a row that was not inserted leaves its id to the
    next row. PostgreSQL takes one for each row that it tries to insert.
    """

    def __init__(self, table: Table, rows: int, *, mysql: bool, from_query: bool) -> None:
        self._table = table
        self._reserves = mysql and table.generated is not None
        self._count = (1 << rows.bit_length()) - 1 if from_query else rows
        self._next: int | None = None
        self._taken = 0
        # In PostgreSQL an id that is given does not move the sequence.
        self._follows = mysql or table.key is None

    def take(self, wanted: int | None) -> int:
        """The id of the next row; `wanted` if the statement gives one."""
        if wanted is not None:
            return wanted
        table = self._table
        if not self._reserves:
            table.next_id += 1
            self._taken += 1
            return table.next_id - 1
        if self._next is None:
            self._next = table.next_id
            table.next_id += self._count
        return self._next

    def give_back(self, at: int, kind: ErrorKind) -> None:
        """A row has failed. Servers look at some of its faults before they number any row."""
        if self._reserves:
            if self._next is not None and at == 0 and kind != "unique":
                self._table.next_id -= self._count
        elif self._follows is False and kind in {"too_long", "out_of_range"}:
            self._table.next_id -= self._taken

    def use(self, number: int) -> None:
        """A row with this id was inserted."""
        if self._next is not None:
            self._next = max(self._next, number + 1)
        if self._follows:
            self._table.next_id = max(self._table.next_id, number + 1)
