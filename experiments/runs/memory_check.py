"""Refuses a run whose users may need more memory than the machine has left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from experiments.config.cross_checks import virtual_users
from experiments.errors import TooLittleMemoryError
from experiments.runs.memory import available_bytes
from sim.customers.customer_function import customer_function
from sim.customers.parking import Parking
from sim.load.settings import loads_of
from sim.world import World

BLOCKED_PERSON_BYTES: Final = 14_000
"""Of each person at work whose customer function blocks, as measured (docs/performance.md)."""
PARKED_PERSON_BYTES: Final = 5_000
"""Of each person whose customer function parks, as measured, the end of the run included."""
PROCESS_BYTES: Final = 120_000_000
"""Of a process before the first person comes, with the libraries of the command."""
_GB: Final = 1e9


def memory_warning(worlds: Iterable[World], processes: int) -> str:
    """The warning, in one line, if worlds may need more memory than is available.

    Args:
        worlds: as simulated, so scaled; the one that needs the most memory counts.
        processes: how many of them run at once on this machine.

    Returns:
        the warning; empty if there is enough, or if the machine does not tell its memory.
    """
    available = available_bytes()
    largest = max(worlds, key=_bytes_of_people, default=None)
    if available is None or largest is None:
        return ""
    needed = processes * (_bytes_of_people(largest) + PROCESS_BYTES)
    if needed <= available:
        return ""
    fit = max(0, int((available / processes - PROCESS_BYTES) / _person_bytes(largest)))
    where = "one process" if processes == 1 else f"each of {processes} processes"
    return (
        f"{virtual_users(largest):,} people at once in {where} may need {needed / _GB:.1f} GB of "
        f"memory, {available / _GB:.1f} GB are available, enough for about {_rounded(fit):,} "
        "people; --scale or fewer --workers need less"
    )


def check_memory(worlds: Iterable[World], processes: int, *, force: bool) -> str:
    """Refuse worlds that may need more memory than is available; arguments as `memory_warning`.

    Returns:
        with `force` the warning instead; empty if there is enough.

    Raises:
        TooLittleMemoryError: there is not enough.
    """
    warning = memory_warning(worlds, processes)
    if warning and not force:
        raise TooLittleMemoryError(f"{warning}, --force tries it all the same")
    return warning


def _bytes_of_people(world: World) -> int:
    return virtual_users(world) * _person_bytes(world)


def _person_bytes(world: World) -> int:
    scripts = [load.script or world.customer.script for load in loads_of(world.load)]
    parks = all(isinstance(customer_function(script), Parking) for script in scripts)
    return PARKED_PERSON_BYTES if parks else BLOCKED_PERSON_BYTES


def _rounded(people: int) -> int:
    """Two digits: the estimate is no better."""
    digits = max(0, len(str(people)) - 2)
    unit = int(10**digits)
    return people // unit * unit
