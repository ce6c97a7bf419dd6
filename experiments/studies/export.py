"""Results of a run in the forms that other programs read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from experiments.documents import as_json
from experiments.errors import ResultsError
from experiments.runs.storage.samples import path_of
from experiments.runs.storage.store import read_results
from experiments.runs.storage.whole_file import check_writable, whole_binary, whole_text
from experiments.statistics.thresholds import criteria
from experiments.studies.saved_results import SavedRun, read_folder
from sim.result import RunResult

FORMATS: Final[Mapping[str, str]] = {
    "k6-summary": "k6-summary.json",
    "k6-csv": "k6.csv",
    "openmetrics": "openmetrics.txt",
    "parquet": "samples.parquet",
}
"""Format -> name of the file in the folder."""


def export(
    folder: Path, form: str, out: Path | None = None, replication: int | None = None
) -> Path:
    """Write the results of a run in another form.

    Args:
        folder: what `--out` of the run named.
        form: one of `FORMATS`.
        out: the file to write; None takes one in the folder.
        replication: which one; None takes the first, or all where the form has room for all.

    Returns:
        the file.

    Raises:
        ResultsError: the folder holds no results of `run`, or lacks the samples.
        OutputError: the file cannot be written.
    """
    kept = read_folder(folder)
    if not isinstance(kept, SavedRun):
        raise ResultsError(f"{folder}: holds results of {kept.command}; allowed: those of run")
    runs = _chosen(read_results(folder), replication, folder)
    path = folder / FORMATS[form] if out is None else out
    check_writable(path)
    _WRITERS[form](_Job(kept, runs, path))
    return path


@dataclasses.dataclass(frozen=True)
class _Job:
    """What to write, and where."""

    kept: SavedRun
    runs: Mapping[int, RunResult]
    path: Path

    @property
    def epoch_s(self) -> float:
        """When the load began, in seconds since 1970."""
        if self.kept.config is None:
            raise ResultsError(
                f"{self.kept.folder}: times cannot be told, as {self.kept.config_problem}"
            )
        return self.kept.config.world.catalogue.opening_epoch_s

    @property
    def first(self) -> tuple[int, RunResult]:
        """The replication that formats of one run are about."""
        return next(iter(self.runs.items()))


def _chosen(
    runs: Mapping[int, RunResult], replication: int | None, folder: Path
) -> dict[int, RunResult]:
    if replication is None:
        return dict(runs)
    if replication not in runs:
        there = ", ".join(map(str, runs))
        raise ResultsError(f"{folder}: has no replication {replication}; allowed: {there}")
    return {replication: runs[replication]}


def _k6_summary(job: _Job) -> None:
    from experiments.interop.export_k6 import summary

    thresholds = job.kept.config.header.thresholds if job.kept.config else {}
    content = summary(job.first[1], criteria(thresholds, "config.toml", ()))
    with whole_text(job.path) as file:
        file.write(as_json(content))


def _k6_csv(job: _Job) -> None:
    from experiments.interop.export_k6 import write_csv

    number, run = job.first
    epoch_s = job.epoch_s
    rows = _rows(_samples(job, number))
    with whole_text(job.path) as file:
        write_csv(file, rows, run, epoch_s)


def _openmetrics(job: _Job) -> None:
    from experiments.interop.openmetrics import openmetrics

    with whole_text(job.path) as file:
        file.writelines(f"{line}\n" for line in openmetrics(job.runs, job.epoch_s))


def _parquet(job: _Job) -> None:
    """All replications in one file, with a column that tells them apart."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from experiments.runs.storage.samples import schema

    paths = {number: _samples(job, number) for number in job.runs}
    wanted = schema().insert(0, pa.field("replication", pa.int64()))
    with whole_binary(job.path) as file, pq.ParquetWriter(file, wanted) as writer:
        for number, path in paths.items():
            for batch in pq.ParquetFile(path).iter_batches():
                column = pa.array([number] * batch.num_rows, pa.int64())
                columns = [column, *(batch.column(name) for name in schema().names)]
                writer.write_table(pa.Table.from_arrays(columns, schema=wanted))


_WRITERS: Final[Mapping[str, Callable[[_Job], None]]] = {
    "k6-summary": _k6_summary,
    "k6-csv": _k6_csv,
    "openmetrics": _openmetrics,
    "parquet": _parquet,
}


def _samples(job: _Job, number: int) -> Path:
    path = path_of(job.kept.folder, number)
    if not path.is_file():
        raise ResultsError(
            f"{job.kept.folder}: replication {number} has no samples; run it again with --samples"
        )
    return path


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The samples of a file, a batch in memory at a time."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()
