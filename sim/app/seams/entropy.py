"""`random`, `secrets`, `uuid` and `os.urandom` from the run's seed, for simulated threads only."""

from __future__ import annotations

import os
import random
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

from sim.app.seams.runtime import RUNTIME, foreign_modules

if TYPE_CHECKING:
    from types import FrameType

_URANDOM: Final = os.urandom
_NODE: Final = 0x0242AC110002
_bytes = random.Random(0)


def urandom(size: int) -> bytes:
    """Stand in for `os.urandom`."""
    if not RUNTIME.simulates or _is_imported():
        return _URANDOM(size)
    return _bytes.randbytes(size)


def _is_imported() -> bool:
    """Whether the caller is a library that is being imported: once in a process, not in each run.

    Its bytes must not be taken from those of the run.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(RUNTIME.roots):
            return False
        if code.co_name == "<module>":
            return True
        frame = frame.f_back
    return False


def install() -> None:
    """Replace the source of random numbers of this process permanently."""
    os.urandom = urandom
    untyped: Any = random
    untyped._urandom = urandom
    for name, module in foreign_modules():
        if name in {"os", "posix"}:
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is _URANDOM:
                setattr(module, attribute, urandom)


def seed(number: int) -> None:
    """Start the random numbers again, from the seed of a run."""
    _bytes.seed(f"{number}/urandom")
    random.seed(f"{number}/random")
    untyped: Any = uuid
    untyped._node = _NODE
    untyped._last_timestamp = None
