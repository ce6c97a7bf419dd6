"""`ticketsim live`: the real thing on this machine, beside its prediction."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from experiments.cli.options import add_command, add_config, duration, positive, scale, seed
from experiments.cli.output import show
from experiments.errors import OptionError
from experiments.exit_codes import ExitCode

_DESCRIPTION: Final = """\
Run the real thing on this machine, beside its prediction: the service under its server, a
real Redis, a real database, and the real k6 with the load of the config. The prediction is
made first. Then a table says which measured numbers lie inside the predicted intervals.

  ticketsim live smoke --at-most 60s
  ticketsim live incident-fixed --scale 0.02 --calibrate
  ticketsim live shop.toml --calibrate --predict-only --out first
  ticketsim live shop.toml --prediction first/prediction.json --out second

It needs redis-server, k6 and a database server on the path (or `--database sqlite`);
nothing is downloaded. Only addresses of this machine are allowed as targets."""
_EXIT_CODES: Final = """\
exit codes: 0 ok, whatever lies inside; 104 the config is invalid; 130 interrupted, nothing
is left running; 1 anything else, in one line"""


def add_live(commands: Any) -> argparse.ArgumentParser:
    """Add `live`."""
    parser = add_command(
        commands, "live", "the real thing beside its prediction", _DESCRIPTION, _EXIT_CODES
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
        help="first measure one user, then several, and fit the service's speed to them",
    )
    parser.add_argument(
        "--predict-only",
        action="store_true",
        help="stop after the prediction is written to --out",
    )
    parser.add_argument(
        "--prediction",
        type=Path,
        metavar="FILE",
        help="judge this prediction.json of an earlier --predict-only instead of a new one",
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
        "--out",
        type=Path,
        metavar="DIR",
        help="keep prediction, scripts, raw output and logs there",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress, no text")
    return parser


def _live(options: argparse.Namespace) -> ExitCode:
    from experiments.studies.live.rig import Target
    from experiments.studies.live.study import LiveOptions, live
    from experiments.views.text.live_text import render

    if options.prediction is not None and (options.calibrate or options.predict_only):
        raise OptionError("prediction", "allowed: without --calibrate and --predict-only")
    if options.predict_only and options.out is None:
        raise OptionError("predict-only", "allowed: with --out DIR")
    target = Target(
        options.config,
        tuple(options.assignments),
        options.scale,
        options.database,
        options.redis,
    )
    how = LiveOptions(
        seed=options.seed,
        replications=options.replications,
        at_most_s=options.at_most,
        calibrates=options.calibrate,
        keep=options.out,
        only_predicts=options.predict_only,
        prediction=options.prediction,
    )
    result = live(target, how, told=_silent if options.quiet else _say)
    show(options, result, render)
    return ExitCode.OK


def _say(text: str) -> None:
    print(f"ticketsim live: {text}", file=sys.stderr, flush=True)


def _silent(_text: str) -> None:
    return
