"""Results of SELECTs, kept until a table that they read changes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sim.database.results import StoredRows


_SMALL: Final = 2
"""A row, and one for the result."""
MOST_SMALL: Final = 4_096
"""Kept results of at most one row. Each is half a kilobyte for a few microseconds, and there is one
for each person who has asked for a token."""


class ResultMemo:
    """Results by SELECT and parameters: at most `most_rows` rows, plus one row per result.

    Of results of at most one row it keeps `most_small`.
    """

    def __init__(self, most_rows: int, most_small: int = MOST_SMALL) -> None:
        self._most_rows = most_rows
        self._most_small = most_small
        self._small: list[tuple[frozenset[str], Any]] = []
        """Where results of at most one row are kept, or were."""
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
        if rows <= _SMALL:
            self._make_room()
            self._small.append((tables, key))
        self.held_rows += rows
        self._by_tables[tables][key] = stored

    def _make_room(self) -> None:
        """Remove all small results when there are too many."""
        if len(self._small) < self._most_small:
            return
        for tables, key in self._small:
            stored = self._by_tables[tables].pop(key, None)
            if stored is not None:
                self.held_rows -= len(stored) + 1
        self._small.clear()

    def forget(self, table: str) -> None:
        """Remove the results that read a table that has changed."""
        for tables, results in self._by_tables.items():
            if results and table in tables:
                self.held_rows -= sum(map(len, results.values())) + len(results)
                results.clear()

    def clear(self) -> None:
        """Remove all results."""
        self._by_tables.clear()
        self._small.clear()
        self.held_rows = 0
