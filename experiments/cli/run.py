"""`ticketsim run`: simulates one config."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.cli.options import (
    USUAL_EXIT_CODES,
    add_budget,
    add_command,
    add_common,
    add_config,
    read_config,
    run_options,
)
from experiments.cli.output import show
from experiments.exit_codes import ExitCode, interrupted_or_ok
from sim.measure.watched import THRESHOLD_CROSSED


def add_run(commands: Any) -> argparse.ArgumentParser:
    """Add `run`."""
    parser = add_command(
        commands,
        "run",
        "simulate one config",
        "Simulate one config and print a summary.",
        USUAL_EXIT_CODES,
    )
    parser.set_defaults(command=_run)
    add_config(parser)
    add_common(parser)
    add_budget(parser)
    parser.add_argument(
        "--samples", action="store_true", help="keep every request in --out, for ticketsim export"
    )
    parser.add_argument(
        "--check-scale",
        action="store_true",
        help="run at three times --scale too, and say what differs",
    )
    return parser


def _run(options: argparse.Namespace) -> ExitCode:
    from experiments.runs.failures import raise_if_failed
    from experiments.studies.fuzz.violations import raise_if_broken
    from experiments.studies.made_twice import check_made_twice
    from experiments.studies.run import run
    from experiments.views.live_view import LiveDisplay
    from experiments.views.text.summary_text import render, render_verbose

    given = read_config(options)
    how = run_options(options, LiveDisplay)
    finished = run(given, how, samples=options.samples)
    if options.check_scale and not finished.summary["partial"]:
        from experiments.studies.two_scales import add_scale_check

        add_scale_check(given, how, finished)
    show(options, finished.summary, render, render_verbose)
    raise_if_failed(*finished.results.values())
    if options.scale == 1.0 and finished.results:
        check_made_twice(finished.config, finished.results[min(finished.results)])
    raise_if_broken(finished.config, options.scale, finished.results)
    if any(run["ended"] == THRESHOLD_CROSSED for run in finished.summary["runs"]):
        return ExitCode.BREACHED
    return interrupted_or_ok(finished.interrupted)
