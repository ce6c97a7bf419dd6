"""Configs that name Python code say so before it is run.

Code comes into a run by an import path that stands in a config or in `--set` and in no other way:
TOML, JSON, CSV and Parquet are data and are read as such.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from experiments.errors import one_line
from sim.load.settings import loads_of
from sim.world import World

OURS: Final = ("model", "sim")
"""Packages whose code needs no announcement: it is the program's own."""
KEYS: Final = (
    ("customer", "script"),
    ("service", "code"),
    ("app", "wsgi"),
    ("app", "asgi"),
    ("app", "prepare"),
    ("app", "invariants"),
)
"""Part and key of a world that name code by an import path; the script of each
load and the code of each process are more."""


def announce_code(world: World, source: str) -> None:
    """Say on standard error which Python code of whose a checked config brings in.

    Args:
        world: the checked config's.
        source: how messages name the config.
    """
    named = [(f"{part}.{key}", getattr(getattr(world, part), key)) for part, key in KEYS]
    named += [("load.script", load.script or "") for load in loads_of(world.load)]
    named += [("processes.code", process.code) for process in world.processes]
    named += [("app.background.run", process.run) for process in world.app.background]
    for key, path in dict.fromkeys(named):
        module = module_of_others(path)
        if module:
            file = file_of(module) or module
            line = one_line(f'{source}: {key} = "{path}" is Python code and runs: {file}')
            sys.stderr.write(f"ticketsim: {line}\n")


def paths_in(resolved: Mapping[str, Any]) -> Iterator[str]:
    """The import paths of code that a checked config names, as a table."""
    for part, key in KEYS:
        yield str(resolved.get(part, {}).get(key, ""))
    load = resolved.get("load", {})
    for one in load if isinstance(load, list) else [load]:
        yield str(one.get("script") or "")
    for process in resolved.get("processes", ()):
        yield str(process.get("code", ""))
    for process in resolved.get("app", {}).get("background", ()):
        yield str(process.get("run", ""))


def module_of_others(path: str) -> str:
    """The module of an import path, package.module:name; empty if it is the program's own."""
    module = path.partition(":")[0]
    return "" if module.partition(".")[0] in OURS else module


def file_of(module: str) -> str:
    """Where the code of an imported module stands; empty if that is not known."""
    return getattr(sys.modules.get(module), "__file__", None) or ""
