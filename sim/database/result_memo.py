"""Results of SELECTs, kept until a table that they read changes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.database.results import StoredRows


class ResultMemo:
    """Results by SELECT and parameters: at most `most_rows` rows, plus one row per result."""

    def __init__(self, most_rows: int) -> None:
        self._most_rows = most_rows
        self.held_rows = 0
        """Rows kept now, plus one row per result."""
        self._by_tables: defaultdict[frozenset[str], dict[Any, StoredRows]] = defaultdict(dict)

    def get(self, tables: frozenset[str], key: Any) -> StoredRows | None:
        """The result of a SELECT that reads `tables`. Raises `TypeError` if `key` has no hash."""
        return self._by_tables[tables].get(key)

    def put(self, tables: frozenset[str], key: Any, stored: StoredRows) -> None:
        """Keep a result that is not kept yet."""
        rows = len(stored) + 1
        if rows > self._most_rows:
            return
        if self.held_rows + rows > self._most_rows:
            self.clear()
        self.held_rows += rows
        self._by_tables[tables][key] = stored

    def forget(self, table: str) -> None:
        """Remove the results that read a table that has changed."""
        for tables, results in self._by_tables.items():
            if results and table in tables:
                self.held_rows -= sum(map(len, results.values())) + len(results)
                results.clear()

    def clear(self) -> None:
        """Remove all results."""
        self._by_tables.clear()
        self.held_rows = 0
