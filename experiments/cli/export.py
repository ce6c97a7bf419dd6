"""`ticketsim export`: results of run in the forms that other programs read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from experiments.cli.options import add_command, from_zero
from experiments.exit_codes import ExitCode

_DESCRIPTION: Final = """\
Results of run in the forms that other programs read:

  k6-summary   the data that k6 hands to handleSummary, as JSON (one replication)
  k6-csv       k6's --out csv: nine rows per request, and users over time (one replication);
               needs run --samples; packed when FILE ends in .gz
  openmetrics  time series with timestamps as OpenMetrics text, to backfill a metrics server
  parquet      every request as one row of one table; needs run --samples
  k6-script    the load and the customer of a config as a k6 script: here DIR may also be
               the name or the path of a config

  ticketsim run incident-as-planned --scale 0.1 --samples --out runs/incident
  ticketsim export runs/incident --format k6-csv
  ticketsim export incident-fixed --format k6-script --out script.js

Time series are in DIR/series.parquet anyway. Of several replications the k6 formats take
the first, or the one that --replication names."""
_EXIT_CODES: Final = """\
exit codes: 0 ok; 1 no results there, or the file cannot be written, in one line"""


def add_export(commands: Any) -> argparse.ArgumentParser:
    """Add `export`."""
    parser = add_command(
        commands,
        "export",
        "results for k6's tools, metrics servers and data frames",
        _DESCRIPTION,
        _EXIT_CODES,
    )
    parser.set_defaults(command=_export)
    parser.add_argument("folder", type=Path, metavar="DIR", help="what --out of run named")
    parser.add_argument(
        "--format",
        required=True,
        choices=["k6-summary", "k6-csv", "openmetrics", "parquet", "k6-script"],
        help="see above",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it there (default: a file in DIR)"
    )
    parser.add_argument(
        "--replication", type=from_zero, metavar="N", help="this replication only, counted from 0"
    )
    parser.add_argument("--quiet", action="store_true", help="do not say where it is")
    return parser


def _export(options: argparse.Namespace) -> ExitCode:
    if options.format == "k6-script":
        return _export_script(options)
    from experiments.studies.export import export

    path = export(options.folder, options.format, options.out, options.replication)
    if not options.quiet:
        sys.stderr.write(f"{path}\n")
    return ExitCode.OK


def _export_script(options: argparse.Namespace) -> ExitCode:
    """Write the script into `--out`, or to standard output for a config and into a folder."""
    from experiments.config.reading import load
    from experiments.interop.k6_script import script_of
    from experiments.runs.storage.whole_file import whole_text

    folder: Path = options.folder
    is_folder = (folder / "config.toml").is_file()
    script = script_of(load(str(folder / "config.toml" if is_folder else folder)))
    out: Path | None = options.out or (folder / "k6-script.js" if is_folder else None)
    if out is None:
        sys.stdout.write(script)
        return ExitCode.OK
    with whole_text(out) as file:
        file.write(script)
    if not options.quiet:
        sys.stderr.write(f"{out}\n")
    return ExitCode.OK
