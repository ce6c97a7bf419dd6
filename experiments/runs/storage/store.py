"""Results on disk: one folder per run, whose files appear whole or not at all.

    manifest.json      the config as resolved, seeds, versions, digest, whether it is partial
    config.toml        the config as resolved, to run again
    summary.json       what `run --json` prints
    replications.json  every replication by itself, to resume from
    series.parquet     time series: replication, t_s and one column per quantity
    requests.parquet   replication, endpoint, status, requests
    errors.parquet     replication, endpoint, kind (error or exception), name, count
    sweeps.parquet     replication and one row per sweep
    funnel.parquet     replication, state, users
    tables.parquet     replication, table, rows
    samples/           every request, if asked for: see `experiments.runs.storage.samples`

The manifest is written last; while a folder is written again, it says that it is partial. So
what a killed process leaves is nothing, or marked as partial, and can be read and resumed.
A folder that exists is resumed when it was made from the same config, seed, scale and version,
the version being that of the code as it is, the user's own included.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import io
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.documents import as_json
from experiments.errors import OutputError, OutputMismatchError
from experiments.runs.storage.code_digest import named_digest, program_digest
from experiments.runs.storage.folder import ALLOWED, Folder
from experiments.statistics.summary import RunSummary
from experiments.statistics.thresholds import wishes_of
from sim.result import Cleanup, RunResult

FORMAT = 1
_MANIFEST = "manifest.json"
_REPLICATIONS = "replications.json"
_SERIES = "series.parquet"
_NAMES = (
    *("series.parquet", "requests.parquet", "errors.parquet", "sweeps.parquet"),
    *("funnel.parquet", "tables.parquet"),
    *(_REPLICATIONS, "config.toml", "summary.json", _MANIFEST),
    "samples",
)
_LIBRARIES = ("numpy", "sqlalchemy", "redis", "fakeredis", "pyjwt", "simpy", "greenlet")


def program_version() -> str:
    """The version of this program, and the digest of the code that it simulates with."""
    return f"{importlib.metadata.version('ticketsim')}+{program_digest()}"


@dataclasses.dataclass(frozen=True)
class Identity:
    """What two runs must share for one to resume the other."""

    config: Mapping[str, Any]
    seed: int
    scale: float
    version: str
    code: str
    """Digest of the user's own code, empty without any."""

    def difference(self, manifest: Mapping[str, Any]) -> str:
        """The first thing in which a manifest differs, or an empty string."""
        for name in ("version", "code", "seed", "scale"):
            mine, theirs = getattr(self, name), manifest.get(name)
            if mine != theirs:
                return f"{name} {theirs} there, {name} {mine} here"
        return _first_difference(dict(self.config), manifest.get("config", {}), "")


def _first_difference(mine: Any, theirs: Any, path: str) -> str:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in sorted({*mine, *theirs}):
            found = _first_difference(mine.get(key), theirs.get(key), f"{path}.{key}".strip("."))
            if found:
                return found
        return ""
    return "" if mine == theirs else f"{path} = {theirs} there, {mine} here"


def identity_of(resolved: Mapping[str, Any], seed: int, scale: float) -> Identity:
    """The identity of a run; what does not change a replication is left out of the config."""
    apart = {
        "name",
        "description",
        "compared",
        "explain",
        "observed",
        "replications",
        "seed",
        "thresholds",
    }
    config = {key: value for key, value in resolved.items() if key not in apart}
    if "unknowns" in config:
        # A file of draws is known by its digest, wherever it is.
        config["unknowns"] = {
            name: {key: value for key, value in unknown.items() if key not in {"draws", "reason"}}
            for name, unknown in config["unknowns"].items()
        }
    wishes = wishes_of(resolved.get("thresholds", {}))
    if wishes:
        config["thresholds"] = wishes
    # Through JSON, so that it compares equal with what a manifest says.
    return Identity(
        json.loads(json.dumps(config)), seed, scale, program_version(), named_digest(resolved)
    )


def key_of(identity: Identity) -> str:
    """The SHA-256 of everything that a run depends on."""
    text = json.dumps(dataclasses.asdict(identity), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class RunFolder:
    """The folder named by `--out`; nobody else may write there from `open` on."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path = path
        self._identity = identity
        self._folder: Folder | None = None

    def open(self) -> dict[int, RunResult]:
        """Check that the folder can be written, and read the complete replications in it.

        Raises:
            OutputMismatchError: it holds the results of another config, code, seed, scale or
                version.
            OutputError: it cannot be written, is being written, or holds something else.
        """
        folder = self._locked()
        manifest = self._read_manifest(folder)
        if manifest is None:
            return {}
        difference = self._identity.difference(manifest)
        if difference:
            raise OutputMismatchError(
                f"--out {folder.path}: holds the results of another run ({difference}); "
                "allowed: the same run, or another folder"
            )
        try:
            return read_replications(folder.path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise OutputError(
                f"--out {folder.path}: the results there cannot be read: "
                f"{type(error).__name__}: {error}; allowed: another folder"
            ) from error

    def close(self) -> None:
        """Let others write there."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _locked(self) -> Folder:
        if self._folder is None:
            self._folder = Folder(self.path)
        return self._folder

    @staticmethod
    def _read_manifest(folder: Folder) -> dict[str, Any] | None:
        """The manifest; None where nothing is, or only what was never finished."""
        names = folder.names()
        if _MANIFEST not in names and set(names) <= set(_NAMES):
            return None
        try:
            manifest = json.loads((folder.path / _MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            manifest = None
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise OutputError(
                f"--out {folder.path}: exists and holds no results of ticketsim; {ALLOWED}"
            )
        return manifest

    def write(
        self,
        summary: RunSummary,
        results: Mapping[int, RunResult],
        config: Mapping[str, Any],
    ) -> Path:
        """Write everything, in the place of what was there.

        Raises:
            OutputError: the disk does not take it.
        """
        folder = self._locked()
        before = self._read_manifest(folder)
        if before is not None:
            folder.write({_MANIFEST: _json({**before, "partial": True})})
        folder.write(_files(self._manifest(summary, results), summary, results, config))
        return folder.path

    def _manifest(self, summary: RunSummary, results: Mapping[int, RunResult]) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": summary["config"],
            "version": self._identity.version,
            "code": self._identity.code,
            "seed": self._identity.seed,
            "scale": self._identity.scale,
            "partial": summary["partial"],
            "digest": summary["digest"],
            "replications": [
                {
                    "replication": number,
                    "seed": run.seed,
                    "digest": run.digest,
                    "ended": run.ended,
                    "partial": run.partial,
                }
                for number, run in results.items()
            ],
            "wall_seconds": summary["wall_seconds"],
            "python": platform.python_version(),
            "machine": platform.machine(),
            "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
            "config": self._identity.config,
        }


def _files(
    manifest: Mapping[str, Any],
    summary: RunSummary,
    results: Mapping[int, RunResult],
    config: Mapping[str, Any],
) -> dict[str, bytes]:
    """Name -> content, in the order in which they may be seen: nothing names what is not there."""
    import tomli_w

    first = {number: run for number, run in results.items() if number >= 0}
    tables = {f"{name}.parquet": _parquet(rows) for name, rows in _tables(first).items()}
    return {
        **tables,
        _REPLICATIONS: _json(_numbered(results)),
        "config.toml": tomli_w.dumps(config).encode(),
        "summary.json": _json(summary),
        _MANIFEST: _json(manifest),
    }


def _json(content: Any) -> bytes:
    return as_json(content).encode()


def _numbered(results: Mapping[int, RunResult]) -> list[dict[str, Any]]:
    return [{"replication": number, **write_plain(run)} for number, run in results.items()]


def write_plain(run: RunResult) -> dict[str, Any]:
    """A result as plain values, without its time series."""
    plain = {
        field.name: getattr(run, field.name)
        for field in dataclasses.fields(run)
        if field.name not in {"series", "sweeps"}
    }
    return {**plain, "sweeps": [dataclasses.asdict(sweep) for sweep in run.sweeps]}


def read_plain(entry: Mapping[str, Any], series: Mapping[str, Any] | None = None) -> RunResult:
    """The result that `write_plain` made plain, with the time series of another file."""
    rest = {name: value for name, value in entry.items() if name != "sweeps"}
    sweeps = [Cleanup(**sweep) for sweep in entry["sweeps"]]
    return RunResult(**rest, sweeps=sweeps, series=dict(series or {}))


Columns = Mapping[str, Any]


def _tables(results: Mapping[int, RunResult]) -> dict[str, Columns]:
    """Table -> column -> values."""
    return {
        "series": _series(results),
        "requests": _columns(
            ("replication", "endpoint", "status", "requests"),
            _counts(results, lambda run: run.outcomes),
        ),
        "errors": _columns(
            ("replication", "endpoint", "name", "count", "kind"),
            [
                *((*row, "error") for row in _counts(results, lambda run: run.errors)),
                *((*row, "exception") for row in _counts(results, lambda run: run.exceptions)),
            ],
        ),
        "sweeps": _columns(
            ("replication", *(field.name for field in dataclasses.fields(Cleanup))),
            [
                (number, *dataclasses.astuple(sweep))
                for number, run in results.items()
                for sweep in run.sweeps
            ],
        ),
        "funnel": _columns(
            ("replication", "state", "users"),
            [(n, *item) for n, run in results.items() for item in run.funnel.items()],
        ),
        "tables": _columns(
            ("replication", "table", "rows"),
            [(n, *item) for n, run in results.items() for item in run.tables.items()],
        ),
    }


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _counts(
    results: Mapping[int, RunResult], read: Callable[[RunResult], Mapping[str, Mapping[str, int]]]
) -> list[tuple[int, str, str, int]]:
    return [
        (number, endpoint, name, count)
        for number, run in results.items()
        for endpoint, counts in read(run).items()
        for name, count in counts.items()
    ]


def _series(results: Mapping[int, RunResult]) -> Columns:
    names = list(dict.fromkeys(name for run in results.values() for name in run.series))
    columns: dict[str, list[np.ndarray[Any, Any]]] = {name: [] for name in ("replication", *names)}
    for number, run in results.items():
        length = len(next(iter(run.series.values()), ()))
        columns["replication"].append(np.full(length, number, dtype=np.int64))
        for name in names:
            columns[name].append(run.series.get(name, np.full(length, np.nan)))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _parquet(columns: Columns) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer)
    return buffer.getvalue()


def read_replications(folder: Path) -> dict[int, RunResult]:
    """The complete replications in a results folder, and the second runs of their worlds.

    Interrupted ones have to run again.
    """
    return {number: run for number, run in _read_every(folder).items() if not run.partial}


def read_results(folder: Path) -> dict[int, RunResult]:
    """Every replication in a results folder, those that were interrupted too.

    Second runs of a world (see `experiments.statistics.uncertainty`) are none.

    Raises:
        OSError, ValueError, KeyError, TypeError: a file is missing or not as it was written.
    """
    return {number: run for number, run in _read_every(folder).items() if number >= 0}


def _read_every(folder: Path) -> dict[int, RunResult]:
    plain = json.loads((folder / _REPLICATIONS).read_text("utf-8"))
    series = _read_series(folder / _SERIES)
    results: dict[int, RunResult] = {}
    for entry in plain:
        number = entry.pop("replication")
        results[number] = read_plain(entry, series.get(number))
    return results


def _read_series(path: Path) -> dict[int, dict[str, Any]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    numbers = columns.pop("replication")
    return {
        int(number): {name: values[numbers == number] for name, values in columns.items()}
        for number in np.unique(numbers)
    }
