"""`ticketsim sweep`: values of config keys, alone and together."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from experiments.cli.options import (
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

if TYPE_CHECKING:
    from experiments.studies.sweep.study import Design

_DESCRIPTION: Final = """\
Try values of any config keys, alone and together:

  ticketsim sweep incident-as-planned --param policy.access_ttl_s=300.0,600.0,900.0 \\
      --param catalogue.capacity=50,500,5000 --scale 0.1 --replications 3 --out sweep

Without more options a grid of all combinations. Over ranges, key=low..high:
  --latin N    a Latin hypercube of N points
  --sobol N    Sobol sensitivities from N x (parameters + 2) points; N a power of two
  --morris N   Morris screening from N x (parameters + 1) points
  --knee       the values of one key that meet the config's [thresholds], wherever they
               lie in the range, and which threshold binds on each side; each try is a
               gate, and all together err with 5 % at most
  ticketsim sweep ramp-waiting-tokens --param load.vus=250,500,1000,2000,4000
  ticketsim sweep ramp-waiting-tokens --param load.vus=250..4000 --knee

Replication k has the same seed at every point. --out also gets points.csv and
response.svg; the same command with the same --out goes on where it stopped."""
_EXIT_CODES: Final = """\
exit codes: 0 ok; 104 config, keys or --out are not valid; 130 interrupted, partial results
kept; 1 anything else, in one line"""


def add_sweep(commands: Any) -> argparse.ArgumentParser:
    """Add `sweep`."""
    parser = add_command(
        commands,
        "sweep",
        "grids, Latin hypercubes, sensitivities and knees over any keys",
        _DESCRIPTION,
        _EXIT_CODES,
    )
    add_config(parser)
    parser.set_defaults(command=_sweep)
    parser.add_argument(
        "--param",
        action="append",
        required=True,
        metavar="KEY=VALUES",
        dest="parameters",
        help="key=v1,v2,v3 with TOML values, or key=low..high",
    )
    designs = parser.add_mutually_exclusive_group()
    for name, text in (
        ("latin", "points of a Latin hypercube"),
        ("sobol", "base samples for Sobol indices, a power of two"),
        ("morris", "trajectories for Morris screening"),
    ):
        designs.add_argument(f"--{name}", type=positive, metavar="N", help=text)
    designs.add_argument("--knee", action="store_true", help="values that meet the thresholds")
    add_common(parser)
    add_budget(parser)
    return parser


def _sweep(options: argparse.Namespace) -> ExitCode:
    from experiments.studies.sweep.designs import parse_parameter
    from experiments.studies.sweep.knee import most_tries
    from experiments.studies.sweep.study import knee_looks, sweep
    from experiments.views.progress import ProgressDisplay
    from experiments.views.saved_files import keep_sweep
    from experiments.views.text.sweep_text import render, render_verbose

    given = read_config(options)
    parameters = [parse_parameter(text) for text in options.parameters]
    design, samples = _design(options)
    how = run_options(options, ProgressDisplay)
    if design == "knee" and len(parameters) == 1:
        first, *_, most = knee_looks(options.replications)
        values = f"up to {most_tries(parameters[0])} values of {parameters[0].key}"
        say_plan(options, how, f"sweep --knee: {values}, {first} to {most} runs each")
    result = sweep(given, how, parameters, design, samples)
    keep_sweep(result)
    show(options, result.document, render, render_verbose)
    return interrupted_or_ok(result.interrupted)


def _design(options: argparse.Namespace) -> tuple[Design, int]:
    """The design, and its number of samples if it has one."""
    if options.latin is not None:
        return "latin", options.latin
    if options.sobol is not None:
        return "sobol", options.sobol
    if options.morris is not None:
        return "morris", options.morris
    return ("knee" if options.knee else "grid"), 0
