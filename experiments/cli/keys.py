"""`ticketsim keys`: the keys of a config as a table for people."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from experiments.cli.options import add_command
from experiments.exit_codes import ExitCode

_DESCRIPTION = """\
Print the keys of a config with unit, default, plausible range and meaning:

  ticketsim keys                all of them
  ticketsim keys pool           those with the word in key, unit or meaning
  ticketsim keys timeout_s

The JSON Schema for programs is ticketsim schema."""


def add_keys(commands: Any) -> argparse.ArgumentParser:
    """Add `keys`."""
    parser = add_command(commands, "keys", "config keys, as a table for people", _DESCRIPTION)
    parser.set_defaults(command=_keys)
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="only keys that have every one of these words"
    )
    return parser


def _keys(options: argparse.Namespace) -> ExitCode:
    import shutil

    from experiments.views.text.keys_text import matching, no_such_key, render

    rows = matching(options.words)
    if not rows:
        sys.stderr.write(f"ticketsim: {no_such_key(options.words)}\n")
        return ExitCode.ERROR
    sys.stdout.write(render(rows, shutil.get_terminal_size((100, 24)).columns))
    return ExitCode.OK
