"""`ticketsim init`: a starter project for an on-sale of the user's own."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from experiments.cli.options import add_command
from experiments.exit_codes import ExitCode

_DESCRIPTION: Final = """\
Write a small project for an on-sale of your own: a config with comments, a customer
function, a service with one changed behaviour, thresholds and a workflow that checks them
for every pull request. It runs as it is, in seconds.

  ticketsim init my-sale
  cd my-sale
  ticketsim run onsale.toml
  ticketsim gate onsale.toml

With --app, look at a Flask or Django service of your own instead, and write what simulates it:

  ticketsim init --app shop.web:app ."""
_EXIT_CODES: Final = """\
exit codes: 0 ok; 1 the folder cannot be written to, is not empty, or (with --app) has one of
these files; 104 the application cannot be imported; in one line"""


def add_init(commands: Any) -> argparse.ArgumentParser:
    """Add `init`."""
    parser = add_command(
        commands, "init", "a starter project for your own on-sale", _DESCRIPTION, _EXIT_CODES
    )
    parser.set_defaults(command=_init)
    parser.add_argument(
        "folder",
        metavar="DIR",
        help="a new or empty folder; with --app: the folder that has the application's package, "
        "such as . (app.toml, app_sim.py and a workflow are written into it)",
    )
    parser.add_argument(
        "--app",
        metavar="MODULE:APP",
        help="look at a WSGI or ASGI application in DIR; write app.toml and app_sim.py beside it",
    )
    return parser


def _init(options: argparse.Namespace) -> ExitCode:
    if options.app is not None:
        from experiments.studies.project.write import write_project

        path = write_project(options.app, options.folder)
        sys.stderr.write(f"{path}: fill in app_sim.py beside it; ticketsim run {path}\n")
        return ExitCode.OK
    from experiments.shipped.starter_project import write_starter

    path = write_starter(options.folder)
    sys.stderr.write(f"{path}: ticketsim run it, or ticketsim gate it; README.md says more\n")
    return ExitCode.OK
