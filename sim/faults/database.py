"""What other sessions, and a full disk, do to the database's transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from model.errors import DatabaseError, DeadlockError
from sim.database.locks import LockOwner

if TYPE_CHECKING:
    from sim.database import SimulatedDatabase, Transaction
    from sim.database.statements import Prepared
    from sim.kernel.environment import Environment


class FullDisk:
    """Refuses every INSERT while the disk is full."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._until_s = 0.0

    def fill(self, for_s: float) -> None:
        """Be full for a while."""
        self._until_s = max(self._until_s, self._env.now + for_s)

    def __call__(self, _transaction: Transaction, prepared: Prepared) -> None:
        """Raise `DatabaseError` for what needs room."""
        if self._env.now < self._until_s and prepared.kind == "insert":
            raise DatabaseError(f"The table '{prepared.table.name}' is full")


class RolledBack:
    """Rolls the next `transactions` that write back, as a deadlock's victims."""

    def __init__(self) -> None:
        self.transactions = 0

    def __call__(self, transaction: Transaction, _prepared: Prepared) -> None:
        """Raise `DeadlockError` if this one is to be a victim."""
        if self.transactions:
            self.transactions -= 1
            transaction.abort()
            raise DeadlockError("Deadlock found when trying to get lock")


class LockedRows(LockOwner):
    """A transaction of somebody else that locks rows, and changes none of them."""

    __slots__ = ("_database",)

    def __init__(self, database: SimulatedDatabase) -> None:
        super().__init__()
        self._database = database

    @property
    def weight(self) -> int:
        """Heavier than any of the service's: deadlocks with it roll the others back."""
        return 1_000_000_000

    def abort(self) -> None:
        """Give up, as a deadlock's victim."""
        self._database.locks.release_all(self)

    def hold(self, env: Environment, table: str, for_s: float) -> int:
        """Lock every committed row, one after another, for a while; return how many.

        Blocks the current thread. Rows inserted meanwhile stay free.
        """
        info = self._database.storage.infos[table]
        rows = self._database.query(select(info.key).order_by(info.key))
        locks = self._database.locks
        try:
            for (key,) in rows:
                locks.acquire(self, (table, key), exclusive=True)
            env.sleep(for_s)
        except DatabaseError:
            # It waited too long itself, and gives up.
            return 0
        finally:
            locks.release_all(self)
        return len(rows)
