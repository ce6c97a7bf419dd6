"""`ticketsim validate`: simulated beside measured, for every measured run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from experiments.cli.options import (
    STUDY_EXIT_CODES,
    add_assignments,
    add_budget,
    add_command,
    add_common,
    read_config,
    run_options,
)
from experiments.cli.output import show
from experiments.exit_codes import ExitCode, interrupted_or_ok

_DESCRIPTION: Final = """\
Simulate every measured run of the real system and hold the numbers beside each other:
failure rate, requests per endpoint and status, latencies, rows per table, exceptions
per class, iterations. One config for all (ticketsim show measured), apart from what a
run changed before it began. docs/validation.md has the table and the reasons of misses."""


def add_validate(commands: Any) -> argparse.ArgumentParser:
    """Add `validate`."""
    parser = add_command(
        commands,
        "validate",
        "simulated beside measured, for every measured run shipped",
        _DESCRIPTION,
        STUDY_EXIT_CODES,
    )
    parser.set_defaults(command=_validate, config="measured")
    add_assignments(parser)
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="measured runs in this folder, instead of those shipped",
    )
    parser.add_argument(
        "--leave-one-out",
        action="store_true",
        help="estimate what whole runs tell without the run that is judged",
    )
    add_common(parser)
    add_budget(parser)
    return parser


def _validate(options: argparse.Namespace) -> ExitCode:
    from experiments.studies.validate.study import validate
    from experiments.views.progress import ProgressDisplay
    from experiments.views.saved_files import keep_validation
    from experiments.views.text.validate_text import render

    result = validate(
        read_config(options),
        run_options(options, ProgressDisplay),
        options.runs,
        leave_one_out=options.leave_one_out,
    )
    keep_validation(result)
    show(options, result.document, lambda document, _columns: render(document))
    return interrupted_or_ok(result.interrupted)
