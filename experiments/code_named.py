"""Configs that name Python code say so before it is run.

Code comes into a run by an import path that stands in a config or in `--set` and in no other way:
TOML, JSON, CSV and Parquet are data and are read as such.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from experiments.errors import one_line
from sim.world import World

_OURS: Final = frozenset({"model", "sim"})


def announce_code(world: World, source: str) -> None:
    """Say on standard error which Python code of whose a checked config brings in.

    Args:
        world: the checked config's.
        source: how messages name the config.
    """
    for key, path in _paths(world):
        module = path.partition(":")[0]
        if module.partition(".")[0] not in _OURS:
            line = one_line(f'{source}: {key} = "{path}" is Python code and runs: {_file(module)}')
            sys.stderr.write(f"ticketsim: {line}\n")


def _paths(world: World) -> Iterator[tuple[str, str]]:
    yield "customer.script", world.customer.script
    yield "service.code", world.service.code


def _file(module: str) -> str:
    found = sys.modules.get(module)
    return str(getattr(found, "__file__", None) or module)
