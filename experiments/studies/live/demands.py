"""Processor time that each real program needs per request.

The service demand law of operational analysis (P. Denning and J. Buzen, 1978): a program's demand
is its busy time in a window, divided by the requests that ended in the window.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from experiments.interop.k6_output import Request
from experiments.interop.programs import main_threads_s, processor_s

SERVICE: Final = "service"
MAIN_THREADS: Final = "main threads of the service"
"""The main threads of its worker processes, which are a part of the service's time."""
_EVERY_S: Final = 0.5
_START_S: Final = 3.0
"""Left out at the start of a load: programs start and fill their caches."""


class Demands(NamedTuple):
    """Processor seconds per request of the four programs."""

    generator: float
    service: float
    database: float
    redis: float


class Account(NamedTuple):
    """Processor time of each program up to a moment of wall time."""

    time_s: float
    processor_s: dict[str, float]


@contextmanager
def accounts() -> Iterator[list[Account]]:
    """The accounts of the programs that run inside the block, taken twice a second."""
    taken: list[Account] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EVERY_S):
            used_s = processor_s()
            used_s[MAIN_THREADS] = main_threads_s(SERVICE)
            taken.append(Account(time.time(), used_s))

    thread = threading.Thread(target=look, name="accounts", daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


def demands(taken: Sequence[Account], requests: Sequence[Request]) -> dict[str, float]:
    """Processor seconds per request of each program, in the middle of a load.

    Args:
        taken: accounts of the programs.
        requests: requests of the load, their times in seconds since 1970.

    Returns:
        program -> seconds; empty where nothing could be measured.
    """
    if not requests:
        return {}
    first_s, last_s = requests[0].time_s + _START_S, requests[-1].time_s
    inside = [account for account in taken if first_s <= account.time_s <= last_s]
    if len(inside) < 2:  # noqa: PLR2004 - a window has two ends
        return {}
    begin, end = inside[0], inside[-1]
    count = sum(begin.time_s <= request.time_s <= end.time_s for request in requests)
    if not count:
        return {}
    return {
        name: (used_s - begin.processor_s[name]) / count
        for name, used_s in end.processor_s.items()
        if name in begin.processor_s
    }


def used_for(
    taken: Sequence[Account], requests: Sequence[Request], program: str
) -> tuple[float, int] | None:
    """Processor time of a program under a load, and the requests that ended meanwhile.

    From just before the first request to the last account of the program. None where it was not
    measured.
    """
    if not requests:
        return None
    first_s = min(request.time_s - request.duration_ms * 1e-3 for request in requests)
    found = [account for account in taken if program in account.processor_s]
    before = [account for account in found if account.time_s <= first_s]
    if not before or found[-1].time_s <= first_s:
        return None
    used_s = found[-1].processor_s[program] - before[-1].processor_s[program]
    return used_s, sum(request.time_s <= found[-1].time_s for request in requests)
