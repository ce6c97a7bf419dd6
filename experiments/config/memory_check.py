"""Warns before a run whose users may need more memory than the machine has left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from experiments.config.cross_checks import virtual_users
from sim.world import World

PERSON_BYTES: Final = 14_000
"""Of each person at work, as measured (docs/performance.md)."""
PROCESS_BYTES: Final = 120_000_000
"""Of a process before the first person comes, with the libraries of the command."""
_GB: Final = 1e9
_LINUX: Final = Path("/proc/meminfo")


def memory_warning(worlds: Iterable[World], processes: int) -> str:
    """The warning, in one line, if worlds may need more memory than is available.

    Args:
        worlds: as simulated, so scaled; the one with the most people counts.
        processes: how many of them run at once on this machine.

    Returns:
        the warning; empty if there is enough, or if the machine does not tell its memory.
    """
    people = max(map(virtual_users, worlds), default=0)
    needed = processes * (people * PERSON_BYTES + PROCESS_BYTES)
    available = available_bytes()
    if available is None or needed <= available:
        return ""
    where = "one process" if processes == 1 else f"each of {processes} processes"
    return (
        f"{people:,} people at once in {where} may need {needed / _GB:.1f} GB of memory, "
        f"{available / _GB:.1f} GB are available; --scale or fewer --workers need less"
    )


def available_bytes() -> int | None:
    """Memory that programs can still take, in bytes; None where that cannot be read."""
    try:
        if _LINUX.is_file():
            values = dict(line.split(":") for line in _LINUX.read_text("ascii").splitlines())
            return 1024 * int(values["MemAvailable"].split()[0])
        # Elsewhere only all the memory there is: more than that is too much in any case.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, KeyError, IndexError):
        return None
