"""A connection to the database that costs nothing: an operator's, beside the service's pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.database import StatementWork
    from sim.kernel.environment import Environment


class NoPool:
    """There is always a connection."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def acquire(self) -> float:
        """Return the time of the borrow."""
        return self._env.now

    def release(self, borrowed_s: float) -> None:
        """Give the connection back."""


class NoCharge:
    """Statements take no time."""

    def begin(self, read_only: bool) -> None:
        """A transaction starts."""

    def statement(self, work: StatementWork) -> None:
        """A statement has run."""

    def end(self, committed: bool, wrote: bool) -> None:
        """A transaction ends."""
