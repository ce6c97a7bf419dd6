"""Memory that the server takes for its connections, by how long each has been silent."""

from __future__ import annotations

from typing import Final, Protocol

CLIENT_BYTES: Final = 2_260
"""A connection that has been silent for some seconds."""
NEW_CLIENT_BYTES: Final = 15_360
"""What its first reply buffer (16 KB) takes more than the later one (1 KB)."""
NEW_CLIENT_S: Final = 5.0
"""reply_buffer_peak_reset_time."""
QUERY_BUFFER_BYTES: Final = 20_480
"""The query buffer of a connection that has just sent something."""
QUERY_BUFFER_S: Final = 2.0
"""Silence after which the query buffer is given back (clientsCronResizeQueryBuffer)."""


class OpenConnection(Protocol):
    """A connection of which is known when it was opened and when it sent something last."""

    opened_s: float
    active_s: float


class ClientMemory:
    """The sum over all connections, without looking at each: those that shrink next come first."""

    __slots__ = ("_latest", "_new", "_open", "_sending")

    def __init__(self) -> None:
        self._open = 0
        # In the order in which they were opened, and in which they last sent something.
        self._new: dict[OpenConnection, None] = {}
        self._sending: dict[OpenConnection, None] = {}
        self._latest: OpenConnection | None = None

    def opened(self, connection: OpenConnection) -> None:
        """A connection was opened, which also counts as its having sent something."""
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
        """Bytes of all connections at `now_s`, which never goes back."""
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
