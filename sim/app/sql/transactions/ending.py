"""Ends of a transaction: commit, rollback, savepoints, and what a failed statement leaves."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from model.errors import DeadlockError, LockTimeoutError
from sim.app.errors import UnsupportedSqlError
from sim.app.sql.errors import SqlError
from sim.app.sql.store import Mark
from sim.app.sql.transactions.database import OpenTransaction
from sim.app.sql.transactions.integrity import integrity_error
from sim.database.views import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sim.app.sql.transactions.database import Database, Level

_BEFORE_ALL: Final = -1
"""In the place of a number of locks: the savepoint is older than all that the transaction did."""


class EndingTransaction(OpenTransaction):
    """A transaction without statements."""

    __slots__ = (
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

    def commit(self) -> None:
        """Commit; as in the real database, a failed transaction is rolled back instead."""
        if self._failed:
            self.rollback()
            return
        database = self._database
        try:
            self.check_deferred()
            database.charge.end(committed=True, wrote=bool(self.changes.log))
            if not self._failed:
                database.commit(self.changes, self)
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
            self._database.charge.end(committed=False, wrote=bool(self.changes.log))
        finally:
            self.leave()

    def leave(self) -> None:
        """End without time; uncommitted changes are lost."""
        self._undo_all()
        self._database.forget(self)

    def _undo_all(self) -> None:
        database = self._database
        database.store.undo_to(self.changes, Mark(Changes()))
        database.locks.release_all(self)

    @property
    def weight(self) -> int:
        """Changed rows and locks, as InnoDB weighs a deadlock's victims; alike in PostgreSQL."""
        if self._database.dialect == "postgres":
            return 0
        return len(self.changes.before) + len(self.held)

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
        self._savepoints.append((name, Mark(self.changes), locks, len(self._deferred)))

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
        database.store.undo_to(self.changes, mark)
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

    # Failures

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
            raise integrity_error(error) from error
        except sqlite3.OperationalError as error:
            if self._database.functions.failed == "division_by_zero":
                raise SqlError("division_by_zero", "division by zero") from error
            raise UnsupportedSqlError(f"SQLite cannot run it: {error}") from error
