"""The rows of an application's database: SQLite, with a separate view for each transaction.

See `sim.database.views` for the views. `transactions` check foreign keys and lock the parents.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from sim.app.sql.schema import quoted
from sim.database.views import Changes, Image, RowKey, TransactionViews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sim.app.sql.schema import Table

_STATEMENTS: Final = 2_000
_STEPS: Final = 100
"""SQLite's virtual machine is asked after so many of its steps how far it is."""
_STEPS_PER_ROW: Final = 8
"""Steps of a scan that compares a column and goes on: Rewind, Column, Ne, ..., Next."""


class Mark:
    """The state of the changes at a savepoint, or before a statement."""

    __slots__ = ("before", "length", "tables")

    def __init__(self, changes: Changes) -> None:
        self.length = len(changes.log)
        self.tables = set(changes.tables)
        self.before = dict(changes.before)


class Store(TransactionViews):
    """Tables and rows, and the view of each transaction."""

    def __init__(self) -> None:
        # The garbage collector may close the connection in another thread.
        raw = sqlite3.connect(
            ":memory:",
            isolation_level=None,
            cached_statements=_STATEMENTS,
            check_same_thread=False,
        )
        super().__init__(raw)
        self.tables: Final[dict[str, Table]] = {}
        self._image_sql: Final[dict[str, str]] = {}
        self._put_sql: Final[dict[str, str]] = {}
        self._steps = 0
        self.before_commit: Callable[[Changes], None] | None = None
        """Told of changes that are about to become permanent, while they are applied."""
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
        """The part of the log that puts the rows that the transaction has inserted."""
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
        with self.as_of(snapshot, changes, names):
            self._steps = 0
            cursor = self.raw.execute(sql, values)
            return cursor.fetchall(), cursor.description

    def image(self, row: RowKey) -> Image:
        """The row as the connection sees it now."""
        found: Image = self.raw.execute(self._image_sql[row[0]], (row[1],)).fetchone()
        return found

    # Writing

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

    def images_after(self, changes: Changes) -> dict[RowKey, Image]:
        """What the changes make of each row, from their log: a question would count as work."""
        puts, deletions = self._tables_by_sql(changes)
        found: dict[RowKey, Image] = {}
        for sql, values in changes.log:
            if sql in puts:
                found[puts[sql], values[0]] = tuple(values[1:])
            elif sql in deletions:
                found[deletions[sql], values[0]] = None
        return found

    def rows_logged(self, changes: Changes, since: int) -> list[RowKey]:
        """The rows that the log changes from a place on, each once."""
        puts, deletions = self._tables_by_sql(changes)
        tables = puts | deletions
        # Rows of several tables have the same number.
        logged = {(tables.get(sql), values[0]) for sql, values in changes.log[since:]}
        return [row for row in changes.before if row in logged]

    def _tables_by_sql(self, changes: Changes) -> tuple[dict[str, str], dict[str, str]]:
        """Logged SQL that puts a row -> its table, and the same of SQL that deletes one."""
        names = [name for name in changes.tables if name in self.tables]
        puts = {self._put_sql[name]: name for name in names}
        return puts, {self._deletion(name): name for name in names}

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
        if self.before_commit is not None:
            self.before_commit(changes)
        self.make_permanent(changes, keep_history=keep_history)

    def _replay(self, changes: Changes) -> None:
        super()._replay(changes)
        self._steps = 0

    def _physical(self, row: RowKey, image: Image) -> tuple[str, Any]:
        table, key = row
        if image is None:
            return self._deletion(table), (key,)
        return self._put_sql[table], (key, *image)

    @staticmethod
    def _deletion(table: str) -> str:
        return f"DELETE FROM {quoted(table)} WHERE rowid = ?"  # noqa: S608

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
