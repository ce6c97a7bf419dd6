"""Foreign keys: the parent of a row, and the children of a deleted one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sim.app.sql.errors import SqlError
from sim.app.sql.schema import quoted
from sim.app.sql.statements import ROW
from sim.app.sql.transactions.unique_values import UniqueValues

if TYPE_CHECKING:
    from sim.app.sql.schema import Foreign, Table


class ForeignKeys(UniqueValues):
    """A transaction that deletes rows and checks what they refer to."""

    __slots__ = ()

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
            store.apply(self.changes)
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
        store.begin_write(self.changes)
        before = store.image((table_name, rowid))
        if before is None:
            return
        self._lock_entries(table, rowid, before)
        for child in list(store.tables.values()):
            for foreign in child.foreign:
                if foreign.parent == table_name:
                    self._orphan(child, foreign, table, before)
        store.begin_write(self.changes)
        store.raw.execute(f"DELETE FROM {quoted(table_name)} WHERE rowid = ?", (rowid,))  # noqa: S608
        store.note(self.changes, (table_name, rowid), before)

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
