"""`ticketsim fuzz`: a search for schedules that break an invariant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from experiments.cli.options import (
    add_budget,
    add_command,
    add_common,
    add_config,
    positive,
    read_config,
    run_options,
)
from experiments.cli.output import show
from experiments.errors import ViolationError
from experiments.exit_codes import ExitCode, interrupted_or_ok

if TYPE_CHECKING:
    from experiments.studies.fuzz.result import Finding

_DESCRIPTION: Final = """\
Search for schedules that break an invariant:

  ticketsim fuzz fuzz-small --seeds 1000
  ticketsim fuzz fuzz-small --seeds 1000 --set policy.seat_lock_owned=false

Each seed changes the world: how many users of those in the config, pool, processors, service
times, up to two faults, the order of simultaneous events, and where threads of the service are
held up. Invariants are looked at after every event. The first violation ends the search; it is
made smaller for a minute at most, and written as a config that shows it again. --replications N
tries N schedules for each seed. --set search.only='["oversold"]' looks for nothing else."""
_EXIT_CODES: Final = """\
exit codes: 0 nothing is broken; 1 something is, or anything else, in one line; 104 config or
--out are not valid; 130 interrupted, what was found is kept, the same --out goes on"""


def add_fuzz(commands: Any) -> argparse.ArgumentParser:
    """Add `fuzz`."""
    parser = add_command(
        commands, "fuzz", "search for schedules that break an invariant", _DESCRIPTION, _EXIT_CODES
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


def _fuzz(options: argparse.Namespace) -> ExitCode:
    """Search and report. Raises ViolationError, when all is written and printed, if any broke."""
    from experiments.studies.fuzz.study import fuzz
    from experiments.views.saved_files import keep_fuzz
    from experiments.views.text.fuzz_text import render
    from experiments.views.tries_bar import TriesDisplay

    config = read_config(options).config
    how = run_options(options, TriesDisplay)
    result = fuzz(config, how, options.seeds, keep_going=options.keep_going)
    keep_fuzz(result)
    show(options, result.document, render)
    if result.document["findings"]:
        raise ViolationError(_summary(result.document["findings"]))
    return interrupted_or_ok(result.interrupted)


def _summary(findings: Sequence[Finding]) -> str:
    told = "; ".join(
        f"{', '.join(finding['broken'])} (seed {finding['seed']}, {finding['replay']})"
        for finding in findings
    )
    return f"broken: {told}"
