"""The database of the simulated world: transactions, locks, costs, on simulated time.

`SimulatedDatabase` is `model.ports.Database`. A transaction borrows a connection. Each of its
statements takes its row locks (this may block), runs, and then costs its time. The data that a
statement reads does not change while the statement runs.

Isolation. The incident's database is MariaDB 10.11 with InnoDB at REPEATABLE READ. This database
has the same level, with the same peculiarities:
- A plain SELECT takes no locks and reads the state as of the transaction's first plain SELECT,
  plus the transaction's own changes. Two transactions can therefore both read a row, and the
  later one's write of a value computed from it overwrites the earlier one's (lost update); what
  one transaction read can be out of date when it writes (write skew).
- UPDATE, DELETE, INSERT and SELECT ... FOR UPDATE see and lock the newest committed rows, also
  rows that the transaction's plain SELECTs do not show yet. A guard in the WHERE clause of an
  UPDATE therefore holds.
- No dirty reads, no dirty writes, no non-repeatable plain reads. Generated ids are not given back
  by a rollback. A statement that fails or waits too long for a lock undoes itself only; a deadlock
  rolls the whole transaction back.
Differences from InnoDB:
- No gap locks. InnoDB keeps others from inserting into a range that FOR UPDATE or UPDATE has
  scanned; here a phantom row can appear in a second locking read, and two transactions that each
  look for a missing row before inserting it do not deadlock.
- A statement locks the rows that its whole condition selects, not all that its plan visits. With
  an equality on the primary key it locks that key, whether there is such a row or not.
- A row with a unique value that another transaction gave up after this one's view began is no
  longer in the view once this transaction has used the value itself; InnoDB shows both rows.
- Two inserts of one unique value wait for each other in line, where InnoDB's waiters share a lock
  and may deadlock once the first has rolled back.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self, cast

import sqlalchemy
from sqlalchemy import Column, CursorResult, Engine, Executable, MetaData, Row, Table, func, select

from model.errors import DatabaseError, DeadlockError
from sim.database.costs import Costs, StatementWork
from sim.database.locks import LockOwner, LockTable
from sim.database.results import StoredRows
from sim.database.statements import Parameters, Prepared, UnsupportedStatementError
from sim.database.storage import Storage
from sim.database.views import Changes
from sim.kernel.environment import Environment

_NO_PARAMETERS: Final[Parameters] = {}
_ROWS_AT_ONCE: Final = 1_000


class ConnectionPool(Protocol):
    """The pool that transactions borrow their connections from."""

    def acquire(self) -> float:
        """Borrow a connection; returns the time. May block; raises `PoolTimeoutError`."""
        ...

    def release(self, borrowed_s: float) -> None:
        """Give the connection back; never blocks."""
        ...


class StatementCharge(Protocol):
    """The cost of database work: each method blocks the current thread for the work's time."""

    def begin(self, read_only: bool) -> None:
        """A transaction starts."""
        ...

    def statement(self, work: StatementWork) -> None:
        """A statement has run."""
        ...

    def end(self, committed: bool, wrote: bool) -> None:
        """A transaction commits (its changes are visible after this) or rolls back."""
        ...


class SimulatedDatabase:
    """One database of one run.

    Args:
        env: the kernel; statements may only run on its threads.
        metadata: tables that statements may use.
        create: creates tables and indexes through the engine it is given.
        pool: connections.
        charge: makes database work take its time.
        lock_wait_timeout_s: longest wait for one row lock.
        memo_rows: most rows of SELECTs kept to answer unchanged SELECTs again; 0 for none.
    """

    def __init__(
        self,
        env: Environment,
        metadata: MetaData,
        create: Callable[[Engine], None],
        *,
        pool: ConnectionPool,
        charge: StatementCharge,
        lock_wait_timeout_s: float,
        memo_rows: int = 200_000,
    ) -> None:
        self.pool = pool
        self.charge = charge
        self.storage: Final = Storage(metadata, create, memo_rows=memo_rows)
        self.costs: Final = Costs(self.storage)
        self.locks: Final = LockTable(env, lock_wait_timeout_s)
        self.commits = 0
        self.rollbacks = 0
        self.on_commit: Callable[[frozenset[str]], None] | None = None
        """Called with the tables that changed, right after a commit became visible."""
        self.obstacles: Final[list[Callable[[Transaction, Prepared], None]]] = []
        """Called before each statement that writes; may raise the error of a failed write."""
        self.open: dict[Transaction, None] = {}
        """Transactions that have begun and not ended, oldest first."""
        self._readers: Final[dict[Transaction, int]] = {}
        """The snapshots of the transactions that have a snapshot, oldest first."""

    def begin(self, *, read_only: bool = False) -> Transaction:
        """One transaction on one borrowed connection; see `model.ports.Database`.

        A violated constraint raises SQLAlchemy's `IntegrityError` inside the transaction, where the
        caller can handle it. If the error leaves the transaction, it becomes a `DatabaseError`.
        """
        return Transaction(self, read_only)

    def through(self, pool: ConnectionPool, charge: StatementCharge) -> SimulatedDatabase:
        """The same database as seen by another program; each program counts its own commits."""
        other = copy.copy(self)
        other.pool, other.charge = pool, charge
        return other

    @property
    def executed(self) -> Counter[str]:
        """Statements that ran, by kind, without the SELECTs that were answered from memory."""
        return Counter(self.storage.executed)

    @property
    def memo_hits(self) -> int:
        """SELECTs answered from memory because the data they read had not changed."""
        return self.storage.memo_hits

    # Outside simulated time.

    def seed_rows(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows from before the run: takes no time and no locks, counts no statement."""
        if self.open:
            raise RuntimeError(f"table {table.name} cannot be filled while transactions are open")
        self.storage.load(table, rows)

    def query(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> list[Row[*tuple[Any, ...]]]:
        """Read committed rows from outside: takes no time, counts no statement."""
        return list(self.storage.committed(statement, parameters or _NO_PARAMETERS))

    def rows_per_table(self) -> dict[str, int]:
        """Committed rows of each table, by name."""
        return {
            name: int(self.query(select(func.count()).select_from(info.table))[0][0])
            for name, info in sorted(self.storage.infos.items())
        }

    def counts_by(self, column: Column[Any]) -> dict[Any, int]:
        """Committed rows per value of a column, such as bookings by status; ordered by value."""
        rows = self.query(select(column, func.count()).group_by(column).order_by(column))
        return {row[0]: int(row[1]) for row in rows}

    def final_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All committed rows, tables by name and rows by primary key."""
        return {
            name: [tuple(row) for row in self.query(select(info.table).order_by(info.key))]
            for name, info in sorted(self.storage.infos.items())
        }

    def final_text(self) -> bytes:
        """`repr(self.final_rows())` in UTF-8, without all rows in memory at the same time."""
        tables = []
        for name, info in sorted(self.storage.infos.items()):
            rows = self.storage.committed(select(info.table).order_by(info.key), _NO_PARAMETERS)
            text = bytearray()
            for part in rows.partitions(_ROWS_AT_ONCE):
                text += b", " if text else b""
                text += ", ".join(repr(tuple(row)) for row in part).encode()
            tables.append(b"%b: [%b]" % (repr(name).encode(), bytes(text)))
        return b"{%b}" % b", ".join(tables)

    # For transactions.

    def begin_reading(self, transaction: Transaction) -> int:
        """The commit whose state a transaction will see from now on."""
        self._readers[transaction] = version = self.storage.version
        return version

    def commit(self, changes: Changes, reader: Transaction) -> None:
        """Make changes visible to every transaction whose view begins from now on."""
        others = len(self._readers) > (reader in self._readers)
        self.storage.commit(changes, keep_history=others)
        self.commits += 1

    def end(self, transaction: Transaction) -> None:
        """Remove a transaction, and the history that only this transaction needed."""
        del self.open[transaction]
        # A transaction without a read has kept no history.
        if transaction.snapshot is None:
            return
        del self._readers[transaction]
        if self.storage.has_history:
            self.storage.trim(next(iter(self._readers.values()), self.storage.version))


class Transaction(LockOwner):
    """One transaction: a context manager, and the `model.ports.Connection` inside it."""

    __slots__ = ("_borrowed_s", "_changes", "_database", "_doomed", "_read_only", "snapshot")

    def __init__(self, database: SimulatedDatabase, read_only: bool) -> None:
        super().__init__()
        self._database = database
        self._read_only = read_only
        self._changes = Changes()
        self._doomed = False
        self._borrowed_s = 0.0
        self.snapshot: int | None = None
        """Commit whose state plain SELECTs show; None before the first SELECT."""

    def __enter__(self) -> Self:
        database = self._database
        self._borrowed_s = database.pool.acquire()
        database.open[self] = None
        try:
            database.charge.begin(self._read_only)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and not self._doomed:
                self._commit()
            elif error is None or isinstance(error, Exception):
                self._database.charge.end(committed=False, wrote=bool(self._changes.log))
            # Otherwise the thread is being killed, and no more time may pass in it.
            if isinstance(error, sqlalchemy.exc.DBAPIError):
                raise DatabaseError(str(error)) from error
        finally:
            self._leave()

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Run one statement: take its locks, run it, spend its time, return its result.

        Raises:
            LockTimeoutError: a row lock was not granted in time; the statement did nothing.
            DeadlockError: the transaction was rolled back to end a deadlock.
            sqlalchemy.exc.IntegrityError: a unique or foreign key was violated.
            UnsupportedStatementError: its locks or costs cannot be worked out.
        """
        database = self._database
        if self._doomed:
            raise DeadlockError("the transaction was rolled back by a deadlock")
        if self not in database.open:
            raise sqlalchemy.exc.ResourceClosedError("the transaction is not open")
        prepared = database.storage.prepare(statement)
        values = _NO_PARAMETERS if parameters is None else parameters
        if prepared.kind == "select":
            return self._select(prepared, values)
        if self._read_only:
            raise sqlalchemy.exc.InternalError(
                str(statement),
                None,
                Exception("Cannot execute statement in a READ ONLY transaction"),
            )
        return self._write(prepared, values)

    @property
    def weight(self) -> int:
        """Number of changed rows and locks, InnoDB's weight for choosing a deadlock's victim."""
        return len(self._changes.before) + len(self.held)

    def abort(self) -> None:
        """Roll back at once, as a deadlock's victim."""
        self._doomed = True
        self._undo()

    def _select(self, prepared: Prepared, parameters: Parameters) -> CursorResult[Any]:
        storage = self._database.storage
        if prepared.exclusive is not None:
            self._lock_rows(prepared, parameters)
            stored = storage.read_newest(prepared, parameters, self._changes)
        else:
            if self.snapshot is None:
                self.snapshot = self._database.begin_reading(self)
            stored = storage.read(prepared, parameters, self._changes, self.snapshot)
        self._database.charge.statement(self._work_of(stored, prepared, parameters))
        # The object has every method of a result of rows; CursorResult adds only methods for
        # writes.
        return cast("CursorResult[Any]", stored.result())

    def _work_of(
        self, stored: StoredRows, prepared: Prepared, parameters: Parameters
    ) -> StatementWork:
        work: StatementWork | None = stored.attachment
        if work is None:
            work = self._database.costs.work(prepared, parameters, len(stored))
            stored.attachment = work
        return work

    def _write(self, prepared: Prepared, parameters: Parameters) -> CursorResult[Any]:
        database = self._database
        for obstacle in database.obstacles:
            obstacle(self, prepared)
        if prepared.kind == "insert":
            parameters, key = self._with_key(prepared, parameters)
            self._lock(prepared.table.name, key)
            keys = [key]
            self._lock_unique(prepared, parameters)
        else:
            keys = self._lock_rows(prepared, parameters)
            self._lock_changed_unique(prepared, parameters, keys)
        if prepared.kind != "delete":
            self._lock_parents(prepared, parameters)
        try:
            result = database.storage.write(prepared, parameters, self._changes, keys)
        except sqlalchemy.exc.IntegrityError:
            database.charge.statement(StatementWork(prepared.kind, prepared.table.name, 1, 0, 0))
            raise
        database.charge.statement(database.costs.work(prepared, parameters, 0))
        return result

    def _with_key(self, prepared: Prepared, parameters: Parameters) -> tuple[Parameters, Any]:
        """Primary key of a row to insert: the given key, or the next generated key."""
        storage = self._database.storage
        info = prepared.table
        key = prepared.assigned_value(info.key.name, parameters)
        if key is None:
            key = storage.next_id(info.name)
            return {**parameters, info.key.name: key}, key
        if isinstance(key, int):
            storage.reserve_id(info.name, key)
        return parameters, key

    # Locks.

    def _lock(self, table: str, key: Any, *, exclusive: bool = True) -> bool:
        return self._database.locks.acquire(self, (table, key), exclusive=exclusive)

    def _lock_rows(self, prepared: Prepared, parameters: Parameters) -> list[Any]:
        """Lock the rows that an UPDATE, DELETE or locking SELECT touches; return their keys."""
        exclusive = bool(prepared.exclusive)
        if prepared.key is not None:
            key = prepared.key_value(parameters)
            if key is None:
                return []
            self._lock(prepared.table.name, key, exclusive=exclusive)
            return [key]
        while True:
            rows = self._database.storage.keys(prepared, parameters, self._changes)
            waited = False
            for row in rows:
                for table, key in zip(prepared.locked, row, strict=True):
                    if key is not None:
                        waited |= self._lock(table, key, exclusive=exclusive)
            if not waited:
                return [row[0] for row in rows]
            # Rows may have changed during the wait: look again; locked rows stay locked.

    def _lock_parents(self, prepared: Prepared, parameters: Parameters) -> None:
        """Lock the rows that foreign keys point at (shared), so that they are not deleted."""
        for column, parent in prepared.table.parents:
            if prepared.assigns(column, parameters):
                key = prepared.assigned_value(column, parameters)
                if key is not None:
                    self._lock(parent, key, exclusive=False)

    def _lock_unique(self, prepared: Prepared, parameters: Parameters) -> None:
        """Lock the unique values that a row will have."""
        info = prepared.table
        for group in info.unique:
            values = tuple(prepared.assigned_value(column, parameters) for column in group)
            if None not in values:
                self._lock(info.name, (group, values))

    def _lock_changed_unique(
        self, prepared: Prepared, parameters: Parameters, keys: list[Any]
    ) -> None:
        """Lock the unique values that rows lose by DELETE, or lose and gain by UPDATE."""
        info = prepared.table
        if prepared.kind == "update":
            if prepared.assigns(info.key.name, parameters):
                raise UnsupportedStatementError(f"UPDATE of a primary key: {prepared.statement}")
            groups = [
                group
                for group in info.unique
                if any(prepared.assigns(column, parameters) for column in group)
            ]
        else:
            groups = list(info.unique)
        if not groups:
            return
        names = [column.name for column in info.table.columns]
        for key in keys:
            image = self._database.storage.own_image((info.name, key), self._changes)
            if image is None:
                continue
            old = dict(zip(names, image, strict=True))
            new = {
                column: prepared.assigned_value(column, parameters)
                for column in names
                if prepared.kind == "update" and prepared.assigns(column, parameters)
            }
            for group in groups:
                for row in (old, {**old, **new}):
                    values = tuple(row[column] for column in group)
                    if None not in values:
                        self._lock(info.name, (group, values))

    # The end.

    def _commit(self) -> None:
        database = self._database
        wrote = bool(self._changes.log)
        database.charge.end(committed=True, wrote=wrote)
        if wrote:
            tables = frozenset(self._changes.tables)
            database.commit(self._changes, self)
            self._changes = Changes()
            if database.on_commit is not None:
                database.on_commit(tables)

    def _undo(self) -> None:
        database = self._database
        if self._changes.log:
            database.rollbacks += 1
        database.storage.undo(self._changes)
        database.locks.release_all(self)

    def _leave(self) -> None:
        """Roll back uncommitted changes and give the connection back; takes no time."""
        try:
            self._undo()
            self._database.end(self)
        finally:
            self._database.pool.release(self._borrowed_s)
