"""The memory that is left on this machine, and a watch that ends a run before there is none."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Final

_MEMINFO: Final = Path("/proc/meminfo")
_STATM: Final = Path("/proc/self/statm")
_CGROUP: Final = Path("/sys/fs/cgroup")
_LOOK_EVERY_S: Final = 1.0
_LEAST_BYTES: Final = 64_000_000
_SHARE_FOR_RESULTS: Final = 0.1
"""Assumed: the result of a run is made of its samples, which are a tenth of its memory at most."""


def available_bytes() -> int | None:
    """Memory that programs can still take, in bytes; None where that cannot be read.

    The smallest one of what the machine, the container of this process and the limit of this
    process (`ulimit -v`) have left.
    """
    known = (_machine_bytes(), _container_bytes(), _process_bytes())
    return min((each for each in known if each is not None), default=None)


def _machine_bytes() -> int | None:
    try:
        if _MEMINFO.is_file():
            values = dict(line.split(":") for line in _MEMINFO.read_text("ascii").splitlines())
            return 1024 * int(values["MemAvailable"].split()[0])
        # Elsewhere only all the memory there is: more than that is too much in any case.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _container_bytes() -> int | None:
    """What Linux lets the control group of this process take still; None: there is no limit."""
    try:
        limit = int((_CGROUP / "memory.max").read_text("ascii"))
        used = int((_CGROUP / "memory.current").read_text("ascii"))
        lines = (_CGROUP / "memory.stat").read_text("ascii").splitlines()
        stat = dict(line.split() for line in lines)
        # Pages of files that are not in use are given back at once.
        return max(0, limit - used + int(stat["inactive_file"]))
    except (OSError, ValueError, KeyError):
        return None


def _process_bytes() -> int | None:
    """What the limit of address space lets this process take still; None: there is no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    used = _pages(0)
    return None if limit == resource.RLIM_INFINITY or not used else max(0, limit - used)


class MemoryWatch:
    """Looks at the memory while a run is under way, once a second of wall time."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + _LOOK_EVERY_S
        self.note = ""
        """Why the run is to end, for its result; empty while it may go on."""

    def is_short(self, now_s: float) -> bool:
        """Whether the run is to end now, at `now_s` of simulated time.

        What is left must suffice for making and keeping the result.
        """
        if not self.note and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _LOOK_EVERY_S
            left, own = available_bytes(), resident_bytes()
            if left is not None and left < _LEAST_BYTES + _SHARE_FOR_RESULTS * own:
                self.note = (
                    f"memory ran out after {now_s:.0f} s: {left / 1e6:.0f} MB were left, and the "
                    f"run had {own / 1e6:.0f} MB; what was measured until then is kept"
                )
        return bool(self.note)


def resident_bytes() -> int:
    """Resident memory of this process; 0 where that cannot be read."""
    return _pages(1)


def _pages(column: int) -> int:
    """A number of pages of this process, in bytes: all of them (0), or the resident ones (1)."""
    try:
        return int(_STATM.read_text("ascii").split()[column]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0
