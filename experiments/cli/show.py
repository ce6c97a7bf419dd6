"""`ticketsim show`: a shipped config as TOML."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from experiments.exit_codes import ExitCode


def add_show(commands: Any) -> argparse.ArgumentParser:
    """Add `show`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "show",
        help="print a shipped config, to copy and change",
        description="Print a shipped config, to change it: ticketsim show incident > mine.toml",
    )
    parser.set_defaults(command=_show)
    parser.add_argument("config", metavar="NAME", help="a name from ticketsim list")
    parser.add_argument(
        "--observed",
        action="store_true",
        help="with the observations of the incident and the questions of explain about them",
    )
    return parser


def _show(options: argparse.Namespace) -> ExitCode:
    from experiments.config.sources import read_source
    from experiments.config.toml_text import without_observations

    text = read_source(options.config).text
    sys.stdout.write(text if options.observed else without_observations(text))
    return ExitCode.OK
