"""Warnings about the worlds that a config draws."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from typing import Any

from experiments.config.reading import Config
from experiments.runs.storage.store import program_version


def remarks(config: Config) -> Iterator[str]:
    """Remarks on the files of draws that a config uses."""
    for file in config.worlds.files if config.worlds else ():
        if file.version != program_version():
            yield (
                f"the draws in {file.name} were made with other code ({file.version}; this is "
                f"{program_version()}): what was possible there may not be possible here"
            )


def recorded_fixes(config: Config) -> list[dict[str, Any]]:
    """What `compare` found in these worlds, as recorded; nothing for other worlds, or without."""
    name = config.header.compared
    place = resources.files("experiments.shipped") / "data" / name
    if not name or not place.is_file() or config.worlds is None:
        return []
    record = tomllib.loads(place.read_text("utf-8"))
    same = {file.sha256 for file in config.worlds.files} == {record["draws_sha256"]}
    return list(record["fixes"]) if same else []
