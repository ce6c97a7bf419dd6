"""`time` and `datetime` on simulated time, for simulated threads only.

time-machine redirects the functions that read the wall clock, in C, so the order of imports does
not matter. Sleeping and the monotonic clocks are replaced by name, in `time` and in every module
that already has a reference (`sweep`).
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from sim.app.seams.runtime import RUNTIME, foreign_modules

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES: Final = (
    "sleep",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "thread_time",
    "thread_time_ns",
)
REAL: Final[dict[str, Callable[..., Any]]] = {name: getattr(time, name) for name in _NAMES}
BOOT_S: Final = 10_000.0
"""Start of the monotonic clock; not 0, because the machine was running before."""


class _Traveller:
    """The object that time-machine's C code asks for the time."""

    _destination_tzname = None

    def __init__(self, original_time_ns: Callable[[], int]) -> None:
        self._original = original_time_ns

    def time_ns(self) -> int:
        """Nanoseconds since 1970."""
        if RUNTIME.thread is None:
            return self._original()
        return round(RUNTIME.now_s * 1e9)


def sleep(seconds: float) -> None:
    """Stand in for `time.sleep`."""
    if RUNTIME.thread is None:
        REAL["sleep"](seconds)
        return
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    RUNTIME.wait("sleep")
    RUNTIME.sleep(seconds)
    RUNTIME.go_on()


def _now_s() -> float:
    assert RUNTIME.env is not None  # noqa: S101 - only asked by simulated threads
    return BOOT_S + RUNTIME.env.now


def _seconds(real: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: real() if RUNTIME.thread is None else _now_s()


def _nanoseconds(real: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: real() if RUNTIME.thread is None else int(_now_s() * 1e9)


STAND_INS: Final[dict[str, Callable[..., Any]]] = {
    name: sleep if name == "sleep" else (_nanoseconds if name.endswith("_ns") else _seconds)(real)
    for name, real in REAL.items()
}


def install() -> None:
    """Redirect the clocks of this process permanently."""
    import _time_machine  # noqa: PLC0415 - an extra that only applications need
    import time_machine  # noqa: PLC0415

    original = _time_machine.original_time_ns
    traveller: Any = _Traveller(original)
    time_machine.traveller_stack.append(traveller)
    _time_machine.patch()
    # The C code of libuuid reads another clock.
    untyped: Any = uuid
    untyped._generate_time_safe = None
    untyped._UuidCreate = None
    for name, stand_in in STAND_INS.items():
        setattr(time, name, stand_in)
    sweep()


def sweep() -> int:
    """Replace the references in modules; return the number of replaced references."""
    by_id = {id(real): STAND_INS[name] for name, real in REAL.items()}
    found = 0
    for module_name, module in foreign_modules():
        if module_name == "time":
            continue
        for name, value in list(getattr(module, "__dict__", {}).items()):
            stand_in = by_id.get(id(value))
            if stand_in is not None:
                setattr(module, name, stand_in)
                found += 1
    return found
