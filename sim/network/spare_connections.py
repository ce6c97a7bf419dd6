"""The connections of one user's HTTP client whose dials outlive their requests.

A dial of Go's net/http goes on after its request has timed out (transport.go, `getConn`, Go 1.23
and later: "The dial should proceed even if the request is canceled"). What it connects is given to
the request that waits then, or kept idle for the next one (`dialConnFor`, `tryPutIdleConn`). The
next request meanwhile dials as well. So a client that gives up and asks again at once has many
dials under way, and in the end several connections, most of them idle: they take the places that
the service has for connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.network.connection import REQUEST_TIMEOUT, Connection

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Thread, Waiter
    from sim.network.connector import Connector

_MOST_IDLE: Final = 6
"""k6 1.8: MaxIdleConnsPerHost is batchPerHost, 6 (internal/js/runner.go, lib/options.go)."""


class SpareConnections:
    """Connections that a user has dialled and keeps beside the connection in use."""

    __slots__ = ("_connector", "_dials", "_env", "_idle", "_patience_s", "_wanting")

    def __init__(self, env: Environment, connector: Connector, patience_s: float) -> None:
        self._env = env
        self._connector = connector
        self._patience_s = patience_s
        self._idle: list[Connection] = []
        self._dials: dict[Thread, None] = {}
        self._wanting: Waiter | None = None

    def connect(self) -> Connection | str:
        """Return an open connection, or why there is none; blocks the current thread meanwhile."""
        while self._idle:
            # The one that came last, as Go's transport has it.
            connection = self._idle.pop()
            if connection.open:
                return connection
        env = self._env
        waiter = self._wanting = env.waiter()
        self._dials[env.spawn("dial", lambda: self._dial(waiter))] = None
        timer = env.call_in(self._patience_s, lambda: waiter.wake(REQUEST_TIMEOUT))
        try:
            found: Connection | str = waiter.wait()
        except BaseException:
            waiter.done = True
            raise
        finally:
            timer.cancel()
            self._wanting = None
        return found

    def close(self) -> None:
        """End the dials under way, and close what is idle."""
        for dial in self._dials:
            dial.kill()
        self._dials.clear()
        for connection in self._idle:
            self._connector.close(connection)
        self._idle.clear()

    def _dial(self, own: Waiter) -> None:
        thread = self._env.current
        assert thread is not None  # noqa: S101 - this is the dial's own thread
        connection = Connection()
        reason = self._connector.dial(connection)
        if thread not in self._dials:
            # Connected at the very moment at which its client ended.
            self._connector.close(connection)
            return
        del self._dials[thread]
        if reason is not None:
            own.wake(reason)
        elif not own.wake(connection) and not self._is_wanted(connection):
            self._keep(connection)

    def _is_wanted(self, connection: Connection) -> bool:
        """Give it to a later request that waits for one; return whether there was any."""
        return self._wanting is not None and self._wanting.wake(connection)

    def _keep(self, connection: Connection) -> None:
        self._idle = [other for other in self._idle if other.open]
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            self._connector.close(connection)
