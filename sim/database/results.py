"""Results of SELECTs that were read completely and can be handed out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import ResultMetaData

Rows = Sequence[Row[*tuple[Any, ...]]]

_MANY: Final = 1_000
"""Number of rows from which a result is shared and not copied."""


class StoredRows:
    """Rows of one executed SELECT."""

    __slots__ = ("attachment", "metadata", "rows")

    def __init__(self, rows: Rows, metadata: ResultMetaData) -> None:
        self.rows = rows if len(rows) < _MANY else tuple(rows)
        self.metadata = metadata
        self.attachment: Any = None
        """Other data that is valid as long as the rows are, such as the cost of reading them."""

    def __len__(self) -> int:
        return len(self.rows)

    def result(self) -> StoredResult:
        """Make a separate result for each reader."""
        return StoredResult(self.metadata, self.rows)


class StoredResult(IteratorResult[*tuple[Any, ...]]):
    """A result over existing rows; fetching makes no new rows."""

    def __init__(self, metadata: ResultMetaData, rows: Rows) -> None:
        super().__init__(metadata, iter(rows))
        self._rows = rows
        self._stored_as = metadata
        self._begun = False

    def all(self) -> Rows:
        """Return all rows in a new list, as `sqlalchemy.Result.all` does.

        Many rows come in one tuple that all readers share: thousands of users hold a list of
        20,000 seats at the same time.
        """
        if not self._as_stored:
            return super().all()
        self._begun = True
        self._soft_close()
        return self._rows if isinstance(self._rows, tuple) else list(self._rows)

    def first(self) -> Row[*tuple[Any, ...]] | None:
        """Return the first row or None and close, as `sqlalchemy.Result.first` does."""
        if not self._as_stored:
            return super().first()
        self._begun = True
        self._soft_close(hard=True)
        return self._rows[0] if self._rows else None

    @property
    def _as_stored(self) -> bool:
        """Whether no row was fetched yet and no filter changes the rows."""
        return not (
            self._begun
            or self._hard_closed
            or self._metadata is not self._stored_as
            or self._unique_filter_state
        )

    def _fetchone_impl(self, hard_close: bool = False) -> Any:
        self._begun = True
        return super()._fetchone_impl(hard_close)

    def _fetchmany_impl(self, size: int | None = None) -> list[Any]:
        self._begun = True
        return super()._fetchmany_impl(size)

    def _fetchiter_impl(self) -> Iterator[Any]:
        self._begun = True
        return super()._fetchiter_impl()
