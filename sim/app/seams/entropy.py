"""`random`, `secrets`, `uuid` and `os.urandom` from the run's seed, for simulated threads only."""

from __future__ import annotations

import os
import random
import uuid
from typing import Any, Final

from sim.app.seams.runtime import RUNTIME, foreign_modules

_URANDOM: Final = os.urandom
_NODE: Final = 0x0242AC110002
_bytes = random.Random(0)


def urandom(size: int) -> bytes:
    """Stand in for `os.urandom`."""
    return _bytes.randbytes(size) if RUNTIME.simulates else _URANDOM(size)


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
