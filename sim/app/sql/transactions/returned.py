"""The rows that RETURNING gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.app.sql.statements import ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sim.app.sql.store import Store
    from sim.database.views import Changes


class Returned:
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
