"""Results of SELECTs, kept until something that they read changes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.database.results import StoredRows


class ResultMemo:
    """Results by what was asked: at most `most_rows` rows, each result counted as one more."""

    def __init__(self, most_rows: int) -> None:
        self._most_rows = most_rows
        self.held_rows = 0
        """Rows kept now, each result counted as one more."""
        self._by_tables: defaultdict[frozenset[str], dict[Any, StoredRows]] = defaultdict(dict)

    def get(self, tables: frozenset[str], key: Any) -> StoredRows | None:
        """The result of a SELECT that reads `tables`. Raises `TypeError` for no possible key."""
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
        """A table has changed."""
        for tables, results in self._by_tables.items():
            if results and table in tables:
                self.held_rows -= sum(map(len, results.values())) + len(results)
                results.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._by_tables.clear()
        self.held_rows = 0
