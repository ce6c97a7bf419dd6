"""Keeps each finished run on disk at once, so that an interrupted study can go on.

manifest.json   what the folder belongs to: command, config, seed, scale, version, code
runs.jsonl      one line per finished run, under the digest of (config, seed, scale, version, code);
                a line that a killed process or a full disk left unfinished is passed over
NAME.json, ...  what the command reports in the end
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from experiments.documents import as_json
from experiments.errors import OutputError, OutputMismatchError
from experiments.runs.storage.folder import Folder
from experiments.runs.storage.store import Identity, read_plain, write_plain
from experiments.runs.storage.whole_file import explaining
from sim.result import RunResult

FORMAT = 1
_MANIFEST = "manifest.json"
_RUNS = "runs.jsonl"


class Journal:
    """Finished runs by key; in memory only when there is no folder."""

    def __init__(self, folder: Path | None, command: str, identity: Identity) -> None:
        """Open it.

        Args:
            folder: where to keep it; None keeps nothing.
            command: the command that it belongs to.
            identity: of the config as given, which must not change from one call to the next.

        Raises:
            OutputMismatchError: the folder holds results of another command, config or version.
            OutputError: it cannot be written, or holds something else.
        """
        self._runs: dict[str, RunResult] = {}
        self._folder = None if folder is None else Folder(folder)
        self._file: IO[bytes] | None = None
        if self._folder is not None:
            with explaining(f"--out {self._folder.path}"):
                self._open(self._folder, command, identity)

    def _open(self, folder: Folder, command: str, identity: Identity) -> None:
        path = folder.path
        if folder.names():
            _check_manifest(path, command, identity)
            self._runs = dict(_read_runs(path / _RUNS))
        else:
            manifest = {"format": FORMAT, "command": command, **dataclasses.asdict(identity)}
            folder.write({_MANIFEST: as_json(manifest).encode()})
        lines = "".join(_line(key, run) for key, run in self._runs.items()).encode()
        if not (path / _RUNS).exists() or (path / _RUNS).stat().st_size != len(lines):
            folder.write({_RUNS: lines})
        self._file = (path / _RUNS).open("ab")

    def get(self, key: str) -> RunResult | None:
        """The run under a key, if it is finished. Its time series is not kept."""
        return self._runs.get(key)

    def add(self, key: str, run: RunResult) -> None:
        """Keep a finished run. Raises OutputError when the disk does not take it."""
        self._runs[key] = dataclasses.replace(run, series={})
        if self._file is not None and self._folder is not None:
            with explaining(f"--out {self._folder.path}"):
                self._file.write(_line(key, run).encode())
                self._file.flush()
                os.fsync(self._file.fileno())

    def write(self, name: str, text: str) -> None:
        """Put a report beside the runs. Does nothing without a folder."""
        if self._folder is not None:
            self._folder.write({name: text.encode()})

    @property
    def folder(self) -> Path | None:
        """Where it is kept."""
        return None if self._folder is None else self._folder.path


def _line(key: str, run: RunResult) -> str:
    return json.dumps({"key": key, **write_plain(run)}) + "\n"


def _read_runs(path: Path) -> Iterator[tuple[str, RunResult]]:
    lines = path.read_text("utf-8", errors="replace").splitlines() if path.exists() else []
    for line in lines:
        try:
            entry = json.loads(line)
            found = str(entry.pop("key")), read_plain(entry)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        yield found


def _check_manifest(path: Path, command: str, identity: Identity) -> None:
    manifest: Mapping[str, Any] | None
    try:
        manifest = json.loads((path / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or "command" not in manifest:
        raise OutputError(
            f"--out {path}: exists and holds no results of ticketsim {command}; "
            "allowed: a new or empty folder, or one written by it"
        )
    difference = identity.difference(manifest)
    if manifest["command"] != command:
        difference = f"command {manifest['command']} there, {command} here"
    if manifest.get("format") != FORMAT:
        difference = f"format {manifest.get('format')} there, format {FORMAT} here"
    if difference:
        raise OutputMismatchError(
            f"--out {path}: holds the results of other runs ({difference}); "
            "allowed: the same config, code, seed, scale and version, or another folder"
        )
