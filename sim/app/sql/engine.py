"""The database of an application: transactions, isolation, row locks and errors as documented.

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

import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

from sqlglot import exp

from model.errors import DeadlockError, LockTimeoutError
from sim.app.errors import UnsupportedSqlError
from sim.app.sql.errors import SqlError
from sim.app.sql.functions import Functions
from sim.app.sql.schema import (
    Foreign,
    Table,
    add_constraint,
    create_sql,
    default_sql,
    quoted,
    read_create,
    type_of,
    unique_sql,
)
from sim.app.sql.statements import ROW, ROWS, Insert, Statement, analyse, parse
from sim.app.sql.store import Mark, Store
from sim.app.sql.values import given_values
from sim.database.costs import StatementWork
from sim.database.locks import LockOwner, LockTable
from sim.database.views import Changes, RowKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sim.app.sql.errors import ErrorKind
    from sim.app.sql.schema import Type
    from sim.kernel.environment import Environment

Dialect = Literal["mysql", "postgres"]
Level = Literal["READ COMMITTED", "REPEATABLE READ"]
_MOST_STATEMENTS: Final = 5_000
_NO_TIMEOUT_S: Final = float("inf")
_BEFORE_ALL: Final = -1
"""In the place of a number of locks: the savepoint is older than all that the transaction did."""
_DEADLOCK_TIMEOUT_S: Final = 1.0
"""PostgreSQL's own default."""
_statements: dict[tuple[str, str], dict[str, Statement]] = {}
"""Analysed statements by dialect and schema: the next run has the same."""


class Answer(NamedTuple):
    """The result of a statement."""

    rows: Sequence[tuple[Any, ...]] | None
    names: tuple[str, ...]
    types: tuple[tuple[int, Type], ...]
    changed: int
    """Rows found by a SELECT, or touched by a write."""
    last_id: int | None = None


class Charge(Protocol):
    """The cost of database work: each method blocks the current thread for the work's time."""

    def begin(self, read_only: bool) -> None:
        """A transaction starts."""
        ...

    def statement(self, work: StatementWork) -> None:
        """A statement has run."""
        ...

    def end(self, committed: bool, wrote: bool) -> None:
        """A transaction is about to commit, or has rolled back."""
        ...


class Database:
    """One database of one run, in the dialect of its URL.

    Args:
        env: the kernel; statements run on its threads.
        name: how the application's URL calls it.
        dialect: "mysql" (MariaDB too) or "postgres".
        charge: time that work takes.
        lock_wait_timeout_s: longest wait for one row lock; PostgreSQL has none by default.
        epoch_s: gives the time in seconds since 1970.
        random: gives a random number below 1.
        deadlock_timeout_s: how long PostgreSQL waits for a lock before it looks for a deadlock.
    """

    def __init__(
        self,
        env: Environment,
        name: str,
        dialect: Dialect,
        *,
        charge: Charge,
        lock_wait_timeout_s: float,
        epoch_s: Callable[[], float],
        random: Callable[[], float],
        deadlock_timeout_s: float = _DEADLOCK_TIMEOUT_S,
    ) -> None:
        self.name = name
        self.dialect: Dialect = dialect
        self.charge = charge
        self.store: Final = Store()
        self.locks: Final = LockTable(
            env,
            lock_wait_timeout_s if dialect == "mysql" else _NO_TIMEOUT_S,
            raises_at_once=dialect == "postgres",
            deadlock_timeout_s=deadlock_timeout_s if dialect == "postgres" else None,
        )
        self.functions: Final = Functions(self.store.raw, dialect, epoch_s, random)
        self.open: Final[dict[Transaction, None]] = {}
        self.obstacles: list[Callable[[Transaction, Statement], None]] = []
        """Called before each statement that writes; may raise the error of a failed write."""
        self.commits = 0
        self.statements = 0
        self._readers: Final[dict[Transaction, int]] = {}
        self._known: dict[str, Statement] = {}
        self._schema = ""
        """Hash of every change of the schema so far."""

    @property
    def default_level(self) -> Level:
        """The isolation of a session that has asked for none."""
        return "REPEATABLE READ" if self.dialect == "mysql" else "READ COMMITTED"

    def statement(self, text: str) -> Statement:
        """The analysed statement of a text."""
        found = self._known.get(text)
        if found is None:
            known = _statements.setdefault((self.dialect, self._schema), {})
            if len(known) >= _MOST_STATEMENTS:
                known.clear()
            self._known = known
            found = known.get(text)
            if found is not None:
                return found
            found = analyse(text, self.dialect, self.store.tables)
            missing = [name for name in found.tables if name not in self.store.tables]
            if missing:
                raise SqlError("no_table", f"Table '{self.name}.{missing[0]}' doesn't exist")
            self._known[text] = found
        return found

    def reader(self, transaction: Transaction) -> int:
        """The commit whose state a transaction sees from now on."""
        self._readers[transaction] = version = self.store.version
        return version

    def commit(self, changes: Changes, reader: Transaction) -> None:
        """Make changes visible to every transaction whose view begins from now on."""
        others = len(self._readers) > (reader in self._readers)
        self.store.commit(changes, keep_history=others)
        self.commits += 1

    def forget(self, transaction: Transaction) -> None:
        """Remove a transaction, and the history that only this transaction needed."""
        self.open.pop(transaction, None)
        self.unread(transaction)

    def unread(self, transaction: Transaction) -> None:
        """Remove the history that only this transaction needed."""
        if self._readers.pop(transaction, None) is not None:
            self.store.trim(min(self._readers.values(), default=self.store.version))

    # Schema

    def change_schema(self, text: str) -> None:
        """Run CREATE, ALTER, DROP or TRUNCATE: at once, outside any transaction."""
        tree = parse(text, self.dialect)
        match tree:
            case exp.Create() if str(tree.args.get("kind")).upper() == "TABLE":
                self._create(tree)
            case exp.Create() if str(tree.args.get("kind")).upper() == "INDEX":
                self._index(tree)
            case exp.Create() if str(tree.args.get("kind")).upper() in {"SCHEMA", "DATABASE"}:
                pass
            case exp.Drop():
                self._drop(tree)
            case exp.Alter():
                self._alter(tree)
            case exp.TruncateTable():
                for table in tree.expressions:
                    self.store.hide()
                    self.store.raw.execute(f"DELETE FROM {quoted(table.name)}")  # noqa: S608
            case _:
                raise UnsupportedSqlError(f"{tree.key} {tree.args.get('kind')}")
        self._schema = sha256(f"{self._schema}{text}".encode()).hexdigest()
        self._known = _statements.setdefault((self.dialect, self._schema), {})

    def _create(self, tree: exp.Create) -> None:
        name = (tree.this.this if isinstance(tree.this, exp.Schema) else tree.this).name
        if name in self.store.tables:
            if tree.args.get("exists"):
                return
            raise SqlError("syntax", f"Table '{name}' already exists")
        table = read_create(tree, self.dialect)
        for foreign in list(table.foreign):
            if not foreign.parent_columns:
                self._complete(table, foreign)
        self.store.add(table, create_sql(table, self.dialect))
        for foreign in table.foreign:
            self._time_saver(table.name, foreign.columns)

    def _complete(self, table: Table, foreign: Foreign) -> None:
        parent = table if foreign.parent == table.name else self.store.tables.get(foreign.parent)
        if parent is None:
            raise SqlError("no_table", f"Table '{foreign.parent}' doesn't exist")
        at = table.foreign.index(foreign)
        table.foreign[at] = replace(foreign, parent_columns=parent.primary)

    def _time_saver(self, table: str, columns: tuple[str, ...]) -> None:
        name = quoted("_".join(("index", table, *columns)))
        listed = ", ".join(map(quoted, columns))
        self.store.raw.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {quoted(table)} ({listed})")

    def _index(self, tree: exp.Create) -> None:
        index = tree.this
        name = index.args["table"].name
        table = self.store.tables.get(name)
        if table is None:
            raise SqlError("no_table", f"Table '{name}' doesn't exist")
        params = index.args["params"]
        parts = [
            part.this if isinstance(part, exp.Ordered) else part for part in params.args["columns"]
        ]
        self.store.hide()
        if not all(isinstance(part, exp.Column) for part in parts):
            if tree.args.get("unique"):
                raise UnsupportedSqlError("a unique index on an expression")
            return
        columns = tuple(part.name for part in parts)
        if not tree.args.get("unique"):
            self._time_saver(name, columns)
            return
        if params.args.get("where") is not None:
            raise UnsupportedSqlError("a unique index with WHERE")
        table.unique.append(columns)
        self.store.raw.execute(unique_sql(name, columns))

    def _drop(self, tree: exp.Drop) -> None:
        if str(tree.args.get("kind")).upper() != "TABLE":
            return
        # Newer versions of sqlglot have the first table in the list too.
        first = [] if tree.this is None else [tree.this]
        for name in [part.name for part in (*first, *tree.expressions)]:
            if name in self.store.tables:
                self.store.drop(name)
            elif not tree.args.get("exists"):
                raise SqlError("no_table", f"Unknown table '{name}'")

    def _alter(self, tree: exp.Alter) -> None:
        table = self.store.tables.get(tree.this.name)
        if table is None:
            raise SqlError("no_table", f"Table '{tree.this.name}' doesn't exist")
        self.store.hide()
        for action in tree.args.get("actions") or ():
            match action:
                case exp.AddConstraint():
                    for part in action.expressions:
                        add_constraint(table, part, self.dialect)
                    for group in table.unique:
                        self.store.raw.execute(unique_sql(table.name, group))
                case exp.ColumnDef():
                    self._add_column(table, action)
                case _:
                    raise UnsupportedSqlError(f"ALTER TABLE ... {action.sql(dialect=self.dialect)}")

    def _add_column(self, table: Table, part: exp.ColumnDef) -> None:
        extra = read_create(
            exp.Create(
                this=exp.Schema(this=exp.to_table(table.name), expressions=[part.copy()]),
                kind="TABLE",
            ),
            self.dialect,
        )
        column = extra.columns[part.name]
        column.type = type_of(part.args["kind"], self.dialect)
        default = next(
            (
                constraint.kind.this
                for constraint in part.args.get("constraints") or ()
                if isinstance(constraint.kind, exp.DefaultColumnConstraint)
            ),
            None,
        )
        name = quoted(column.name)
        given = f" DEFAULT {default_sql(default).strip('()')}" if default is not None else ""
        self.store.raw.execute(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {name}{given}")
        table.columns[column.name] = column
        table.unique += extra.unique
        table.foreign += extra.foreign
        self.store.refresh(table)


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


class _Returned:
    """What RETURNING gives of the rows that a statement touches, in their order."""

    def __init__(self, sql: str, changes: Changes, store: Store, values: Mapping[str, Any]) -> None:
        self._sql = sql
        self._changes = changes
        self._store = store
        self._values = values
        self._rows: list[tuple[Any, ...]] = []
        self._names: tuple[str, ...] | None = None

    def add(self, rowids: Sequence[int]) -> None:
        """Take the rows as they are now."""
        if not self._sql:
            return
        self._store.apply(self._changes)
        listed = ", ".join(map(str, rowids))
        cursor = self._store.raw.execute(self._sql.replace(ROWS, f"({listed})"), self._values)
        self._rows += cursor.fetchall()
        self._names = tuple(part[0] for part in cursor.description)

    def result(self) -> tuple[list[tuple[Any, ...]] | None, tuple[str, ...]]:
        """Rows and names of their columns; None if nothing is returned."""
        if not self._sql:
            return None, ()
        if self._names is None:
            self.add(())
        return self._rows, self._names or ()


class Transaction(LockOwner):
    """One transaction of one session."""

    __slots__ = (
        "_changes",
        "_database",
        "_deferred",
        "_failed",
        "_level",
        "_savepoints",
        "_started",
        "last_id",
        "snapshot",
    )

    def __init__(self, database: Database, level: Level) -> None:
        super().__init__()
        self._database = database
        self._level: Level = level
        self._changes = Changes()
        self._savepoints: list[tuple[str, Mark, int, int]] = []
        """Name, changes, number of locks and of deferred checks at each savepoint."""
        self._deferred: list[Callable[[], None]] = []
        """Checks of foreign keys that wait for the commit."""
        self._started = False
        """Whether a statement has run."""
        self._failed = ""
        """Why no statement runs any more: "deadlock", or "aborted" (PostgreSQL)."""
        self.snapshot: int | None = None
        self.last_id: int | None = None
        database.open[self] = None
        database.charge.begin(read_only=False)

    @property
    def failed(self) -> bool:
        """Whether no statement runs any more."""
        return bool(self._failed)

    # Ends

    def commit(self) -> None:
        """Commit; as in the real database, a failed transaction is rolled back instead."""
        if self._failed:
            self.rollback()
            return
        database = self._database
        try:
            self.check_deferred()
            database.charge.end(committed=True, wrote=bool(self._changes.log))
            if not self._failed:
                database.commit(self._changes, self)
        finally:
            self.leave()

    def check_deferred(self) -> None:
        """Check the foreign keys that are checked late. Raises `SqlError`."""
        checks, self._deferred = self._deferred, []
        with self._errors():
            for check in checks:
                check()

    def rollback(self) -> None:
        """Roll back."""
        try:
            self._database.charge.end(committed=False, wrote=bool(self._changes.log))
        finally:
            self.leave()

    def leave(self) -> None:
        """End without time; uncommitted changes are lost."""
        self._undo_all()
        self._database.forget(self)

    def _undo_all(self) -> None:
        database = self._database
        database.store.undo_to(self._changes, Mark(Changes()))
        database.locks.release_all(self)

    @property
    def weight(self) -> int:
        """Changed rows and locks, as InnoDB weighs a deadlock's victims; alike in PostgreSQL."""
        if self._database.dialect == "postgres":
            return 0
        return len(self._changes.before) + len(self.held)

    def abort(self) -> None:
        """Roll back at once, as a deadlock's victim."""
        self._failed = "aborted" if self._database.dialect == "postgres" else "deadlock"
        self._undo_all()

    # Savepoints

    def savepoint(self, name: str) -> None:
        """SAVEPOINT name."""
        self._check_usable()
        if self._database.dialect == "mysql":
            # One of the same name takes the place of the older one; in PostgreSQL it hides it.
            self._savepoints = [pair for pair in self._savepoints if pair[0] != name]
        first = self._database.dialect == "mysql" and not self._started
        locks = _BEFORE_ALL if first else len(self.held)
        self._savepoints.append((name, Mark(self._changes), locks, len(self._deferred)))

    def rollback_to(self, name: str) -> None:
        """ROLLBACK TO SAVEPOINT name: changes since are undone; InnoDB keeps the locks."""
        at = self._find(name)
        del self._savepoints[at + 1 :]
        if self._savepoints[at][2] == _BEFORE_ALL:
            # InnoDB was no part of the transaction yet, and rolls everything back.
            self._undo_all()
            self.snapshot, self._started = None, False
            self._database.unread(self)
        else:
            self._undo_to_savepoint()
        if self._failed == "aborted":
            self._failed = ""

    def _undo_to_savepoint(self) -> None:
        """Undo the changes since the last savepoint; in PostgreSQL the locks since then end too."""
        database = self._database
        _, mark, locks, checks = self._savepoints[-1]
        del self._deferred[checks:]
        database.store.undo_to(self._changes, mark)
        if database.dialect == "postgres":
            database.locks.release_newest(self, locks)

    def _abort_postgres(self) -> None:
        """After a failed statement PostgreSQL undoes the changes and ends the locks at once."""
        self._failed = "aborted"
        if self._savepoints:
            self._undo_to_savepoint()
        else:
            self._undo_all()

    def release(self, name: str) -> None:
        """RELEASE SAVEPOINT name."""
        self._check_usable()
        del self._savepoints[self._find(name) :]

    def _find(self, name: str) -> int:
        for at in range(len(self._savepoints) - 1, -1, -1):
            if self._savepoints[at][0] == name:
                return at
        if self._database.dialect == "postgres":
            self._abort_postgres()
        raise SqlError("no_savepoint", f"SAVEPOINT {name} does not exist")

    def refuse(self, error: SqlError) -> None:
        """The server could not make sense of a statement. Raises `error`, or why none runs."""
        self._check_usable()
        if self._database.dialect == "postgres":
            self._abort_postgres()
        raise error

    def _check_usable(self) -> None:
        if self._failed == "deadlock":
            raise SqlError(
                "deadlock", "Deadlock found when trying to get lock; try restarting transaction"
            )
        if self._failed:
            raise SqlError(
                "aborted",
                "current transaction is aborted, commands ignored until end of transaction block",
            )

    # Statements

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

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except LockTimeoutError as error:
            raise SqlError(
                "lock_timeout", "Lock wait timeout exceeded; try restarting transaction"
            ) from error
        except DeadlockError as error:
            text = (
                "deadlock detected"
                if self._database.dialect == "postgres"
                else "Deadlock found when trying to get lock; try restarting transaction"
            )
            raise SqlError("deadlock", text) from error
        except sqlite3.IntegrityError as error:
            raise _integrity(error) from error
        except sqlite3.OperationalError as error:
            if self._database.functions.failed == "division_by_zero":
                raise SqlError("division_by_zero", "division by zero") from error
            raise UnsupportedSqlError(f"SQLite cannot run it: {error}") from error

    def _view(self) -> int:
        """The commit whose state a plain SELECT shows."""
        if self._level == "READ COMMITTED":
            return self._database.store.version
        if self.snapshot is None:
            self.snapshot = self._database.reader(self)
        return self.snapshot

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
                statement.sql, values, statement.tables, self._changes, self._view()
            )
        self._charge("select", statement, len(rows))
        names = tuple(part[0] for part in description)
        return Answer(rows, names, statement.types, len(rows))

    def _charge(self, kind: Any, statement: Statement, sent: int) -> None:
        database = self._database
        database.statements += 1
        table = statement.tables[0] if statement.tables else ""
        visited = max(database.store.rows_visited(), sent)
        if table:
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
        return store.read(sql, given, statement.tables, self._changes, store.version)

    def _lock_rows(
        self, statement: Statement, values: dict[str, Any]
    ) -> tuple[list[tuple[Any, ...]], bool]:
        """Lock the rows that a statement touches; return their rowids, and whether any was busy.

        After the wait for a row the condition is looked at again on the row as it is then.
        """
        database = self._database
        store = database.store
        own_view = database.dialect == "postgres" and self._level == "REPEATABLE READ"
        others: list[Changes] = []
        if database.dialect == "mysql":
            # InnoDB finds rows that others have inserted and not yet committed, and waits for them.
            tables = {table for _, table in statement.locked}
            others = [
                each._changes
                for each in database.open
                if each is not self and not tables.isdisjoint(each._changes.tables)
            ]
        found, _ = store.read(
            statement.candidates,
            values,
            statement.tables,
            self._changes,
            self._view() if own_view else store.version,
            others,
        )
        most = _count(statement.limit, values)
        skip = _count(statement.offset, values) or 0
        chosen: list[tuple[Any, ...]] = []
        looked_again = False
        for rows in found:
            if most is not None and len(chosen) >= most + skip:
                break
            waited = self._lock_each(statement, rows)
            if waited is None:
                continue
            if waited:
                looked_again = True
                again, _ = store.read(
                    statement.candidates, values, statement.tables, self._changes, store.version
                )
                if rows not in again:
                    continue
            chosen.append(rows)
        return chosen[skip:], looked_again

    def _lock_each(self, statement: Statement, rows: tuple[Any, ...]) -> bool | None:
        """Lock a row of each table; None if one is skipped, true if one was waited for."""
        waited = False
        exclusive = statement.lock == "update"
        for (_, table), rowid in zip(statement.locked, rows, strict=True):
            if rowid is None:
                continue
            key: Any = (table, rowid)
            if statement.key_only:
                # FOR KEY SHARE only keeps the row's key from being changed.
                key = ("key", table, rowid)
            if statement.wait != "wait" and not self._is_free(key, statement):
                if statement.wait == "skip":
                    return None
                raise SqlError("nowait", f"could not obtain lock on row in relation {table!r}")
            if self._database.dialect == "postgres" and (
                statement.kind == "delete" or statement.locks_keys
            ):
                waited |= self._lock_with_key(key)
            elif statement.key_only:
                # Another column may have changed since the snapshot: that does not matter here.
                waited |= self._database.locks.acquire(self, key, exclusive=False)
            else:
                waited |= self._lock(key, exclusive=exclusive)
        return waited

    def _lock_with_key(self, row: RowKey) -> bool:
        """Lock a row against foreign keys too; no lock is held while the other is waited for."""
        locks = self._database.locks
        held = len(self.held)
        waited = self._lock(("key", *row), exclusive=True)
        if not locks.is_free(self, row, exclusive=True):
            locks.release_newest(self, held)
            waited |= self._lock(row, exclusive=True)
            return self._lock(("key", *row), exclusive=True) or waited
        return self._lock(row, exclusive=True) or waited

    def _is_free(self, key: Any, statement: Statement) -> bool:
        locks = self._database.locks
        free = locks.is_free(self, key, exclusive=statement.lock == "update")
        if self._database.dialect == "postgres" and statement.locks_keys:
            # FOR UPDATE also conflicts with FOR KEY SHARE of a child's foreign key.
            free = free and locks.is_free(self, ("key", *key), exclusive=True)
        return free

    def _lock(self, key: Any, *, exclusive: bool) -> bool:
        waited = self._database.locks.acquire(self, key, exclusive=exclusive)
        self._check_serializable(key[-2:])
        return waited

    def _check_serializable(self, row: RowKey) -> None:
        """REPEATABLE READ of PostgreSQL refuses a row that was changed since its snapshot."""
        if (
            self._database.dialect == "postgres"
            and self.snapshot is not None
            and self._level == "REPEATABLE READ"
            and self._database.store.changed_since(row, self.snapshot)
        ):
            raise SqlError("serialization", "could not serialize access due to concurrent update")

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
        mark = Mark(self._changes)
        returned = _Returned(statement.returning, self._changes, database.store, values)
        self.last_id = None
        try:
            if statement.kind == "insert":
                count = self._insert(statement, values, returned)
            else:
                count = self._change(statement, values, returned)
        except BaseException:
            if not self._failed:
                database.store.undo_to(self._changes, mark)
            raise
        rows, names = returned.result()
        self._charge(statement.kind, statement, len(rows or ()))
        return Answer(rows, names, statement.types, count, self.last_id)

    def _change(self, statement: Statement, values: dict[str, Any], returned: _Returned) -> int:
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

    def _do(self, sql: str, values: dict[str, Any], table: Table, rowid: int) -> None:
        """Change one locked row, and take the locks of its new unique values.

        Where another transaction holds such a value, wait for its end and do it again.
        """
        database = self._database
        store = database.store
        key = (table.name, rowid)
        while True:
            store.begin_write(self._changes)
            before = store.image(key)
            mark = None
            try:
                store.raw.execute(sql, {**values, ROW: rowid})
            except sqlite3.IntegrityError as error:
                # The row of the statement that failed is as it was.
                keys = ("key", table.name, rowid)
                if (
                    database.dialect == "postgres"
                    and before is not None
                    and not database.locks.is_free(self, keys, exclusive=True)
                ):
                    # PostgreSQL locks the row before it looks at indexes.
                    store.hide()
                    database.locks.acquire(self, keys, exclusive=True)
                    continue
                if _is_unique(error) and self._wait_for_owner(table, sql, values, rowid):
                    continue
                raise
            taken = self._first_taken(table, rowid, before, store.image(key))
            if taken is None:
                # PostgreSQL makes a new version of a row also where nothing changes.
                store.note(self._changes, key, before, always=database.dialect == "postgres")
                return
            mark = Mark(self._changes)
            store.undo_to(self._changes, mark)
            store.hide()
            held = len(self.held)
            database.locks.acquire(self, taken, exclusive=True)
            if database.dialect == "postgres":
                # It waits for the other transaction's end only, and looks again.
                database.locks.release_newest(self, held)

    def _first_taken(self, table: Table, rowid: int, before: Any, after: Any) -> Any:
        """Lock new unique values; return one that another transaction has, if there is one."""
        locks = self._database.locks
        old = dict(_unique_values(table, before)) if before is not None else {}
        values = list(_unique_values(table, after))
        if self._database.dialect == "postgres" and before is None:
            values.insert(0, (_KEY, (rowid,)))
        for group, new in values:
            if new == old.get(group):
                continue
            key = self._entry(table, group, new)
            if self._database.dialect == "postgres" and before is not None:
                # A foreign key of another table might refer to this value.
                keys = ("key", table.name, rowid)
                if not locks.is_free(self, keys, exclusive=True):
                    return keys
                locks.acquire(self, keys, exclusive=True)
            if not locks.is_free(self, key, exclusive=True):
                return key
            locks.acquire(self, key, exclusive=True)
            if group in old:
                # The value given up is free for others once this transaction has ended.
                locks.acquire(self, self._entry(table, group, old[group]), exclusive=True)
        return None

    def _wait_for_owner(self, table: Table, sql: str, values: dict[str, Any], rowid: int) -> bool:
        """Another row has this unique value: wait while a transaction may still give it up.

        True after a wait. A row that is only locked, or changed elsewhere, is a duplicate at once;
        InnoDB keeps a share of the index entry that it has looked at.
        """
        found = self._conflicting(table, sql, values, rowid)
        if found is None:
            return False
        _, key, _ = found
        self._database.store.hide()
        locks = self._database.locks
        if self._database.dialect == "mysql":
            return locks.acquire(self, key, exclusive=False)
        if locks.is_free(self, key, exclusive=False):
            return False
        held = len(self.held)
        locks.acquire(self, key, exclusive=False)
        locks.release_newest(self, held)
        return True

    def _conflicting(
        self,
        table: Table,
        sql: str,
        values: dict[str, Any],
        rowid: int,
        arbiter: tuple[str, ...] = (),
    ) -> tuple[int, Any, tuple[str, ...]] | None:
        """The row with a unique value that this statement would give a row.

        With the lock of the value, and the columns that have it.
        Only the columns of `arbiter` are looked at, if there are any.
        """
        store = self._database.store
        store.begin_write(self._changes)
        verb = sql.partition(" ")[0]
        before = store.image((table.name, rowid))
        if verb == "INSERT" and before is not None and arbiter in {(), (table.key,)}:
            return rowid, self._entry(table, _KEY, (rowid,)), (table.key or "rowid",)
        store.raw.execute("SAVEPOINT probe")
        try:
            probe = sql.replace(verb, f"{verb} OR REPLACE", 1)
            store.raw.execute(probe, {**values, ROW: rowid})
            after = store.image((table.name, rowid))
        finally:
            store.raw.execute("ROLLBACK TO probe")
            store.raw.execute("RELEASE probe")
        if verb == "INSERT":
            before = None
        for group, new in _unique_values(table, after):
            if arbiter and set(group) != set(arbiter):
                continue
            if before is not None and new == dict(_unique_values(table, before)).get(group):
                continue
            where = " AND ".join(f"{quoted(name)} = ?" for name in group)
            found = store.raw.execute(
                f"SELECT rowid FROM {quoted(table.name)} WHERE {where}",  # noqa: S608
                [after[at] for at in _places(table, group)] if after is not None else (),
            ).fetchone()
            if found is not None:
                key = self._entry(table, group, new)
                if self._database.dialect == "mysql" and group == table.primary:
                    key = (table.name, int(found[0]))
                return int(found[0]), key, group
        return None

    def _entry(self, table: Table, group: tuple[str, ...], values: tuple[Any, ...]) -> Any:
        """The lock of an entry of a unique index; of a rowid in MySQL that of the row."""
        if group == _KEY and self._database.dialect == "mysql":
            return (table.name, values[0])
        return ("unique", table.name, group, values)

    def _lock_entries(self, table: Table, rowid: int, image: Any) -> None:
        """Lock the unique values of a row that is about to be deleted."""
        locks = self._database.locks
        if self._database.dialect == "postgres":
            locks.acquire(self, self._entry(table, _KEY, (rowid,)), exclusive=True)
        for group, values in _unique_values(table, image):
            locks.acquire(self, self._entry(table, group, values), exclusive=True)

    # INSERT

    def _insert(self, statement: Statement, values: dict[str, Any], returned: _Returned) -> int:
        insert = statement.insert
        assert insert is not None  # noqa: S101 - that is what an INSERT has
        store = self._database.store
        table = store.tables[statement.tables[0]]
        given = [values] * len(insert.rows)
        sqls = insert.row_sql
        if insert.select:
            rows, _ = store.read(
                insert.select, values, statement.tables, self._changes, store.version
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
        logged = len(self._changes.log)
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
                numbers.give_back(at, _integrity(error).kind)
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
        if table.generated is not None and len(self._changes.log) > logged:
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
        mark = Mark(self._changes) if insert.ignores else None
        try:
            self._do(sql, values, table, rowid)
        except sqlite3.IntegrityError as error:
            row = (table.name, rowid)
            if is_new and row in self.held and self._database.store.image(row) is None:
                # The row was taken out again: there is nothing left to lock.
                locks.release(self, row)
            if not _is_unique(error) or not (insert.ignores or insert.conflict):
                if insert.ignores and self._database.dialect == "mysql":
                    raise UnsupportedSqlError(
                        f"INSERT IGNORE of a value that is not valid ({_integrity(error)})"
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
                self._database.store.undo_to(self._changes, mark)
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
            store.begin_write(self._changes)
            if store.image(key) is None:
                return self._insert_row(statement, insert, table, sql, values, rowid, touched)
        store.begin_write(self._changes)
        if columns != (table.key,) and store.image((table.name, rowid)) is not None:
            # Somebody has taken the new row's own id meanwhile; it is not needed.
            rowid = -1
        before = store.image(key)
        target = ", ".join(map(quoted, columns))
        text = f"{sql} ON CONFLICT ({target}) DO {insert.conflict}"
        if not store.raw.execute(text, {**values, ROW: rowid}).rowcount:
            # Its WHERE leaves this row out.
            return None, 0
        changed = store.note(
            self._changes, key, before, always=self._database.dialect == "postgres"
        )
        self._check_parents(table, other, tuple(table.columns))
        if self._database.dialect == "mysql":
            # With CLIENT_FOUND_ROWS, as SQLAlchemy and Django connect: 1 for a row found unchanged.
            return other, 2 if changed else 1
        return other, 1

    # Foreign keys

    def _check_parents(self, table: Table, rowid: int, columns: tuple[str, ...]) -> None:
        for foreign in table.foreign:
            if not any(name in columns for name in foreign.columns):
                continue
            if foreign.deferred:
                self._deferred.append(partial(self._check_parent, table, rowid, foreign))
            else:
                self._check_parent(table, rowid, foreign)

    def _check_parent(self, table: Table, rowid: int, foreign: Foreign) -> None:
        store = self._database.store
        names = list(table.columns)
        while True:
            store.apply(self._changes)
            image = store.image((table.name, rowid))
            if image is None:
                return
            wanted = [image[names.index(name)] for name in foreign.columns]
            if None in wanted:
                return
            where = " AND ".join(f"{quoted(name)} = ?" for name in foreign.parent_columns)
            sql = f"SELECT rowid FROM {quoted(foreign.parent)} WHERE {where}"  # noqa: S608
            parent = store.raw.execute(sql, wanted).fetchone()
            if parent is None:
                raise SqlError(
                    "no_parent",
                    f"Cannot add or update a child row: {table.name}.{foreign.columns[0]} = "
                    f"{wanted[0]!r} is not in {foreign.parent}",
                )
            key: Any = (foreign.parent, parent[0])
            if self._database.dialect == "postgres":
                key = ("key", *key)
            if not self._database.locks.acquire(self, key, exclusive=False):
                return
            self._check_serializable((foreign.parent, parent[0]))

    def _delete(self, table_name: str, rowid: int) -> None:
        """Delete a locked row, and apply the foreign keys that refer to it."""
        store = self._database.store
        table = store.tables[table_name]
        store.begin_write(self._changes)
        before = store.image((table_name, rowid))
        if before is None:
            return
        self._lock_entries(table, rowid, before)
        for child in list(store.tables.values()):
            for foreign in child.foreign:
                if foreign.parent == table_name:
                    self._orphan(child, foreign, table, before)
        store.begin_write(self._changes)
        store.raw.execute(f"DELETE FROM {quoted(table_name)} WHERE rowid = ?", (rowid,))  # noqa: S608
        store.note(self._changes, (table_name, rowid), before)

    def _orphan(self, child: Table, foreign: Foreign, parent: Table, image: Any) -> None:
        """Apply the ON DELETE action of each foreign key to the children of a deleted row."""
        store = self._database.store
        names = list(parent.columns)
        wanted = [image[names.index(name)] for name in foreign.parent_columns]
        where = " AND ".join(f"{quoted(name)} = ?" for name in foreign.columns)
        sql = f"SELECT rowid FROM {quoted(child.name)} WHERE {where} ORDER BY rowid"  # noqa: S608
        for (rowid,) in store.raw.execute(sql, wanted).fetchall():
            if foreign.on_delete not in {"CASCADE", "SET NULL"}:
                if foreign.deferred:
                    # The child may be gone, or have another parent, by then.
                    self._deferred.append(partial(self._check_parent, child, rowid, foreign))
                    continue
                raise SqlError(
                    "has_children",
                    f"Cannot delete or update a parent row: {child.name} refers to {parent.name}",
                )
            self._lock((child.name, rowid), exclusive=True)
            if foreign.on_delete == "CASCADE":
                self._delete(child.name, rowid)
            else:
                sets = ", ".join(f"{quoted(name)} = NULL" for name in foreign.columns)
                update = f"UPDATE {quoted(child.name)} SET {sets} WHERE rowid = :{ROW}"  # noqa: S608
                self._do(update, {}, child, rowid)


def _count(limit: str | int | None, values: Mapping[str, Any]) -> int | None:
    if isinstance(limit, str):
        found = values[limit]
        return None if found is None else int(found)
    return limit


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


_KEY: Final = ("rowid",)


def _places(table: Table, group: tuple[str, ...]) -> list[int]:
    names = list(table.columns)
    return [names.index(name) for name in group]


def _unique_values(
    table: Table, image: tuple[Any, ...] | None
) -> Iterator[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Each group of unique columns with a row's values, as the index compares them; no NULLs."""
    if image is None:
        return
    for group in table.unique:
        values = tuple(_folded(image[at]) for at in _places(table, group))
        if None not in values:
            yield group, values


def _is_unique(error: sqlite3.IntegrityError) -> bool:
    return error.sqlite_errorname in {
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_ROWID",
    }


def _integrity(error: sqlite3.IntegrityError) -> SqlError:
    """The database's own error for a refusal of SQLite."""
    detail = str(error).partition(": ")[2]
    if _is_unique(error):
        return SqlError("unique", f"Duplicate entry for key '{detail}'")
    if error.sqlite_errorname == "SQLITE_CONSTRAINT_NOTNULL":
        return SqlError("not_null", f"Column '{detail.rpartition('.')[2]}' cannot be null")
    if detail.startswith("long "):
        return SqlError("too_long", f"Data too long for column '{detail[5:]}'")
    if detail.startswith("range "):
        return SqlError("out_of_range", f"Out of range value for column '{detail[6:]}'")
    return SqlError("check", f"CONSTRAINT `{detail}` failed")
