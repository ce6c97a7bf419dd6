"""The command line of `ticketsim fuzz`."""

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

_FUZZ = """\
Search for schedules that break an invariant:

  ticketsim fuzz fuzz-small --seeds 1000
  ticketsim fuzz fuzz-small --seeds 1000 --set policy.seat_lock_owned=false

Each seed changes the world: how many users of those in the config, pool, processors, service
times, up to two faults, the order of simultaneous events, and where threads of the service are
held up. Invariants are looked at after every event. The first violation ends the search; it is
made smaller for a minute at most, and written as a config that shows it again. --replications N
tries N schedules for each seed. --set search.only='["oversold"]' looks for nothing else."""
_EXIT_CODES = """\
exit codes: 0 nothing is broken; 1 something is, or anything else, in one line; 104 config or
--out are not valid; 130 interrupted, what was found is kept, the same --out goes on"""


def add_fuzz(commands: Any) -> argparse.ArgumentParser:
    """Add `fuzz`."""
    parser = add_command(
        commands, "fuzz", "search for schedules that break an invariant", _FUZZ, _EXIT_CODES
    )
    add_config(parser)
    parser.set_defaults(command=_fuzz)
    parser.add_argument(
        "--seeds", type=positive, required=True, metavar="N", help="how many seeds to try"
    )
    parser.add_argument(
        "--keep-going", action="store_true", help="try every seed, also after a violation"
    )
    add_common(parser)
    add_budget(parser)
    return parser


def _fuzz(options: argparse.Namespace) -> int:
    from experiments.cli.fuzz import FuzzOptions, fuzz

    return fuzz(FuzzOptions(common_options(options), options.seeds, options.keep_going))
