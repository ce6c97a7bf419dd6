"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from experiments.config.reading import Reading
    from experiments.runs.budget import Budget
    from experiments.runs.display import Display
    from experiments.runs.options import RunOptions

USUAL_EXIT_CODES: Final = """\
exit codes: 0 ok; 104 the config is invalid; 130 interrupted, partial results kept;
1 anything else, in one line (--debug shows the traceback)"""
STUDY_EXIT_CODES: Final = """\
exit codes: 0 ok; 104 config, variants or --out are not valid; 130 interrupted, partial
results kept; 1 anything else, in one line"""
_MOST: Final = 100_000
"""Of replications, processes and samples; a config's `replications` has the same limit."""
_LONGEST: Final = 20
"""Digits of a number on the command line, far more than any can have."""


def add_command(
    commands: Any, name: str, summary: str, description: str, exit_codes: str | None = None
) -> argparse.ArgumentParser:
    """Add a command whose description is shown line by line, as it is written.

    Args:
        commands: what `add_subparsers` of the program's parser returned.
        name: the command.
        summary: its line in the list of commands.
        description: what `-h` begins with.
        exit_codes: what `-h` ends with.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=exit_codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add CONFIG and --set."""
    parser.add_argument(
        "config", metavar="CONFIG", help="a path that ends in .toml, or a name from ticketsim list"
    )
    add_assignments(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="take values outside their plausible range, and a --scale that leaves a resource too "
        "small, for errors and not for warnings",
    )


def add_assignments(parser: argparse.ArgumentParser) -> None:
    """Add --set."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="assignments",
        help="another value for a config key, by its dotted path; the value as TOML",
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options of everything that simulates."""
    parser.add_argument("--seed", type=seed, metavar="N", help="instead of the config's seed")
    parser.add_argument(
        "--replications",
        type=positive,
        metavar="N",
        help="independent runs; intervals need at least 3",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=positive, metavar="N", help="processes (default: one for each core)"
    )
    where.add_argument(
        "--cluster",
        dest="workers",
        metavar="ADDRESS",
        help="a running Dask cluster instead, such as tcp://10.0.0.1:8786",
    )
    parser.add_argument(
        "--scale",
        type=scale,
        default=1.0,
        metavar="X",
        help="0 < X <= 1: X times the users on a proportionally weaker system",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write results there, or go on with what is there",
    )
    parser.add_argument(
        "--force", action="store_true", help="begin also a run that may not fit the memory"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON only")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quiet", action="store_true", help="no progress bar, no result as text")
    amount.add_argument(
        "--verbose", action="store_true", help="everything that was measured, as text"
    )


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add --budget."""
    parser.add_argument(
        "--budget",
        type=budget,
        metavar="DURATION|RUNS",
        help="begin no run after this wall time (90s, 15m, 1h30m), or at most so many runs (200); "
        "runs under way are finished",
    )


def read_config(options: argparse.Namespace) -> Reading:
    """The config that CONFIG and --set name.

    A `--scale` that leaves a resource too small, values outside their plausible range, and
    libraries of an application that were never tried in the installed version, are told on
    standard error, one line each.

    Raises:
        ConfigError: it is not valid, or has such a value and the command line has `--strict`.
    """
    from experiments.config.plausibility import implausible
    from experiments.config.reading import read
    from experiments.errors import ConfigError

    given = read(options.config, options.assignments)
    for found in implausible(given.config.world, given.merged):
        if options.strict:
            source = given.merged.origin(tuple(found.key.split(".")), given.source)
            raise ConfigError(source, "", f"{found} (--strict)")
        sys.stderr.write(f"warning: {found}\n")
    if given.config.world.app.path:
        from sim.app.versions import untried_versions

        for remark in untried_versions():
            sys.stderr.write(f"warning: {remark}\n")
    _warn_of_scale(given, options)
    return given


def _warn_of_scale(given: Reading, options: argparse.Namespace) -> None:
    """Say before the first run what --scale leaves too small; with --strict, refuse it."""
    scale = getattr(options, "scale", 1.0)
    if scale >= 1.0:
        return
    from experiments.errors import OptionError
    from experiments.studies.scale_check import before_runs

    given.config.world_at(scale)  # A scale that leaves nobody is refused, and no more said of it.
    found = before_runs(given.config, scale)
    if found and options.strict:
        raise OptionError("scale", f"{found.removeprefix('scale ')} (--strict)")
    if found and not getattr(options, "quiet", False):
        sys.stderr.write(f"warning: --{found}\n")


def run_options(options: argparse.Namespace, display: type[Display]) -> RunOptions:
    """How to run, as the common options say.

    Args:
        options: the command line; not every command has a budget.
        display: what to show meanwhile, unless `--quiet`, if standard error is a terminal; else
            how long the runs take.
    """
    from experiments.runs.budget import Budget
    from experiments.runs.display import Display, LineDisplay
    from experiments.runs.options import RunOptions

    telling = display if sys.stderr.isatty() else LineDisplay
    shown = Display if options.quiet else telling
    return RunOptions(
        seed=options.seed,
        replications=options.replications,
        workers=options.workers,
        scale=options.scale,
        out=options.out,
        budget=getattr(options, "budget", None) or Budget(),
        display=shown(),
        force=options.force,
        began_s=options.began_s,
    )


def say_plan(options: argparse.Namespace, how: RunOptions, plan: str) -> None:
    """Have standard error say how many runs a long command makes, when the first one begins."""
    if not options.quiet and not options.json:
        how.display.plan = f"{plan}; --budget 10m ends it earlier"


def budget(text: str) -> Budget:
    """A budget."""
    from experiments.runs.budget import Budget

    try:
        return Budget.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def duration(text: str) -> float:
    """A time such as 90s, 15m or 1h30m, in seconds."""
    from experiments.runs.budget import Budget

    try:
        found = Budget.parse(text).duration_s
    except ValueError:
        found = None
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}; allowed: a time such as 90s, 15m, 1h30m")
    return found


def seed(text: str) -> int:
    """A seed."""
    value = _whole(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{text}; allowed: a whole number from 0 to 2^63 - 1")
    return value


def _whole(text: str) -> int:
    """The number that digits mean; -1 for anything else."""
    return int(text) if text.isdecimal() and len(text) < _LONGEST else -1


def positive(text: str) -> int:
    """A whole number from 1 to as many as can be meant."""
    value = _whole(text)
    if not 1 <= value <= _MOST:
        raise argparse.ArgumentTypeError(f"{text}; allowed: a whole number from 1 to {_MOST}")
    return value


def scale(text: str) -> float:
    """A scale: 0 < X <= 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}; allowed: 0 < X <= 1")
    return value


def from_zero(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}; allowed: a whole number from 0")
    return int(text)
