"""Results of SELECTs that were read completely and can be handed out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, Row
from sqlalchemy.engine import FrozenResult, IteratorResult


class StoredRows:
    """Rows of one executed SELECT. `stamp` is the newest commit that they can include."""

    __slots__ = ("_metadata", "attachment", "rows", "stamp")

    def __init__(self, result: CursorResult[Any], stamp: int) -> None:
        frozen: FrozenResult[Any] = result.freeze()
        self._metadata = frozen.metadata
        self.rows: Sequence[Row[Any]] = frozen.data
        self.stamp = stamp
        self.attachment: Any = None
        """What else holds for as long as the rows do, such as the cost of reading them."""

    def __len__(self) -> int:
        return len(self.rows)

    def result(self) -> StoredResult:
        """Make a result of its own for each reader."""
        return StoredResult(self._metadata, iter(self.rows), self.rows)


class StoredResult(IteratorResult[Any]):
    """A result over rows that exist already: fetching them all makes no new ones."""

    def __init__(self, metadata: Any, iterator: Any, rows: Sequence[Row[Any]]) -> None:
        super().__init__(metadata, iterator)
        self._rows = rows
        self._plain = metadata
        self._began = False

    def _fetchone_impl(self, hard_close: bool = False) -> Any:
        self._began = True
        return super()._fetchone_impl(hard_close)

    def _fetchmany_impl(self, size: int | None = None) -> list[Any]:
        self._began = True
        return super()._fetchmany_impl(size)

    def _fetchiter_impl(self) -> Any:
        self._began = True
        return super()._fetchiter_impl()

    def all(self) -> Sequence[Row[Any]]:
        """Return all rows as a list, as `sqlalchemy.Result.all` does."""
        if self._began or self._metadata is not self._plain or self._unique_filter_state:
            return super().all()
        self._fetchall_impl()
        return list(self._rows)

    def first(self) -> Row[Any] | None:
        """Return the first row and close the result, as `sqlalchemy.Result.first` does."""
        if self._began or self._metadata is not self._plain or self._unique_filter_state:
            return super().first()
        self._soft_close(hard=True)
        return self._rows[0] if self._rows else None
