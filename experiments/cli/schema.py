"""`ticketsim schema`: the JSON Schema of a config, or of what a command prints with `--json`."""

from __future__ import annotations

import argparse
import pkgutil
import sys
from collections.abc import Mapping
from typing import Any, Final

from experiments.documents import as_json, with_dialect
from experiments.exit_codes import ExitCode

DOCUMENTS: Final[Mapping[str, str]] = {
    "run": "experiments.statistics.summary:RunSummary",
    "compare": "experiments.studies.compare.differences:ComparisonResult",
    "sweep": "experiments.studies.sweep.points:SweepResult",
    "gate": "experiments.studies.gate.decision:GateResult",
    "validate": "experiments.studies.validate.comparison:Validation",
    "calibrate": "experiments.studies.calibrate.fragment:CalibrateResult",
    "explain": "experiments.studies.explain.results:Explanation",
    "fuzz": "experiments.studies.fuzz.result:FuzzResult",
}
"""Command -> the type of what it prints with --json; named, as importing it may take a second."""


def add_schema(commands: Any) -> argparse.ArgumentParser:
    """Add `schema`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "schema",
        help="the JSON Schema of a config, or of a command's JSON",
        description="Print the JSON Schema of a config file, with every key documented.",
    )
    parser.set_defaults(command=_schema)
    parser.add_argument(
        "--output",
        choices=list(DOCUMENTS),
        metavar="COMMAND",
        help="of what this command prints with --json instead",
    )
    return parser


def _schema(options: argparse.Namespace) -> ExitCode:
    sys.stdout.write(as_json(_config_schema() if options.output is None else _of(options.output)))
    return ExitCode.OK


def _config_schema() -> dict[str, Any]:
    from experiments.config.reading import json_schema

    return json_schema()


def _of(command: str) -> dict[str, Any]:
    """The JSON Schema of what a command of `DOCUMENTS` prints with --json."""
    from pydantic import TypeAdapter

    return with_dialect(TypeAdapter(pkgutil.resolve_name(DOCUMENTS[command])).json_schema())
