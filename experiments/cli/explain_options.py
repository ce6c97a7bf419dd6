"""The command line of `ticketsim explain`."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.cli.options import add_budget, add_command, add_common, add_config, common_options

_EXPLAIN = """\
Explain what a config says was observed: which values of the unknowns ([explain.priors]) and which
hypotheses ([explain.hypotheses]) lead to it, how sure that is, what stays unexplained, and which
defects ([explain.groups]) own which share of the failures.

  ticketsim explain incident                 # within 20 minutes on two cores
  ticketsim explain incident --out answer    # the same, kept: goes on where it stopped
  ticketsim explain incident --budget 300    # fewer runs, the same every time

Worlds are compared at --scale (default 0.1), the best of them at full size as well.
--budget RUNS decides how much is done; --budget DURATION ends it early.
--replications is the number of runs of each coalition of defects."""
_EXIT_CODES = """\
exit codes: 0 ok; 104 config, priors, observations, budget or --out are not valid;
130 interrupted, partial results kept; 1 anything else, in one line"""


def add_explain(commands: Any) -> argparse.ArgumentParser:
    """Add `explain`."""
    parser = add_command(
        commands,
        "explain",
        "which hypothesis fits what was observed; what each defect contributes",
        _EXPLAIN,
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
    parser.set_defaults(scale=0.1)
    return parser


def _explain(options: argparse.Namespace) -> int:
    from experiments.cli.explain import ExplainOptions, explain

    return explain(ExplainOptions(common_options(options), options.full))
