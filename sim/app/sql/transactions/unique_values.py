"""Unique values: who holds one, who waits for one, and which row has one already."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from sim.app.sql.schema import quoted
from sim.app.sql.statements import ROW
from sim.app.sql.store import Mark
from sim.app.sql.transactions.integrity import is_unique
from sim.app.sql.transactions.locking import LockingTransaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sim.app.sql.schema import Table

_KEY: Final = ("rowid",)


class UniqueValues(LockingTransaction):
    """A transaction that changes rows with unique values."""

    __slots__ = ()

    def _do(self, sql: str, values: dict[str, Any], table: Table, rowid: int) -> None:
        """Change one locked row, and take the locks of its new unique values.

        Where another transaction holds such a value, wait for its end and do it again.
        """
        database = self._database
        store = database.store
        key = (table.name, rowid)
        while True:
            store.begin_write(self.changes)
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
                if is_unique(error) and self._wait_for_owner(table, sql, values, rowid):
                    continue
                raise
            taken = self._first_taken(table, rowid, before, store.image(key))
            if taken is None:
                # PostgreSQL makes a new version of a row also where nothing changes.
                store.note(self.changes, key, before, always=database.dialect == "postgres")
                return
            mark = Mark(self.changes)
            store.undo_to(self.changes, mark)
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
        store.begin_write(self.changes)
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


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


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
