"""The databases of a run, as the other parts of the simulator see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sim.app.sql.transactions.database import Database
from sim.database.locks import OutsideTransaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.app.segments import ApplicationCharges
    from sim.app.sql.transactions.database import Charge, Details, Dialect
    from sim.kernel.environment import Environment


class Databases:
    """Every database that the application has connected to, by kind and name."""

    def __init__(
        self,
        env: Environment,
        charges: ApplicationCharges,
        lock_wait_timeout_s: float,
        epoch_s: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._env = env
        self._charge: Charge = charges
        self._lock_wait_timeout_s = lock_wait_timeout_s
        self._epoch_s = epoch_s
        self._random = random
        self.by_name: Final[dict[tuple[str, str], Database]] = {}
        self.obstacles: Final[list[Callable[[Any, Any], None]]] = []
        self._told: Details | None = None

    def find(self, name: str, dialect: Dialect) -> Database:
        """The database of this name, created at the first connection."""
        key = (dialect, name)
        found = self.by_name.get(key)
        if found is None:
            found = self.by_name[key] = Database(
                self._env,
                name,
                dialect,
                charge=self._charge,
                lock_wait_timeout_s=self._lock_wait_timeout_s,
                epoch_s=self._epoch_s,
                random=self._random,
            )
            found.obstacles = self.obstacles
            found.told = self._told
        return found

    @property
    def charge(self) -> Charge:
        """The costs of database work."""
        return self._charge

    @charge.setter
    def charge(self, charge: Charge) -> None:
        self._charge = charge
        for database in self.by_name.values():
            database.charge = charge

    def tell_statements(self, told: Details) -> None:
        """Tell the rows and the values of each statement, just before it is charged."""
        self._told = told
        for database in self.by_name.values():
            database.told = told

    @property
    def storage(self) -> Databases:
        """Where `version` is, as the ticket service's database has it."""
        return self

    @property
    def version(self) -> int:
        """Commits so far."""
        return sum(database.commits for database in self.by_name.values())

    @property
    def open(self) -> list[Any]:
        """Transactions that have begun and not ended."""
        return [each for database in self.by_name.values() for each in database.open]

    def leave_all(self) -> None:
        """Roll back the open transactions of processes that have ended."""
        for transaction in self.open:
            transaction.leave()

    def rows_per_table(self) -> dict[str, int]:
        """Committed rows of each table; with several databases, names include the database."""
        several = len(self.by_name) > 1
        return {
            f"{database.name}.{table}" if several else table: rows
            for database in self.by_name.values()
            for table, rows in database.store.counts().items()
        }

    def final_rows(self) -> dict[str, Any]:
        """All committed rows, by database and table."""
        return {
            f"{dialect}:{name}": {
                table: [tuple(row.values()) for row in database.store.rows(table)]
                for table in sorted(database.store.tables)
            }
            for (dialect, name), database in sorted(self.by_name.items())
        }

    def final_text(self) -> bytes:
        """All committed rows as text that depends only on these."""
        return repr(self.final_rows()).encode()

    def hold_rows(self, table: str, for_s: float) -> int:
        """Lock every committed row of a table for a while; return how many. Blocks."""
        held = 0
        for database in self.by_name.values():
            if table not in database.store.tables:
                continue
            rows = database.store.committed(f'SELECT rowid FROM "{table}" ORDER BY rowid')  # noqa: S608
            keys = [(table, rowid) for (rowid,) in rows]
            OutsideTransaction(database.locks).hold(self._env, keys, for_s)
            held += len(rows)
        return held
