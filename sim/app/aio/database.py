"""Sessions of SQLAlchemy's asyncio extension with a simulated database.

SQLAlchemy calls its driver from a greenlet of its own, in which `await_` hands a future to the
coroutine that waits. A statement runs in a thread of the loop's `IoThreads`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy.util import concurrency

from sim.app.aio.loop import SimulatedLoop
from sim.app.seams.runtime import RUNTIME
from sim.app.sql.drivers.sessions import Connection, asks_server
from sim.app.sql.errors import SqlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sim.app.sql.drivers.driver import Driver
    from sim.app.sql.transactions.answers import Answer
    from sim.app.sql.transactions.database import Database

_await: Any = getattr(concurrency, "await_", None) or concurrency.await_only


class AsyncConnection(Connection):
    """A session whose statements are awaited."""

    def __init__(self, database: Database, driver: Driver, *, autocommit: bool = False) -> None:
        self._busy = False
        super().__init__(database, driver, autocommit=autocommit)

    def _awaited(self, label: str, work: Callable[[], Any]) -> Any:
        """Let the coroutine wait for blocking work; elsewhere the thread itself waits."""
        thread = RUNTIME.thread
        if thread is None or (self._busy and thread.aside is None):
            # The garbage collector, or the thread of `IoThreads` that works for this session.
            return work()
        if thread.aside is None:
            _await(asyncio.sleep(0))  # raises SQLAlchemy's own MissingGreenlet
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)  # noqa: S101 - no other runs in a simulated thread
        if self._busy:
            raise self.driver.interface_error(
                "cannot perform operation: another operation is in progress"
            )
        RUNTIME.wait(label, blocks=False)

        def run() -> Any:
            try:
                return work()
            finally:
                self._busy = False
                if self.closed:
                    self._leave()

        self._busy = True
        return _await(loop.io.future(run))

    def _connect(self) -> None:
        if not RUNTIME.is_free:
            self._awaited("connect", lambda: RUNTIME.sleep(self.driver.connect_s))

    def _answer(self, sql: str, parameters: Mapping[str, Any]) -> Answer:
        statement = super()._answer
        found: Answer = self._awaited(self._label(sql), lambda: statement(sql, parameters))
        return found

    def _label(self, sql: str) -> str:
        if asks_server(sql):
            return "ask server"
        try:
            statement = self.database.statement(sql)
        except SqlError:
            # The server says so, after the round trip.
            return "statement"
        table = f" {statement.tables[0]}" if statement.tables else ""
        return f"{statement.kind}{table}"

    def commit(self) -> None:
        """Commit what is under way."""
        if self._transaction is not None:
            self._awaited("commit", super().commit)

    def rollback(self) -> None:
        """Roll back what is under way."""
        if self._transaction is not None:
            self._awaited("rollback", super().rollback)

    def ping(self, *_args: Any, **_options: Any) -> None:
        """Ask whether the server is up: takes one round trip."""
        self._awaited("ping", lambda: None)

    def terminate(self) -> None:
        """Drop the session; the server rolls back once the statement under way is over."""
        self.closed = 1
        if not self._busy:
            self._leave()

    close = terminate

    def _leave(self) -> None:
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.leave()
