"""Writes every request of a replication to `DIR/samples/NUMBER.parquet`, for `run --samples`.

Columns: time_s (since the load began, when it ended), user, endpoint, status (0: no answer), error
(primary cause; empty for a request that did not fail), and duration_ms, blocked_ms, sending_ms,
receiving_ms in milliseconds. Rows are in the order in which requests ended.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from experiments.runs.storage.whole_file import explaining
from sim.measure.requests import Sample

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER: Final = "samples"
_ROWS_AT_ONCE: Final = 50_000
"""So many rows are held in memory, and are a row group of the file."""
_MS: Final = 1e3


def path_of(folder: Path, replication: int) -> Path:
    """Where the samples of a replication are."""
    return folder / FOLDER / f"{replication}.parquet"


def schema() -> pa.Schema:
    """The columns and their types."""
    import pyarrow as pa

    name = pa.dictionary(pa.int32(), pa.string())
    numbers = ("duration_ms", "blocked_ms", "sending_ms", "receiving_ms")
    return pa.schema(
        [
            ("time_s", pa.float64()),
            ("user", pa.int64()),
            ("endpoint", name),
            ("status", pa.int64()),
            ("error", name),
            *((column, pa.float64()) for column in numbers),
        ]
    )


class SampleWriter:
    """Writes samples as they come, in bounded memory; the file appears when it is complete.

    Use it as a context. Raises OutputError where the disk does not take it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._staging = path.with_name(f".{path.name}")
        self._rows: list[Sample] = []
        self._writer: Any = None

    def __enter__(self) -> Self:
        """Begin the file."""
        import pyarrow.parquet as pq

        with explaining(self._path):
            self._path.parent.mkdir(exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._writer = pq.ParquetWriter(self._staging, schema())
        return self

    def __exit__(self, kind: object, _error: object, _traceback: object) -> None:
        """Finish the file; after an error there is none."""
        with explaining(self._path):
            if kind is None:
                self._flush()
            self._writer.close()
            if kind is None:
                self._staging.replace(self._path)
            else:
                self._staging.unlink(missing_ok=True)

    def add(self, sample: Sample) -> None:
        """Take one request."""
        self._rows.append(sample)
        if len(self._rows) >= _ROWS_AT_ONCE:
            with explaining(self._path):
                self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        rows = self._rows
        columns = {
            "time_s": [row.time_s for row in rows],
            "user": [row.user for row in rows],
            "endpoint": [row.endpoint for row in rows],
            "status": [row.status for row in rows],
            "error": [row.error for row in rows],
            "duration_ms": [_MS * row.duration_s for row in rows],
            "blocked_ms": [_MS * row.blocked_s for row in rows],
            "sending_ms": [_MS * row.sending_s for row in rows],
            "receiving_ms": [_MS * row.receiving_s for row in rows],
        }
        self._writer.write_table(pa.table(columns, schema=schema()))
        rows.clear()
