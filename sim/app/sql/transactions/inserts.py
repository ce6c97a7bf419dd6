"""INSERT, with the clauses for rows that are there already."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sim.app.errors import UnsupportedSqlError
from sim.app.sql.errors import SqlError
from sim.app.sql.schema import quoted
from sim.app.sql.statements import ROW
from sim.app.sql.store import Mark
from sim.app.sql.transactions.foreign_keys import ForeignKeys
from sim.app.sql.transactions.integrity import integrity_error, is_unique
from sim.app.sql.transactions.row_numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.app.sql.schema import Table
    from sim.app.sql.statements import Insert, Statement
    from sim.app.sql.transactions.returned import Returned


class Inserts(ForeignKeys):
    """A transaction that inserts rows."""

    __slots__ = ()

    def _insert(self, statement: Statement, values: dict[str, Any], returned: Returned) -> int:
        insert = statement.insert
        assert insert is not None  # noqa: S101 - that is what an INSERT has
        store = self._database.store
        table = store.tables[statement.tables[0]]
        given = [values] * len(insert.rows)
        sqls = insert.row_sql
        if insert.select:
            rows, _ = store.read(
                insert.select, values, statement.tables, self.changes, store.version
            )
            given = [
                {f"app_{name}": value for name, value in zip(insert.columns, row, strict=True)}
                for row in rows
            ]
            sqls = insert.row_sql * len(given)
        numbers = Numbers(
            table,
            len(given),
            mysql=self._database.dialect == "mysql",
            from_query=bool(insert.select),
        )
        logged = len(self.changes.log)
        touched: dict[int, None] = {}
        generated_id: int | None = None
        count = 0
        for at, (sql, row_values) in enumerate(zip(sqls, given, strict=True)):
            wanted = self._given_id(table, insert.given[0 if insert.select else at], row_values)
            rowid = numbers.take(wanted)
            try:
                done, changed = self._insert_row(
                    statement, insert, table, sql, row_values, rowid, touched
                )
            except sqlite3.IntegrityError as error:
                numbers.give_back(at, integrity_error(error).kind)
                raise
            count += changed
            if done is None:
                continue
            touched.pop(done, None)
            touched[done] = None
            returned.add([done])
            if done != rowid:
                continue
            numbers.use(rowid)
            if wanted is None and table.generated is not None and generated_id is None:
                generated_id = rowid
        if self._database.dialect == "postgres":
            for rowid in touched:
                self._check_parents(table, rowid, tuple(table.columns))
        if generated_id is not None:
            self._database.functions.last_id = generated_id
        if table.generated is not None and len(self.changes.log) > logged:
            self.last_id = next(reversed(touched)) if generated_id is None else generated_id
        return count

    def _given_id(
        self, table: Table, given: Mapping[str, Any], values: Mapping[str, Any]
    ) -> int | None:
        """The rowid that a new row asks for; None if the database numbers the row."""
        value: Any = None
        node = given.get(table.key) if table.key is not None else None
        if isinstance(node, exp.Placeholder):
            value = values.get(str(node.this))
        elif isinstance(node, exp.Literal | exp.Neg):
            value = int(node.sql())
        elif node is not None and not isinstance(node, exp.Null):
            raise UnsupportedSqlError(f"primary key {node.sql()}: a number or a parameter")
        mysql = self._database.dialect == "mysql"
        if value is None or (value == 0 and mysql and table.generated is not None):
            if table.key is not None and table.generated is None:
                raise SqlError("not_null", f"Field '{table.key}' doesn't have a default value")
            return None
        return int(value)

    def _insert_row(
        self,
        statement: Statement,
        insert: Insert,
        table: Table,
        sql: str,
        values: dict[str, Any],
        rowid: int,
        touched: Mapping[int, None],
    ) -> tuple[int | None, int]:
        """Insert one row, or do what its conflict clause says; (row, rows counted)."""
        if insert.arbiter and self._taken(insert, table, sql, values, rowid):
            if insert.ignores:
                self._check_seen(table, sql, values, rowid, insert.arbiter)
                return None, 0
            return self._update_instead(statement, insert, table, sql, values, rowid, touched)
        locks = self._database.locks
        is_new = (table.name, rowid) not in self.held
        if self._database.dialect == "mysql":
            locks.acquire(self, (table.name, rowid), exclusive=True)
        mark = Mark(self.changes) if insert.ignores else None
        try:
            self._do(sql, values, table, rowid)
        except sqlite3.IntegrityError as error:
            row = (table.name, rowid)
            if is_new and row in self.held and self._database.store.image(row) is None:
                # The row was taken out again: there is nothing left to lock.
                locks.release(self, row)
            if not is_unique(error) or not (insert.ignores or insert.conflict):
                if insert.ignores and self._database.dialect == "mysql":
                    raise UnsupportedSqlError(
                        f"INSERT IGNORE of a value that is not valid ({integrity_error(error)})"
                    ) from error
                raise
            if insert.arbiter and not self._taken(insert, table, sql, values, rowid):
                raise
            if insert.ignores:
                self._check_seen(table, sql, values, rowid, insert.arbiter)
                return None, 0
            return self._update_instead(statement, insert, table, sql, values, rowid, touched)
        if self._database.dialect == "mysql":
            try:
                self._check_parents(table, rowid, tuple(table.columns))
            except SqlError as error:
                if mark is None or error.kind != "no_parent":
                    raise
                self._database.store.undo_to(self.changes, mark)
                return None, 0
        else:
            locks.acquire(self, (table.name, rowid), exclusive=True)
        return rowid, 1

    def _check_seen(
        self,
        table: Table,
        sql: str,
        values: dict[str, Any],
        rowid: int,
        arbiter: tuple[str, ...],
    ) -> None:
        """DO NOTHING at REPEATABLE READ of PostgreSQL needs a row that the snapshot shows."""
        if self._database.dialect == "postgres" and self._level == "REPEATABLE READ":
            found = self._conflicting(table, sql, values, rowid, arbiter)
            if found is not None:
                self._check_serializable((table.name, found[0]))

    def _taken(
        self, insert: Insert, table: Table, sql: str, values: dict[str, Any], rowid: int
    ) -> bool:
        """Whether a row has the values that ON CONFLICT (...) names; waits for its transaction."""
        locks = self._database.locks
        while True:
            found = self._conflicting(table, sql, values, rowid, insert.arbiter)
            if found is None:
                return False
            self._database.store.hide()
            if locks.is_free(self, found[1], exclusive=False):
                return True
            held = len(self.held)
            locks.acquire(self, found[1], exclusive=False)
            locks.release_newest(self, held)

    def _update_instead(
        self,
        statement: Statement,
        insert: Insert,
        table: Table,
        sql: str,
        values: dict[str, Any],
        rowid: int,
        touched: Mapping[int, None],
    ) -> tuple[int | None, int]:
        store = self._database.store
        found = self._conflicting(table, sql, values, rowid, insert.arbiter)
        if found is None:
            raise SqlError("unique", f"Duplicate entry for {table.name}")
        other, entry, columns = found
        if other in touched and self._database.dialect == "postgres":
            raise SqlError(
                "twice_in_one", "ON CONFLICT DO UPDATE command cannot affect row a second time"
            )
        key = (table.name, other)
        if self._database.dialect == "mysql":
            self._database.locks.acquire(self, entry, exclusive=True)
        if self._lock(key, exclusive=True):
            store.begin_write(self.changes)
            if store.image(key) is None:
                return self._insert_row(statement, insert, table, sql, values, rowid, touched)
        store.begin_write(self.changes)
        if columns != (table.key,) and store.image((table.name, rowid)) is not None:
            # Somebody has taken the new row's own id meanwhile; it is not needed.
            rowid = -1
        before = store.image(key)
        target = ", ".join(map(quoted, columns))
        text = f"{sql} ON CONFLICT ({target}) DO {insert.conflict}"
        if not store.raw.execute(text, {**values, ROW: rowid}).rowcount:
            # Its WHERE leaves this row out.
            return None, 0
        changed = store.note(self.changes, key, before, always=self._database.dialect == "postgres")
        self._check_parents(table, other, tuple(table.columns))
        if self._database.dialect == "mysql":
            # With CLIENT_FOUND_ROWS, as SQLAlchemy and Django connect: 1 for a row found unchanged.
            return other, 2 if changed else 1
        return other, 1
