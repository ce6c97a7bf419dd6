"""A large run's memory in pages of 2 MB, so that the processor finds its addresses faster.

A processor keeps the addresses of some thousand pages. The objects of hundreds of thousands of
people lie in a million pages of 4 KB, and on a virtual machine each address that is not kept costs
two walks through tables. Linux puts a program's pages together where the program asks for it
(`madvise`, MADV_HUGEPAGE and MADV_COLLAPSE, Linux 6.1; man 2 madvise). Elsewhere nothing happens.
No result depends on it.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from experiments.runs.memory import resident_bytes

_MAPS: Final = Path("/proc/self/maps")
_LOOK_EVERY_S: Final = 1.0
_HUGE: Final = 2 * 1024 * 1024
_FEWEST_BYTES: Final = 500_000_000
"""Of less, most addresses are found as they are."""
_GROWTH: Final = 1.25
"""Look again when memory has grown so much: what is together already costs nothing."""
_MADV_HUGEPAGE: Final = 14
_MADV_COLLAPSE: Final = 25
"""Numbers of asm-generic/mman-common.h."""


class HugePages:
    """Puts the pages of this process together as it grows."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + _LOOK_EVERY_S
        self._next_bytes = _FEWEST_BYTES

    def look(self) -> None:
        """Put pages together if memory has grown enough; asks once a second of wall time."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _LOOK_EVERY_S
        resident = resident_bytes()
        if resident >= self._next_bytes:
            self._next_bytes = int(resident * _GROWTH)
            put_together()


def put_together() -> int:
    """Ask for large pages where this process keeps its objects; returns bytes that have them."""
    try:
        system = ctypes.CDLL(None, use_errno=True)
        madvise = system.madvise
        ranges = list(_ranges(_MAPS.read_text("ascii")))
    except (OSError, AttributeError, ValueError):
        return 0
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    done = 0
    for begin, size in ranges:
        if madvise(begin, size, _MADV_HUGEPAGE) == 0 and madvise(begin, size, _MADV_COLLAPSE) == 0:
            done += size
    return done


def _ranges(maps: str) -> Iterator[tuple[int, int]]:
    """Begin and size of each private range of memory that holds a large page and no file."""
    for line in maps.splitlines():
        addresses, rights, _, _, inode, *name = line.split(maxsplit=5)
        if rights != "rw-p" or inode != "0" or (name and name[0] != "[heap]"):
            continue
        begin, end = (int(each, 16) for each in addresses.split("-"))
        begin, end = -(-begin // _HUGE) * _HUGE, end // _HUGE * _HUGE
        if end > begin:
            yield begin, end - begin
