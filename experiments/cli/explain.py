"""`ticketsim explain`: which hypothesis fits what was observed, and what each defect adds."""

from __future__ import annotations

import argparse
from typing import Any, Final

from experiments.cli.options import (
    add_budget,
    add_command,
    add_common,
    add_config,
    read_config,
    run_options,
)
from experiments.cli.output import show
from experiments.exit_codes import ExitCode, interrupted_or_ok

_SCALE: Final = 1.0
"""Of the runs that are compared with the observations, when nothing else is said."""
_DESCRIPTION: Final = """\
Explain what a config says was observed: which values of the unknowns ([explain.priors]) and which
hypotheses ([explain.hypotheses]) lead to it, how sure that is, what stays unexplained, and which
defects ([explain.groups]) own which share of the failures.

  ticketsim explain incident                 # within 20 minutes on two cores
  ticketsim explain incident --out answer    # the same, kept: goes on where it stopped
  ticketsim explain incident --budget 300    # fewer runs, the same every time

Worlds are compared at --scale (default 1), the best of them at full size as well.
--budget RUNS decides how much is done; --budget DURATION ends it early.
--replications is the number of runs of each coalition of defects."""
_EXIT_CODES: Final = """\
exit codes: 0 ok; 104 config, priors, observations, budget or --out are not valid;
130 interrupted, partial results kept; 1 anything else, in one line"""


def add_explain(commands: Any) -> argparse.ArgumentParser:
    """Add `explain`."""
    parser = add_command(
        commands,
        "explain",
        "which hypothesis fits what was observed; what each defect contributes",
        _DESCRIPTION,
        _EXIT_CODES,
    )
    add_config(parser)
    parser.set_defaults(command=_explain)
    add_common(parser)
    add_budget(parser)
    parser.add_argument(
        "--full",
        action="store_true",
        help="also every defect by itself, and the calibration of the inference (hours)",
    )
    parser.set_defaults(scale=_SCALE)
    return parser


def _explain(options: argparse.Namespace) -> ExitCode:
    from experiments.studies.explain.study import explain
    from experiments.views.progress import ProgressDisplay
    from experiments.views.saved_files import keep_explanation
    from experiments.views.text.explain_text import render

    how = run_options(options, ProgressDisplay)
    result = explain(read_config(options), how, full=options.full)
    keep_explanation(result)
    show(options, result.document, render)
    return interrupted_or_ok(result.interrupted)
