"""One SQLite database in memory, with a separate view for each transaction.

SQLite holds the committed rows. The changes of an open transaction are a log of row images that is
applied inside a savepoint and rolled back again: at most one transaction's changes are applied at
any time. For a view of an earlier commit the rows changed since are put back from the history.
Foreign keys are checked by `engine`, which also locks the parents.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from sim.app.sql.schema import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sim.app.sql.schema import Table

RowKey = tuple[str, int]
Image = tuple[Any, ...] | None
"""A row's columns as SQLite keeps them; None if there is no row."""
_STATEMENTS: Final = 2_000
_STEPS: Final = 100
"""SQLite's virtual machine is asked after so many of its steps how far it is."""
_STEPS_PER_ROW: Final = 8
"""Steps of a scan that compares a column and goes on: Rewind, Column, Ne, ..., Next."""


class Changes:
    """The changes of one transaction so far."""

    __slots__ = ("before", "log", "tables")

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.tables: set[str] = set()
        self.before: dict[RowKey, Image] = {}
        """Committed image of each changed row; the row is locked, so the image stays valid."""


class Mark:
    """The state of the changes at a savepoint, or before a statement."""

    __slots__ = ("before", "length", "tables")

    def __init__(self, changes: Changes) -> None:
        self.length = len(changes.log)
        self.tables = set(changes.tables)
        self.before = dict(changes.before)


class Store:
    """Tables and rows, and the view of each transaction."""

    def __init__(self) -> None:
        # The garbage collector may close the connection in another thread.
        self.raw: Final = sqlite3.connect(
            ":memory:",
            isolation_level=None,
            cached_statements=_STATEMENTS,
            check_same_thread=False,
        )
        self.tables: Final[dict[str, Table]] = {}
        self.version = 0
        """Commits so far."""
        self._applied: Changes | None = None
        self._changed_at: Final[dict[str, int]] = {}
        self._history: Final[deque[tuple[int, dict[RowKey, Image]]]] = deque()
        self._image_sql: Final[dict[str, str]] = {}
        self._put_sql: Final[dict[str, str]] = {}
        self._steps = 0
        self.raw.set_progress_handler(self._count, _STEPS)

    def _count(self) -> int:
        self._steps += _STEPS
        return 0

    def rows_visited(self) -> int:
        """Rows that SQLite has looked at since the last question, from its steps: rough."""
        steps, self._steps = self._steps, 0
        return steps // _STEPS_PER_ROW

    # Tables

    def add(self, table: Table, statements: Iterable[str]) -> None:
        """Make a table."""
        self.hide()
        for sql in statements:
            self.raw.execute(sql)
        self.tables[table.name] = table
        self.refresh(table)

    def refresh(self, table: Table) -> None:
        """The columns of a table have changed."""
        name = quoted(table.name)
        columns = ", ".join(map(quoted, table.columns))
        marks = ", ".join("?" * len(table.columns))
        self._changed_at.setdefault(table.name, 0)
        self._image_sql[table.name] = f"SELECT {columns} FROM {name} WHERE rowid = ?"  # noqa: S608
        self._put_sql[table.name] = (
            f"INSERT OR REPLACE INTO {name} (rowid, {columns}) VALUES (?, {marks})"  # noqa: S608
        )

    def drop(self, name: str) -> None:
        """Remove a table."""
        self.hide()
        self.raw.execute(f"DROP TABLE {quoted(name)}")
        del self.tables[name]

    # Reading

    def read(
        self,
        sql: str,
        values: Mapping[str, Any],
        tables: Iterable[str],
        changes: Changes,
        snapshot: int,
        others: Sequence[Changes] = (),
    ) -> tuple[list[tuple[Any, ...]], Any]:
        """Rows and description of a SELECT on the state of a commit, plus the own changes.

        `others`: changes of other transactions, whose new rows are shown too.
        """
        inserted = [row for each in others for row in self._inserted(each)]
        if inserted:
            return self._read_with(sql, values, changes, inserted)
        names = [name for name in tables if name in self.tables]
        changed_at = max((self._changed_at[name] for name in names), default=0)
        if changed_at > snapshot and self._differs(names, changes, snapshot):
            return self._read_rewound(sql, values, names, changes, snapshot)
        if changes.tables and not changes.tables.isdisjoint(names):
            self.apply(changes)
        elif self._applied is not None and not self._applied.tables.isdisjoint(names):
            self.hide()
        cursor = self.raw.execute(sql, values)
        return cursor.fetchall(), cursor.description

    def _inserted(self, changes: Changes) -> list[tuple[str, Any]]:
        """What puts the rows that a transaction has inserted."""
        tables = {self._put_sql[name]: name for name in changes.tables}
        return [
            (sql, values)
            for sql, values in changes.log
            if sql in tables and changes.before.get((tables[sql], values[0]), ()) is None
        ]

    def _read_with(
        self,
        sql: str,
        values: Mapping[str, Any],
        changes: Changes,
        inserted: list[tuple[str, Any]],
    ) -> tuple[list[tuple[Any, ...]], Any]:
        self.apply(changes)
        self.raw.execute("SAVEPOINT more")
        try:
            for put, row in inserted:
                self.raw.execute(put, row)
            self._steps = 0
            cursor = self.raw.execute(sql, values)
            return cursor.fetchall(), cursor.description
        finally:
            self.raw.execute("ROLLBACK TO more")
            self.raw.execute("RELEASE more")

    def _differs(self, names: list[str], changes: Changes, snapshot: int) -> bool:
        """Whether another transaction has changed a row of these tables since then."""
        for version, before in reversed(self._history):
            if version <= snapshot:
                return False
            if any(row[0] in names and row not in changes.before for row in before):
                return True
        return False

    def _read_rewound(
        self,
        sql: str,
        values: Mapping[str, Any],
        names: list[str],
        changes: Changes,
        snapshot: int,
    ) -> tuple[list[tuple[Any, ...]], Any]:
        self.apply(changes)
        own = [(row, self.image(row)) for row in changes.before if row[0] in names]
        self.hide()
        self.raw.execute("SAVEPOINT view")
        try:
            for version, before in reversed(self._history):
                if version <= snapshot:
                    break
                for row, image in reversed(before.items()):
                    if row[0] in names and row not in changes.before:
                        self._put(row, image)
            for row, image in own:
                self._put(row, image)
            self._steps = 0
            cursor = self.raw.execute(sql, values)
            return cursor.fetchall(), cursor.description
        finally:
            self.raw.execute("ROLLBACK TO view")
            self.raw.execute("RELEASE view")

    def changed_since(self, row: RowKey, snapshot: int) -> bool:
        """Whether a commit after `snapshot` has changed the row."""
        for version, before in reversed(self._history):
            if version <= snapshot:
                return False
            if row in before:
                return True
        return False

    def image(self, row: RowKey) -> Image:
        """The row as the connection sees it now."""
        found: Image = self.raw.execute(self._image_sql[row[0]], (row[1],)).fetchone()
        return found

    # Writing

    def begin_write(self, changes: Changes) -> None:
        """Show what is committed plus the changes, inside a savepoint that takes more of them."""
        self.apply(changes)
        if self._applied is None:
            self.raw.execute("SAVEPOINT view")
            self._applied = changes

    def note(self, changes: Changes, row: RowKey, image: Image, *, always: bool = False) -> bool:
        """Log that a row was changed, `image` being what it was; false if it is as before.

        `always`: log it also if it is as before.
        """
        now = self.image(row)
        if now == image and not always:
            return False
        changes.before.setdefault(row, image)
        changes.tables.add(row[0])
        changes.log.append(self._physical(row, now))
        return True

    def undo_to(self, changes: Changes, mark: Mark) -> None:
        """Undo changes back to an earlier state."""
        if self._applied is changes:
            self.hide()
        del changes.log[mark.length :]
        changes.tables = set(mark.tables)
        changes.before = dict(mark.before)

    def commit(self, changes: Changes, *, keep_history: bool) -> None:
        """Make changes permanent; `keep_history` if a transaction still reads an earlier state."""
        if not changes.log:
            return
        self.apply(changes)
        self.raw.execute("RELEASE view")
        self._applied = None
        self.version += 1
        for table in changes.tables:
            self._changed_at[table] = self.version
        if keep_history:
            self._history.append((self.version, changes.before))

    def trim(self, oldest: int) -> None:
        """Drop history: no transaction reads a state before commit `oldest` any more."""
        history = self._history
        while history and history[0][0] <= oldest:
            history.popleft()

    # Views

    def apply(self, changes: Changes) -> None:
        """Show exactly what is committed plus these changes."""
        if self._applied is changes:
            return
        self.hide()
        if changes.log:
            self.raw.execute("SAVEPOINT view")
            self._applied = changes
            for sql, values in changes.log:
                self.raw.execute(sql, values)
            self._steps = 0

    def hide(self) -> None:
        """Show only committed rows."""
        if self._applied is not None:
            self._applied = None
            self.raw.execute("ROLLBACK TO view")
            self.raw.execute("RELEASE view")

    def _put(self, row: RowKey, image: Image) -> None:
        sql, values = self._physical(row, image)
        self.raw.execute(sql, values)

    def _physical(self, row: RowKey, image: Image) -> tuple[str, Any]:
        name, number = row
        if image is None:
            return f"DELETE FROM {quoted(name)} WHERE rowid = ?", (number,)  # noqa: S608
        return self._put_sql[name], (number, *image)

    # Outside simulated time

    def committed(self, sql: str, values: Any = ()) -> list[tuple[Any, ...]]:
        """Rows of a SELECT on the committed rows."""
        self.hide()
        found = self.raw.execute(sql, values).fetchall()
        self._steps = 0
        return found

    def counts(self) -> dict[str, int]:
        """Committed rows of each table, by name."""
        return {
            name: int(self.committed(f"SELECT count(*) FROM {quoted(name)}")[0][0])  # noqa: S608
            for name in sorted(self.tables)
        }

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Committed rows of a table, as SQLite keeps them, by rowid."""
        columns = list(self.tables[name].columns)
        listed = ", ".join(map(quoted, columns))
        found = self.committed(f"SELECT {listed} FROM {quoted(name)} ORDER BY rowid")  # noqa: S608
        return [dict(zip(columns, row, strict=True)) for row in found]
