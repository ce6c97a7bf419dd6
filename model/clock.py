"""The only source of time in the service."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time; the service has no other source of time."""

    def now(self) -> float:
        """Seconds since the epoch; greater than 0, and never decreasing."""
        ...


def to_ms(time_s: float) -> int:
    """Whole epoch milliseconds, as the database columns and the incident's Redis scores hold."""
    return int(time_s * 1000.0)
