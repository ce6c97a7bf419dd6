"""`ticketsim report`: a folder of results as one HTML page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from experiments.cli.options import add_command
from experiments.exit_codes import ExitCode

_DESCRIPTION: Final = """\
One HTML page from a folder that run, compare, sweep or gate wrote with --out: the verdict
first, then tables and figures. It needs nothing else: open it from disk, print it, send it.

  ticketsim run incident-as-planned --scale 0.1 --out runs/incident
  ticketsim report runs/incident

Partial results are reported too, and marked."""
_EXIT_CODES: Final = """\
exit codes: 0 ok; 1 no results there, or the file cannot be written, in one line"""


def add_report(commands: Any) -> argparse.ArgumentParser:
    """Add `report`."""
    parser = add_command(
        commands, "report", "one HTML page from a folder of results", _DESCRIPTION, _EXIT_CODES
    )
    parser.set_defaults(command=_report)
    parser.add_argument("folder", type=Path, metavar="DIR", help="what --out named")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there (default: DIR/report.html)"
    )
    parser.add_argument("--quiet", action="store_true", help="do not say where it is")
    return parser


def _report(options: argparse.Namespace) -> ExitCode:
    from experiments.views.report.page import write_page

    path = write_page(options.folder, options.out)
    if not options.quiet:
        sys.stderr.write(f"{path}\n")
    return ExitCode.OK
