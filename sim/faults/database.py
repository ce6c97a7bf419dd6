"""Faults of the database: sessions of others and a full disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from model.errors import DatabaseError, DeadlockError
from sim.database.locks import OutsideTransaction

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


def hold_rows(database: SimulatedDatabase, env: Environment, table: str, for_s: float) -> int:
    """Let another session lock every committed row of a table for a while; return how many.

    Blocks the current thread. Rows inserted meanwhile stay free.
    """
    info = database.storage.infos[table]
    rows = database.query(select(info.key).order_by(info.key))
    try:
        OutsideTransaction(database.locks).hold(env, [(table, key) for (key,) in rows], for_s)
    except DatabaseError:
        # The session waited too long itself, and gives up.
        return 0
    return len(rows)
