"""The commands that read what others kept with `--out`: report and export."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.cli.options import add_command

_REPORT = """\
One HTML page from a folder that run, compare, sweep or gate wrote with --out: the verdict
first, then tables and figures. It needs nothing else: open it from disk, print it, send it.

  ticketsim run incident --scale 0.1 --out runs/incident
  ticketsim report runs/incident

Partial results are reported too, and marked."""
_EXPORT = """\
Results of run in the forms that other programs read:

  k6-summary   the data that k6 hands to handleSummary, as JSON (one replication)
  k6-csv       k6's --out csv: nine rows per request, and users over time (one replication);
               needs run --samples; packed when FILE ends in .gz
  openmetrics  time series with timestamps as OpenMetrics text, to backfill a metrics server
  parquet      every request as one row of one table; needs run --samples

  ticketsim run incident --scale 0.1 --samples --out runs/incident
  ticketsim export runs/incident --format k6-csv

Time series are in DIR/series.parquet anyway. Of several replications the k6 formats take
the first, or the one that --replication names."""
_EXIT_CODES = """\
exit codes: 0 ok; 1 no results there, or the file cannot be written, in one line"""


def add_report(commands: Any) -> argparse.ArgumentParser:
    """Add `report`."""
    parser = add_command(
        commands, "report", "one HTML page from a folder of results", _REPORT, _EXIT_CODES
    )
    parser.set_defaults(command=_report)
    parser.add_argument("folder", metavar="DIR", help="what --out named")
    parser.add_argument("--out", metavar="FILE", help="write it there (default: DIR/report.html)")
    parser.add_argument("--quiet", action="store_true", help="do not say where it is")
    return parser


def _report(options: argparse.Namespace) -> int:
    from experiments.cli.report import ReportOptions, report

    return report(ReportOptions(options.folder, options.out, options.quiet))


def add_export(commands: Any) -> argparse.ArgumentParser:
    """Add `export`."""
    parser = add_command(
        commands,
        "export",
        "results for k6's tools, metrics servers and data frames",
        _EXPORT,
        _EXIT_CODES,
    )
    parser.set_defaults(command=_export)
    parser.add_argument("folder", metavar="DIR", help="what --out of run named")
    parser.add_argument(
        "--format",
        required=True,
        choices=["k6-summary", "k6-csv", "openmetrics", "parquet"],
        help="see above",
    )
    parser.add_argument("--out", metavar="FILE", help="write it there (default: a file in DIR)")
    parser.add_argument(
        "--replication", type=count, metavar="N", help="this replication only, counted from 0"
    )
    parser.add_argument("--quiet", action="store_true", help="do not say where it is")
    return parser


def count(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}; allowed: a whole number from 0")
    return int(text)


def _export(options: argparse.Namespace) -> int:
    from experiments.cli.export import ExportOptions, export

    return export(
        ExportOptions(
            options.folder, options.format, options.out, options.replication, options.quiet
        )
    )
