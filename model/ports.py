"""Interfaces that the service needs: threads, database, broker and log.

There is no interface for Redis: the service gets a `redis.Redis`, or an object that answers the
same commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import CursorResult, Executable


class Event(Protocol):
    """The part of `threading.Event` that the scheduler waits with."""

    def wait(self, timeout: float | None = None) -> bool:
        """Block until set or for `timeout` seconds; True if set."""
        ...

    def set(self) -> None:
        """Wake every thread that waits."""
        ...

    def clear(self) -> None:
        """Make the event not set."""
        ...

    def is_set(self) -> bool:
        """Tell whether it is set."""
        ...


class Runtime(Protocol):
    """Threads, as the service may use them."""

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Run `target` on a thread of its own."""
        ...

    def submit(self, task: Callable[[], None]) -> None:
        """Queue `task` for the asynchronous executor; returns at once. Tasks never raise."""
        ...

    def event(self) -> Event:
        """Make an event that threads of this runtime can wait for."""
        ...


class Connection(Protocol):
    """The part of `sqlalchemy.Connection` that is used.

    Of the result the service uses `first()`, `all()`, `rowcount` (UPDATE) and
    `inserted_primary_key` (INSERT of one row), and of a row its values by position and name.
    """

    def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Run one statement in the transaction."""
        ...


class Database(Protocol):
    """A pool of connections."""

    def begin(self, *, read_only: bool = False) -> AbstractContextManager[Connection]:
        """Borrow one connection for one transaction.

        Commits on a clean exit and rolls back on an exception. Raises `errors.PoolTimeoutError`
        if no connection gets free in time, `errors.DeadlockError` and other `DatabaseError`s when
        the database refuses a statement or the commit.
        """
        ...


class Broker(Protocol):
    """The message broker that receives events (Kafka)."""

    def send(self, topic: str, payload: str) -> None:
        """Deliver one event; blocks. Raises `errors.BrokerUnavailableError`."""
        ...


class ExceptionLog(Protocol):
    """Receives each exception that the service logs with a stack trace."""

    def exception(self, logger: str, error: BaseException) -> None:
        """Log `error` under the name `logger`."""
        ...
