"""The command line of `ticketsim live`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.cli.options import add_command, add_config, duration, positive, scale, seed

if TYPE_CHECKING:
    from experiments.interop.k6_output import Output
    from sim.world import World

_LIVE = """\
Run the real thing on this machine, beside its prediction: the service under its server, a
real Redis, a real database, and the real k6 with the load of the config. The prediction is
made first. Then a table says which measured numbers lie inside the predicted intervals.

  ticketsim live smoke --at-most 60s
  ticketsim live incident-fixed --scale 0.02 --calibrate

It needs redis-server, k6 and a database server on the path (or `--database sqlite`);
nothing is downloaded. Only addresses of this machine are allowed as targets."""
_EXIT_CODES = """\
exit codes: 0 ok, whatever lies inside; 104 the config is invalid; 130 interrupted, nothing
is left running; 1 anything else, in one line"""


def add_live(commands: Any) -> argparse.ArgumentParser:
    """Add `live`."""
    parser = add_command(
        commands, "live", "the real thing beside its prediction", _LIVE, _EXIT_CODES
    )
    parser.set_defaults(command=_live)
    add_config(parser)
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="of the prediction")
    parser.add_argument(
        "--replications",
        type=positive,
        default=20,
        metavar="N",
        help="runs behind the prediction (default: 20)",
    )
    parser.add_argument(
        "--scale", type=scale, default=1.0, metavar="X", help="0 < X <= 1: the size on both sides"
    )
    parser.add_argument(
        "--at-most",
        type=duration,
        default=120.0,
        metavar="D",
        help="the load is cut off after this time, on both sides (default: 120s)",
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="first measure one user and a ramp, and fit the service's speed to them",
    )
    parser.add_argument(
        "--database",
        default="mariadb",
        metavar="D",
        help="mariadb (default), postgresql, sqlite, or a URL on this machine",
    )
    parser.add_argument(
        "--redis", metavar="URL", help="a Redis on this machine instead of a new one"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="keep prediction, scripts, raw output and logs there"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress, no text")
    return parser


def _live(options: argparse.Namespace) -> int:
    from experiments.cli.output import print_result, say
    from experiments.config.reading import load
    from experiments.studies.live.rig import Target
    from experiments.studies.live.study import LiveOptions, live
    from experiments.views.live_text import render
    from sim.scale import scaled

    assignments = tuple(options.assignments)
    config = load(options.config, assignments)
    target = Target(
        options.config, assignments, options.scale, options.database, options.redis
    )
    result = live(
        target,
        scaled(config.world, options.scale),
        {},
        LiveOptions(
            seed=options.seed,
            replications=options.replications,
            at_most_s=options.at_most,
            calibrates=options.calibrate,
            keep=None if options.out is None else Path(options.out),
        ),
        calibrated=lambda outputs: _calibrated(options, outputs),
        told=(lambda _text: None) if options.quiet else say,
    )
    print_result(options, result, render)
    return 0
