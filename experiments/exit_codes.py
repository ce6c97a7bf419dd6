"""The exit codes of the command line: the contract with scripts and build servers."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    """It did what it was asked for; a gate passed."""
    ERROR = 1
    """Anything that no other code stands for, said in one line."""
    INCONCLUSIVE = 98
    """A gate can neither pass nor fail with the runs that it has."""
    BREACHED = 99
    """A threshold of a gate is breached, a metric is worse than the baseline, or a threshold with
    abortOnFail ended a run; k6 has the same.
    """
    INVALID_CONFIG = 104
    """The config is not valid, or `--out` belongs to another one; k6 has the same."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; partial results are kept."""
    READER_GONE = 141
    """The reader of standard output has ended: 128 and the number of SIGPIPE, as shells report."""


def interrupted_or_ok(interrupted: bool) -> ExitCode:
    """The code of a study that has no verdict of its own."""
    return ExitCode.INTERRUPTED if interrupted else ExitCode.OK
