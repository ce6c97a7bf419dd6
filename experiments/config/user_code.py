"""Configs that name Python code say so before it is run.

Code comes into a run by an import path that stands in a config or in `--set` and in no other way:
TOML, JSON, CSV and Parquet are data and are read as such.
"""

from __future__ import annotations

import sys
from typing import Final

from experiments.errors import one_line
from sim.world import World

OURS: Final = ("model", "sim")
"""Packages whose code needs no announcement: it is the program's own."""
KEYS: Final = (("customer", "script"), ("service", "code"))
"""Part and key of a world that name code by an import path."""


def announce_code(world: World, source: str) -> None:
    """Say on standard error which Python code of whose a checked config brings in.

    Args:
        world: the checked config's.
        source: how messages name the config.
    """
    for part, key in KEYS:
        path = getattr(getattr(world, part), key)
        module = module_of_others(path)
        if module:
            file = file_of(module) or module
            line = one_line(f'{source}: {part}.{key} = "{path}" is Python code and runs: {file}')
            sys.stderr.write(f"ticketsim: {line}\n")


def module_of_others(path: str) -> str:
    """The module of an import path, package.module:name; empty if it is the program's own."""
    module = path.partition(":")[0]
    return "" if module.partition(".")[0] in OURS else module


def file_of(module: str) -> str:
    """Where the code of an imported module stands; empty if that is not known."""
    return getattr(sys.modules.get(module), "__file__", None) or ""
