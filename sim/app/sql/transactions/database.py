"""One database of one run: its rows, locks, open transactions and analysed statements."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, Protocol

from sim.app.sql.errors import SqlError
from sim.app.sql.functions import Functions
from sim.app.sql.statements import Statement, analyse, parse
from sim.app.sql.store import Store
from sim.app.sql.transactions.schema_changes import SchemaChanges
from sim.database.locks import LockOwner, LockTable
from sim.database.views import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from sim.database.costs import StatementWork
    from sim.kernel.environment import Environment

    Details = Callable[[Sequence[tuple[str, Any]], Mapping[str, Any]], None]

Dialect = Literal["mysql", "postgres"]
Level = Literal["READ COMMITTED", "REPEATABLE READ"]
_MOST_STATEMENTS: Final = 5_000
_NO_TIMEOUT_S: Final = float("inf")
_DEADLOCK_TIMEOUT_S: Final = 1.0
"""PostgreSQL's own default."""
_statements: dict[tuple[str, str], dict[str, Statement]] = {}
"""Analysed statements by dialect and schema: the next run has the same."""


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


class OpenTransaction(LockOwner):
    """What a database knows of a transaction that has begun and not ended."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        super().__init__()
        self.changes = Changes()
        """Its own changes, not yet committed."""

    def leave(self) -> None:
        """End without time; uncommitted changes are lost."""
        raise NotImplementedError


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
        self.open: Final[dict[OpenTransaction, None]] = {}
        self.obstacles: list[Callable[[OpenTransaction, Statement], None]] = []
        """Called before each statement that writes; may raise the error of a failed write."""
        self.told: Details | None = None
        """Told the rows that a statement wrote, as (table, rowid), and its values."""
        self.commits = 0
        self.statements = 0
        self._readers: Final[dict[OpenTransaction, int]] = {}
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

    def reader(self, transaction: OpenTransaction) -> int:
        """The commit whose state a transaction sees from now on."""
        self._readers[transaction] = version = self.store.version
        return version

    def commit(self, changes: Changes, reader: OpenTransaction) -> None:
        """Make changes visible to every transaction whose view begins from now on."""
        others = len(self._readers) > (reader in self._readers)
        self.store.commit(changes, keep_history=others)
        self.commits += 1

    def forget(self, transaction: OpenTransaction) -> None:
        """Remove a transaction, and the history that only this transaction needed."""
        self.open.pop(transaction, None)
        self.unread(transaction)

    def unread(self, transaction: OpenTransaction) -> None:
        """Remove the history that only this transaction needed."""
        if self._readers.pop(transaction, None) is not None:
            self.store.trim(min(self._readers.values(), default=self.store.version))

    def change_schema(self, text: str) -> None:
        """Run CREATE, ALTER, DROP or TRUNCATE: at once, outside any transaction."""
        SchemaChanges(self.store, self.dialect).run(parse(text, self.dialect))
        self._schema = sha256(f"{self._schema}{text}".encode()).hexdigest()
        self._known = _statements.setdefault((self.dialect, self._schema), {})
