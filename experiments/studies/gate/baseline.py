"""A stored result to compare with: the JSON of `ticketsim run` or `ticketsim gate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.config.sources import show_value
from experiments.errors import ConfigError
from experiments.runs.storage.store import read_plain
from experiments.statistics.summary import SCHEMA
from sim.result import RunResult


def read_baseline(path: str, config: str, scale: float) -> dict[int, RunResult]:
    """Read a stored result: seed -> complete run.

    Args:
        path: a file that `--json` printed, or `summary.json` or `gate.json` of an `--out` folder.
        config: name of the config that it must be of.
        scale: scale that it must have.

    Raises:
        ConfigError: not such a file, or of another schema, config or scale.
    """
    stored = _read(path)
    for key, wanted in (("schema", SCHEMA), ("config", config), ("scale", scale)):
        if stored.get(key) != wanted:
            found = stored.get(key)
            raise ConfigError(
                path,
                key,
                f"of another {key}; allowed: {show_value(wanted)}",
                value="nothing" if found is None else show_value(found),
            )
    try:
        runs = [_run(entry) for entry in stored["runs"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise _not_a_result(path) from error
    return {run.seed: run for run in runs if not run.partial}


def _run(entry: dict[str, Any]) -> RunResult:
    return read_plain({key: value for key, value in entry.items() if key != "replication"})


def _read(path: str) -> dict[str, Any]:
    try:
        stored = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(path, "", f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _not_a_result(path) from error
    if not isinstance(stored, dict):
        raise _not_a_result(path)
    return stored


def _not_a_result(path: str) -> ConfigError:
    return ConfigError(path, "", "no result; allowed: what run --json or gate --json printed")
