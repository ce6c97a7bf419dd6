"""The only source of time in the service."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time; nothing in the service asks anyone else."""

    def now(self) -> float:
        """Seconds since the epoch (greater than 0), never going backwards."""
        ...


def to_ms(time_s: float) -> int:
    """Whole epoch milliseconds, as the database columns and the incident's Redis scores hold."""
    return int(time_s * 1000.0)
