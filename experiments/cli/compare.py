"""`ticketsim compare`: variants of a config against the config as it is."""

from __future__ import annotations

import argparse
from typing import Any, Final

from experiments.cli.options import (
    STUDY_EXIT_CODES,
    add_budget,
    add_command,
    add_common,
    add_config,
    positive,
    read_config,
    run_options,
    say_plan,
)
from experiments.cli.output import show
from experiments.exit_codes import ExitCode, interrupted_or_ok

SET_SIZE: Final = 3
_ALL_SHIPPED: Final = ("all-fixes-singly", "combinations", "each-left-out")
_DESCRIPTION: Final = """\
Compare variants of a config with the config as it is, by common random numbers:
paired differences with 95 % confidence intervals, and a verdict on each.
A variant is a patch on a config. The shipped ones are the fixes on the table, each by
itself, together, and each left out of all; your own are a TOML file with
[variants.NAME] tables that set config keys.

  ticketsim compare incident-as-planned --scale 0.1 --variants F3,F9,all-fixes
  ticketsim compare mine.toml --variants mine-variants.toml --precision 0.01 --out cmp

Variants rank by broken invariants (what must never happen), then by what else the verdict
demands (thresholds, steps of buying), then by seats sold, then by what fails now; --verbose
has every quantity.
Where a config has unknowns and variants state a cost, the robust choice for each cost is named.
--replications is the first stage; --precision adds as many as its variance asks for. The
same command with the same --out goes on where it stopped."""


def add_compare(commands: Any) -> argparse.ArgumentParser:
    """Add `compare`."""
    parser = add_command(
        commands,
        "compare",
        "which fix changes what, with intervals",
        _DESCRIPTION,
        STUDY_EXIT_CODES,
    )
    add_config(parser)
    parser.set_defaults(command=_compare)
    parser.add_argument(
        "--variants",
        type=_names,
        metavar="A,B,C",
        help="names of variants or sets, or TOML files of variants (default: all shipped fixes, "
        "unless --sets-of says what to compare)",
    )
    parser.add_argument(
        "--sets-of",
        type=_names,
        default=(),
        metavar="A,B,C",
        help="also each of these variants by itself, and every set of up to --set-size of them",
    )
    parser.add_argument(
        "--set-size",
        type=positive,
        default=SET_SIZE,
        metavar="N",
        help=f"members of the largest sets of --sets-of (default: {SET_SIZE})",
    )
    parser.add_argument(
        "--precision",
        type=_precision,
        metavar="P",
        help="half-width wanted of the difference in failed requests; 0.02 is two points",
    )
    parser.add_argument(
        "--race",
        action="store_true",
        help="make no further replications of variants that are clearly worse than another one "
        "after 3, 6, 12, ...; the best one is lost with a probability of 5 %% at most",
    )
    add_common(parser)
    add_budget(parser)
    return parser


def _compare(options: argparse.Namespace) -> ExitCode:
    from experiments.config.variants import Variants
    from experiments.statistics.stopping import first_stage
    from experiments.studies.compare.study import compare
    from experiments.views.progress import ProgressDisplay
    from experiments.views.saved_files import keep_comparison
    from experiments.views.text.compare_text import render, render_verbose

    named = _ALL_SHIPPED if options.variants is None and not options.sets_of else options.variants
    variants = Variants().select_with_sets(named or (), options.sets_of, options.set_size)
    how = run_options(options, ProgressDisplay)
    given = read_config(options)
    first = first_stage(given.config.header.replications, options.replications)
    runs = f"up to {first}" if options.race else str(first)
    plan = f"compare: {len(variants)} variants and the config as it is, {runs} runs each"
    say_plan(options, how, plan)
    result = compare(given, how, variants, options.precision, race=options.race)
    keep_comparison(result)
    show(options, result.document, render, render_verbose)
    return interrupted_or_ok(result.interrupted)


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
