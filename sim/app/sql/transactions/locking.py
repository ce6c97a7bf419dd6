"""Row locks of a transaction, and the rows that it sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.app.sql.errors import SqlError
from sim.app.sql.transactions.ending import EndingTransaction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.app.sql.statements import Statement
    from sim.database.views import Changes, RowKey


class LockingTransaction(EndingTransaction):
    """A transaction that locks the rows of its statements."""

    __slots__ = ()

    def _view(self) -> int:
        """The commit whose state a plain SELECT shows."""
        if self._level == "READ COMMITTED":
            return self._database.store.version
        if self.snapshot is None:
            self.snapshot = self._database.reader(self)
        return self.snapshot

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
                each.changes
                for each in database.open
                if each is not self and not tables.isdisjoint(each.changes.tables)
            ]
        found, _ = store.read(
            statement.candidates,
            values,
            statement.tables,
            self.changes,
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
                    statement.candidates, values, statement.tables, self.changes, store.version
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


def _count(limit: str | int | None, values: Mapping[str, Any]) -> int | None:
    if isinstance(limit, str):
        found = values[limit]
        return None if found is None else int(found)
    return limit
