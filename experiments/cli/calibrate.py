"""`ticketsim calibrate`: service times and station parameters from raw k6 output."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from experiments.cli.options import add_command
from experiments.documents import as_json
from experiments.errors import OptionError
from experiments.exit_codes import ExitCode

_DESCRIPTION: Final = """\
Fit service times and station parameters to raw k6 output and print them as TOML that a
config can name under `include`. Each parameter is identified, with its 95 % interval,
or not identified by these files, with the reason; then the default stays.

  ticketsim calibrate --k6 single-user.csv.gz ramp.csv.gz --out mine-calibrated.toml
  ticketsim calibrate --app shop.toml --out segments.toml"""


def add_calibrate(commands: Any) -> argparse.ArgumentParser:
    """Add `calibrate`."""
    parser = add_command(
        commands,
        "calibrate",
        "service times and station parameters from k6 output, as a TOML fragment",
        _DESCRIPTION,
    )
    parser.set_defaults(command=_calibrate)
    parser.add_argument(
        "--k6",
        nargs="+",
        default=[],
        metavar="FILE",
        help="k6's --out csv or --out json, also gzipped: one user, and a ramp of users",
    )
    parser.add_argument(
        "--app",
        metavar="CONFIG",
        help="measure the processor time of the code of the config's application on this machine; "
        "with --k6, its true service driven by one user, as factors per endpoint",
    )
    parser.add_argument(
        "--names",
        metavar="FILE.toml",
        help='which endpoint a request is by its name: login = "POST /v1/token/generation"',
    )
    parser.add_argument("--out", metavar="FILE", help="write the TOML fragment there")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.add_argument("--quiet", action="store_true", help="no report as text")
    return parser


def _calibrate(options: argparse.Namespace) -> ExitCode:
    from experiments.interop.k6_output import read_output
    from experiments.interop.names_file import read_names
    from experiments.runs.storage.whole_file import write_text

    if options.app is not None:
        return _calibrate_application(options)
    if not options.k6:
        raise OptionError("k6", "allowed: --k6 FILE, or --app CONFIG, or both")
    from experiments.studies.calibrate.fragment import document_of, fragment
    from experiments.studies.calibrate.study import calibration
    from experiments.views.text.calibrate_text import render

    names = read_names(options.names)
    found = calibration([read_output(path) for path in options.k6], names)
    text = fragment(found)
    if options.out is not None:
        write_text(Path(options.out), text)
    if not options.quiet:
        sys.stderr.write(render(found))
    if options.json:
        sys.stdout.write(as_json(document_of(found, text)))
    elif options.out is None:
        sys.stdout.write(text)
    return ExitCode.OK


def _calibrate_application(options: argparse.Namespace) -> ExitCode:
    from experiments.config.reading import load
    from experiments.interop.k6_output import read_output
    from experiments.interop.names_file import read_names
    from experiments.runs.storage.whole_file import write_text
    from experiments.studies.app_segments import fragment, measure, told

    endpoints = read_names(options.names, own=True).endpoints
    outputs = [read_output(path).renamed(endpoints) for path in options.k6]
    found = measure(load(options.app), outputs)
    text = fragment(found)
    if options.out is not None:
        write_text(Path(options.out), text)
    if not options.quiet:
        sys.stderr.write(told(found))
    if options.json:
        sys.stdout.write(as_json({"segments": found.segments, "factors": found.factors}))
    elif options.out is None:
        sys.stdout.write(text)
    return ExitCode.OK
