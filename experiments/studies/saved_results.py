"""Reads a folder of results that any command wrote with `--out`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from experiments.config.reading import Config, load
from experiments.errors import ConfigError, ResultsError
from experiments.runs.storage.store import FORMAT, read_results
from experiments.statistics.summary import RunSummary
from experiments.studies.compare.differences import ComparisonResult
from experiments.studies.gate.decision import GateResult
from experiments.studies.sweep.points import SweepResult
from sim.result import RunResult

_FILES: Mapping[str, tuple[str, Any]] = {
    "run": ("summary.json", RunSummary),
    "compare": ("comparison.json", ComparisonResult),
    "sweep": ("sweep.json", SweepResult),
    "gate": ("gate.json", GateResult),
}


@dataclasses.dataclass(frozen=True)
class SavedResults:
    """What every folder has: its manifest, and the command that wrote it."""

    folder: Path
    command: str
    manifest: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class SavedRun(SavedResults):
    """A folder of `run`: the interrupted replications are here too."""

    summary: RunSummary
    runs: Sequence[RunResult]
    config: Config | None
    """As it was run, at full size; None if it can no longer be read."""
    config_problem: str


@dataclasses.dataclass(frozen=True)
class SavedComparison(SavedResults):
    """A folder of `compare`."""

    comparison: ComparisonResult


@dataclasses.dataclass(frozen=True)
class SavedSweep(SavedResults):
    """A folder of `sweep`."""

    sweep: SweepResult


@dataclasses.dataclass(frozen=True)
class SavedGate(SavedResults):
    """A folder of `gate`."""

    gate: GateResult


AnySavedResults = SavedRun | SavedComparison | SavedSweep | SavedGate


def read_folder(folder: Path) -> AnySavedResults:
    """Read a folder that `--out` named.

    Raises:
        ResultsError: there is none, it holds something else, or something in it is broken.
    """
    manifest = _manifest(folder)
    command = str(manifest.get("command", "run"))
    if command not in _FILES:
        raise ResultsError(f"{folder}: holds results of {command}; allowed: {', '.join(_FILES)}")
    name, shape = _FILES[command]
    if not (folder / name).exists():
        raise ResultsError(
            f"{folder}: has no {name}: {command} was ended before it could write one; "
            "the same command again finishes it"
        )
    content = _checked(folder / name, shape)
    kept = (folder, command, manifest)
    match command:
        case "compare":
            return SavedComparison(*kept, cast("ComparisonResult", content))
        case "sweep":
            return SavedSweep(*kept, cast("SweepResult", content))
        case "gate":
            return SavedGate(*kept, cast("GateResult", content))
        case _:
            return _run(kept, cast("RunSummary", content))


def _manifest(folder: Path) -> Mapping[str, Any]:
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "no such folder"
        raise ResultsError(f"{folder}: {what}; allowed: a folder that --out named")
    path = folder / "manifest.json"
    if not path.exists() and _is_readable(folder):
        raise ResultsError(
            f"{folder}: holds no results of ticketsim; allowed: a folder that --out named"
        )
    manifest = _json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ResultsError(
            f"{folder}: holds no results of this version of ticketsim (manifest.json has no "
            f"format {FORMAT})"
        )
    return manifest


def _is_readable(folder: Path) -> bool:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be read: {error.strerror}") from error
    return True


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ResultsError(f"{path}: is not JSON: {error}") from error


def _checked(path: Path, shape: Any) -> Any:
    """The content of a file, which has the shape that the command writes."""
    from pydantic import TypeAdapter, ValidationError

    content = _json(path)
    try:
        TypeAdapter(shape).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ResultsError(f"{path}: is not what ticketsim wrote: {key}: {first['msg']}") from error
    return content


def _run(kept: tuple[Path, str, Mapping[str, Any]], summary: RunSummary) -> SavedRun:
    folder = kept[0]
    try:
        # What a longer run before this one left there is not in the summary's means.
        told = {run["replication"] for run in summary["runs"]}
        runs = [run for number, run in read_results(folder).items() if number in told]
    except OSError as error:
        raise ResultsError(f"{folder}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{folder}: a table in it is broken: {error}") from error
    try:
        config, problem = load(str(folder / "config.toml")), ""
    except ConfigError as error:
        config, problem = None, str(error)
    return SavedRun(*kept, summary, runs, config, problem)
