"""One transaction of an application: isolation, row locks and errors as documented.

A statement runs at one instant of simulated time: it takes its row locks (this may block), runs,
and then costs its time.

MySQL and MariaDB (InnoDB), REPEATABLE READ or READ COMMITTED. A plain SELECT shows the state as of
the transaction's first plain SELECT (READ COMMITTED: as of this SELECT), plus the transaction's own
changes. UPDATE, DELETE and locking SELECTs see and lock the newest committed rows. A failed
statement undoes only its own changes. A deadlock rolls the cheapest transaction back. Foreign keys
lock the parent's row in share mode.

PostgreSQL, READ COMMITTED or REPEATABLE READ. At READ COMMITTED every statement has its own
snapshot, at REPEATABLE READ the whole transaction has one snapshot. After a wait for a row, the
condition is checked again on the row's new version. At REPEATABLE READ, a row that another
transaction has changed since the snapshot is a serialization failure. After a failed statement
every further statement of the transaction fails, until the transaction is rolled back, entirely or
to a savepoint. A transaction that has waited for a second looks for a deadlock and then fails.
Foreign keys take FOR KEY SHARE; only a deletion or FOR UPDATE of the parent waits for this lock.

Differences from the real databases:
- No gap locks. Phantoms in locking reads of InnoDB's REPEATABLE READ are possible, and two
  transactions that look for a missing row FOR UPDATE do not deadlock.
- A statement locks the rows that its whole condition selects, not all rows that a plan without an
  index visits.
- SERIALIZABLE is not simulated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.app.sql.errors import SqlError
from sim.app.sql.statements import ROWS
from sim.app.sql.store import Mark
from sim.app.sql.transactions.answers import Answer
from sim.app.sql.transactions.inserts import Inserts
from sim.app.sql.transactions.returned import Returned
from sim.app.sql.values import given_values
from sim.database.costs import StatementWork

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.app.sql.statements import Statement


class Transaction(Inserts):
    """One transaction of one session."""

    __slots__ = ()

    def execute(self, statement: Statement, parameters: Mapping[str, Any]) -> Answer:
        """Run one statement. Raises `SqlError`."""
        self._check_usable()
        self._started = True
        values = given_values(parameters, self._database.dialect)
        try:
            with self._errors():
                if statement.kind == "select":
                    return self._select(statement, values)
                return self._write(statement, values)
        except SqlError as error:
            if self._database.dialect == "postgres":
                self._abort_postgres()
            elif error.kind == "deadlock":
                self._failed = "deadlock"
            raise

    def _select(self, statement: Statement, values: dict[str, Any]) -> Answer:
        database = self._database
        store = database.store
        database.functions.begin()
        database.functions.writes = False
        store.rows_visited()
        if statement.lock:
            if self._level == "REPEATABLE READ" and database.dialect == "postgres":
                self._view()
            rows, description = self._select_locking(statement, values)
        else:
            rows, description = store.read(
                statement.sql, values, statement.tables, self.changes, self._view()
            )
        self._charge("select", statement, len(rows), values, len(self.changes.log))
        names = tuple(part[0] for part in description)
        return Answer(rows, names, statement.types, len(rows))

    def _charge(
        self, kind: Any, statement: Statement, sent: int, values: Mapping[str, Any], logged: int
    ) -> None:
        """Charge a statement; its changes are those of the log from `logged` on."""
        database = self._database
        database.statements += 1
        table = statement.tables[0] if statement.tables else ""
        visited = max(database.store.rows_visited(), sent)
        if table:
            if database.told is not None:
                database.told(database.store.rows_logged(self.changes, logged), values)
            database.charge.statement(StatementWork(kind, table, visited, 0, sent))

    def _select_locking(
        self, statement: Statement, values: dict[str, Any]
    ) -> tuple[list[tuple[Any, ...]], Any]:
        store = self._database.store
        chosen, waited = self._lock_rows(statement, values)
        sql, given = statement.sql, values
        if waited or statement.wait == "skip":
            listed = ", ".join(str(row[0]) for row in chosen if row[0] is not None)
            sql = statement.restricted.replace(ROWS, f"({listed})")
        # A locking read sees the newest rows.
        return store.read(sql, given, statement.tables, self.changes, store.version)

    # Writes

    def _write(self, statement: Statement, values: dict[str, Any]) -> Answer:
        database = self._database
        if database.dialect == "postgres" and self._level == "REPEATABLE READ":
            self._view()
        for obstacle in database.obstacles:
            obstacle(self, statement)
        database.functions.begin()
        database.functions.writes = True
        database.store.rows_visited()
        mark = Mark(self.changes)
        returned = Returned(statement.returning, self.changes, database.store, values)
        self.last_id = None
        try:
            if statement.kind == "insert":
                count = self._insert(statement, values, returned)
            else:
                count = self._change(statement, values, returned)
        except BaseException:
            if not self._failed:
                database.store.undo_to(self.changes, mark)
            raise
        rows, names = returned.result()
        self._charge(statement.kind, statement, len(rows or ()), values, mark.length)
        return Answer(rows, names, statement.types, count, self.last_id)

    def _change(self, statement: Statement, values: dict[str, Any], returned: Returned) -> int:
        """UPDATE or DELETE; returns the number of rows."""
        chosen, _ = self._lock_rows(statement, values)
        touched = [row[0] for row in chosen]
        table = self._database.store.tables[statement.locked[0][1]]
        if statement.kind == "update":
            for rowid in touched:
                self._do(statement.sql, values, table, rowid)
                self._check_parents(table, rowid, statement.assigned)
            returned.add(touched)
        else:
            returned.add(touched)
            for rowid in touched:
                self._delete(table.name, rowid)
        return len(touched)
