"""Memory of the server's connections; it depends on how long each connection is silent."""

from __future__ import annotations

from typing import Final, Protocol

CLIENT_BYTES: Final = 2_260
"""Memory of a connection that has been silent for some seconds."""
NEW_CLIENT_BYTES: Final = 15_360
"""Further memory of a new connection: reply buffer of 16 KB at first, 1 KB later."""
NEW_CLIENT_S: Final = 5.0
"""reply_buffer_peak_reset_time."""
QUERY_BUFFER_BYTES: Final = 20_480
"""The query buffer of a connection that has just sent a command."""
QUERY_BUFFER_S: Final = 2.0
"""Silence after which the query buffer is freed (clientsCronResizeQueryBuffer)."""


class OpenConnection(Protocol):
    """A connection with the times of its opening and of its last command."""

    opened_s: float
    active_s: float


class ClientMemory:
    """The memory of all connections; kept in the order of shrinking, so no sum visits them all."""

    __slots__ = ("_latest", "_new", "_open", "_sending")

    def __init__(self) -> None:
        self._open = 0
        # Connections in the order of their opening, and in the order of their last command.
        self._new: dict[OpenConnection, None] = {}
        self._sending: dict[OpenConnection, None] = {}
        self._latest: OpenConnection | None = None

    def opened(self, connection: OpenConnection) -> None:
        """A connection was opened; this also counts as a sent command."""
        self._open += 1
        self._new[connection] = None
        self.sent(connection)

    def sent(self, connection: OpenConnection) -> None:
        """A connection has sent a command."""
        if connection is not self._latest:
            self._latest = connection
            self._sending.pop(connection, None)
            self._sending[connection] = None

    def closed(self, connection: OpenConnection) -> None:
        """A connection was closed."""
        self._open -= 1
        self._new.pop(connection, None)
        self._sending.pop(connection, None)
        if connection is self._latest:
            self._latest = None

    def bytes_at(self, now_s: float) -> int:
        """Bytes of all connections at `now_s`; `now_s` never decreases."""
        new, sending = self._new, self._sending
        while new and now_s - (first := next(iter(new))).opened_s >= NEW_CLIENT_S:
            del new[first]
        while sending and now_s - (first := next(iter(sending))).active_s >= QUERY_BUFFER_S:
            del sending[first]
            self._latest = None
        return (
            self._open * CLIENT_BYTES
            + len(new) * NEW_CLIENT_BYTES
            + len(sending) * QUERY_BUFFER_BYTES
        )
