"""`ticketsim gate`: the thresholds of a config, with statistics, as an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from experiments.cli.options import (
    add_budget,
    add_command,
    add_common,
    add_config,
    read_config,
    run_options,
    say_plan,
)
from experiments.cli.output import show
from experiments.errors import OutputError
from experiments.exit_codes import ExitCode

if TYPE_CHECKING:
    from experiments.studies.gate.decision import GateResult

_EXIT: Final[Mapping[str, ExitCode]] = {
    "pass": ExitCode.OK,
    "fail": ExitCode.BREACHED,
    "inconclusive": ExitCode.INCONCLUSIVE,
}
_DESCRIPTION: Final = """\
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
_EXIT_CODES: Final = """\
exit codes: 0 pass; 99 a threshold is breached, or worse than the baseline; 98 inconclusive;
104 config, threshold or baseline are not valid; 130 interrupted; 1 anything else"""


def add_gate(commands: Any) -> argparse.ArgumentParser:
    """Add `gate`."""
    parser = add_command(commands, "gate", "thresholds with statistics", _DESCRIPTION, _EXIT_CODES)
    add_config(parser)
    parser.set_defaults(command=_gate)
    parser.add_argument(
        "--baseline", metavar="FILE", help="what run --json or gate --json printed before"
    )
    parser.add_argument("--junit", metavar="FILE", help="write the checks there as JUnit XML")
    add_common(parser)
    add_budget(parser)
    return parser


def _gate(options: argparse.Namespace) -> ExitCode:
    from experiments.runs.storage.whole_file import write_text
    from experiments.studies.gate.study import gate, planned_looks
    from experiments.studies.scale_check import warnings
    from experiments.views.progress import ProgressDisplay
    from experiments.views.saved_files import keep_gate
    from experiments.views.text.gate_text import junit, render

    given = read_config(options)
    if options.junit is not None:
        _check_writable(options.junit)
    how = run_options(options, ProgressDisplay)
    if not options.quiet:
        for warning in warnings(given.config, options.scale):
            how.display.warn(warning)
    if options.budget is None:
        first, *_, most = planned_looks(given.config, how)
        say_plan(options, how, f"gate: {first} runs, up to {most} where these do not decide")
    result = gate(given, how, options.baseline)
    keep_gate(result)
    if options.junit is not None:
        write_text(Path(options.junit), junit(result.document), f"--junit {options.junit}")
    show(options, result.document, render)
    _tell_pull_request(result.document, options.config)
    return ExitCode.INTERRUPTED if result.interrupted else _EXIT[result.document["outcome"]]


def _check_writable(path: str) -> None:
    folder = Path(path).absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(f"--junit {path}: cannot be written: no such folder")


def _tell_pull_request(result: GateResult, path: str) -> None:
    """Annotations and a job summary where the build server asks for them by its variables."""
    from experiments.views.text.gate_text import markdown, workflow_commands

    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(result, path):
            sys.stderr.write(line + "\n")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(result))
