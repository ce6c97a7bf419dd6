"""The commands that evaluate: compare, gate and validate."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.cli.options import (
    add_assignments,
    add_budget,
    add_command,
    add_common,
    add_config,
    common_options,
)

_COMPARE = """\
Compare variants of a config with the config as it is, by common random numbers:
paired differences with 95 % confidence intervals, and a verdict on each.
A variant is a patch on a config. The shipped ones are the fixes on the table, each by
itself, together, and each left out of all; your own are a TOML file with
[variants.NAME] tables that set config keys.

  ticketsim compare incident --scale 0.1 --variants F3,F9,all-fixes
  ticketsim compare mine.toml --variants mine-variants.toml --precision 0.01 --out cmp

The table is sorted by the difference in failed requests. --replications is the first
stage; --precision adds as many as its variance asks for. The same command with the
same --out goes on where it stopped."""
_GATE = """\
Judge a config by its thresholds, written as for k6:

  [thresholds]
  http_req_failed = ["rate<0.01"]
  "http_req_duration{endpoint:GET /v1/token/check}" = ["p(95)<500"]

A threshold passes or fails on the confidence bound of the mean over replications. While the
limit lies between the bounds, replications are added: --replications at first (5), up to
8 times as many or the number in --budget. False alarms: at most 5 % of gates.

  ticketsim gate mine.toml --junit gate.xml
  ticketsim gate mine.toml --json > accepted.json
  ticketsim gate mine.toml --baseline accepted.json    # fails also when it got worse"""
_CALIBRATE = """\
Fit service times and station parameters to raw k6 output and print them as TOML that a
config can name under `include`. Each parameter is identified, with its 95 % interval,
or not identified by these files, with the reason; then the default stays.

  ticketsim calibrate --k6 single-user.csv.gz ramp.csv.gz --out mine-calibrated.toml"""
_VALIDATE = """\
Simulate every measured run of the real system and hold the numbers beside each other:
failure rate, requests per endpoint and status, latencies, rows per table, exceptions
per class, iterations. One config for all (ticketsim show measured), apart from what a
run changed before it began. docs/validation.md has the table and the reasons of misses."""
_EXIT_CODES = """\
exit codes: 0 ok; 104 config, variants or --out are not valid; 130 interrupted, partial
results kept; 1 anything else, in one line"""

_GATE_EXIT_CODES = """\
exit codes: 0 pass; 99 a threshold is breached, or worse than the baseline; 98 inconclusive;
104 config, threshold or baseline are not valid; 130 interrupted; 1 anything else"""


def add_compare(commands: Any) -> argparse.ArgumentParser:
    """Add `compare`."""
    parser = add_command(
        commands, "compare", "which fix changes what, with intervals", _COMPARE, _EXIT_CODES
    )
    add_config(parser)
    parser.set_defaults(command=_compare)
    parser.add_argument(
        "--variants",
        type=_names,
        metavar="A,B,C",
        help="names of variants or sets, or TOML files of variants (default: all shipped fixes)",
    )
    parser.add_argument(
        "--precision",
        type=_precision,
        metavar="P",
        help="half-width wanted of the difference in failed requests; 0.02 is two points",
    )
    add_common(parser)
    add_budget(parser)
    return parser


def add_gate(commands: Any) -> argparse.ArgumentParser:
    """Add `gate`."""
    parser = add_command(commands, "gate", "thresholds with statistics", _GATE, _GATE_EXIT_CODES)
    add_config(parser)
    parser.set_defaults(command=_gate)
    parser.add_argument(
        "--baseline", metavar="FILE", help="what run --json or gate --json printed before"
    )
    parser.add_argument("--junit", metavar="FILE", help="write the checks there as JUnit XML")
    add_common(parser)
    add_budget(parser)
    return parser


def add_validate(commands: Any) -> argparse.ArgumentParser:
    """Add `validate`."""
    parser = add_command(
        commands,
        "validate",
        "simulated beside measured, for every measured run shipped",
        _VALIDATE,
        _EXIT_CODES,
    )
    parser.set_defaults(command=_validate, config="measured")
    add_assignments(parser)
    parser.add_argument(
        "--runs", metavar="DIR", help="measured runs in this folder, instead of those shipped"
    )
    add_common(parser)
    add_budget(parser)
    return parser


def add_calibrate(commands: Any) -> argparse.ArgumentParser:
    """Add `calibrate`."""
    parser = add_command(
        commands,
        "calibrate",
        "service times and station parameters from k6 output, as a TOML fragment",
        _CALIBRATE,
    )
    parser.set_defaults(command=_calibrate)
    parser.add_argument(
        "--k6",
        nargs="+",
        required=True,
        metavar="FILE",
        help="k6's --out csv or --out json, also gzipped: one user, and a ramp of users",
    )
    parser.add_argument("--out", metavar="FILE", help="write the TOML fragment there")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.add_argument("--quiet", action="store_true", help="no report as text")
    return parser


def _calibrate(options: argparse.Namespace) -> int:
    from experiments.cli.calibrate import CalibrateOptions, calibrate

    return calibrate(CalibrateOptions(tuple(options.k6), options.out, options.json, options.quiet))


def _validate(options: argparse.Namespace) -> int:
    from experiments.cli.validate import ValidateOptions, validate

    return validate(ValidateOptions(common_options(options), options.runs))


def _gate(options: argparse.Namespace) -> int:
    from experiments.cli.gate import GateOptions, gate

    return gate(GateOptions(common_options(options), options.baseline, options.junit))


def _compare(options: argparse.Namespace) -> int:
    from experiments.cli.compare import ALL_SHIPPED, CompareOptions, compare

    return compare(
        CompareOptions(common_options(options), options.variants or ALL_SHIPPED, options.precision)
    )


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: names with commas between them")
    return names


def _precision(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text}; allowed: 0 < P < 1, 0.02 being two points")
    return value
