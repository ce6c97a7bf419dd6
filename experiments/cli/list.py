"""`ticketsim list`: the configs that come with the program."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.exit_codes import ExitCode


def add_list(commands: Any) -> argparse.ArgumentParser:
    """Add `list`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "list", help="the configs that come with the program"
    )
    parser.set_defaults(command=_list)
    return parser


def _list(_options: argparse.Namespace) -> ExitCode:
    import tomllib

    from experiments.config.sources import read_source, shipped_names

    names = shipped_names()
    longest = max(map(len, names))
    for name in names:
        description = tomllib.loads(read_source(name).text).get("description", "")
        print(f"{name:<{longest}}  {description}")
    return ExitCode.OK
