"""The command line of `ticketsim sweep`."""

from __future__ import annotations

import argparse
from typing import Any

from experiments.cli.options import (
    add_budget,
    add_command,
    add_common,
    add_config,
    common_options,
    positive,
)

_SWEEP = """\
Try values of any config keys, alone and together:

  ticketsim sweep incident --param policy.access_ttl_s=300.0,600.0,900.0 \\
      --param catalogue.capacity=50,500,5000 --scale 0.1 --replications 3 --out sweep

Without more options a grid of all combinations. Over ranges, key=low..high:
  --latin N    a Latin hypercube of N points
  --sobol N    Sobol sensitivities from N x (parameters + 2) points; N a power of two
  --morris N   Morris screening from N x (parameters + 1) points
  --knee       the highest value of one key that still meets the config's [thresholds],
               by bisection; each try is a gate, and all together err with 5 % at most
  ticketsim sweep ramp-waiting-tokens --param load.vus=250,500,1000,2000,4000
  ticketsim sweep ramp-waiting-tokens --param load.vus=250..4000 --knee

Replication k has the same seed at every point. --out also gets points.csv and
response.svg; the same command with the same --out goes on where it stopped."""
_EXIT_CODES = """\
exit codes: 0 ok; 104 config, keys or --out are not valid; 130 interrupted, partial results
kept; 1 anything else, in one line"""


def add_sweep(commands: Any) -> argparse.ArgumentParser:
    """Add `sweep`."""
    parser = add_command(
        commands,
        "sweep",
        "grids, Latin hypercubes, sensitivities and knees over any keys",
        _SWEEP,
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
    designs.add_argument(
        "--knee", action="store_true", help="highest value that meets the thresholds"
    )
    add_common(parser)
    add_budget(parser)
    return parser


def _sweep(options: argparse.Namespace) -> int:
    from experiments.cli.sweep import Design, SweepOptions, sweep

    design: Design = "knee" if options.knee else "grid"
    samples = 0
    for name, count in (
        ("latin", options.latin),
        ("sobol", options.sobol),
        ("morris", options.morris),
    ):
        if count is not None:
            design, samples = name, count  # type: ignore[assignment]
    return sweep(SweepOptions(common_options(options), tuple(options.parameters), design, samples))
