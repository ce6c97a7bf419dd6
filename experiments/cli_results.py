"""The commands that read what others kept with `--out`: report."""

from __future__ import annotations

import argparse
from typing import Any

_REPORT = """\
One HTML page from a folder that run, compare, sweep or gate wrote with --out: the verdict
first, then tables and figures. It needs nothing else: open it from disk, print it, send it.

  ticketsim run incident --scale 0.1 --out runs/incident
  ticketsim report runs/incident

Partial results are reported too, and marked."""
_EXIT_CODES = """\
exit codes: 0 ok; 1 no results there, or the page cannot be written, in one line"""


def add_report(commands: Any) -> argparse.ArgumentParser:
    """Add `report`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="one HTML page from a folder of results",
        description=_REPORT,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=_report)
    parser.add_argument("folder", metavar="DIR", help="what --out named")
    parser.add_argument("--out", metavar="FILE", help="write it there (default: DIR/report.html)")
    parser.add_argument("--quiet", action="store_true", help="do not say where it is")
    return parser


def _report(options: argparse.Namespace) -> int:
    from experiments.command_report import ReportOptions, report

    return report(ReportOptions(options.folder, options.out, options.quiet))
