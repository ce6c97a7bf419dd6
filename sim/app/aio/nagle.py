"""Answers whose second part waits for the acknowledgement of the first.

A server that writes head and body of an answer apart, on a socket without TCP_NODELAY, sends the
body only once the client's kernel has acknowledged the head (Nagle's algorithm, RFC 896). Linux
acknowledges at once, but for a client that sent its request within 40 ms of the answer before: from
such a client it expects the next request soon, which could carry the acknowledgement, and so it
waits for 40 ms (net/ipv4/tcp_output.c, `tcp_event_data_sent`; TCP_ATO_MIN and TCP_DELACK_MIN in
include/net/tcp.h; RFC 1122, 4.2.3.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.network.connection import Connection
    from sim.network.exchange import Exchange

SOON_S: Final = 0.04
ACKNOWLEDGED_AFTER_S: Final = 0.044
"""Timed on the loopback device, Linux 6.18 with 250 ticks a second: 40 to 48 ms, median 43.9."""
_MOST_KNOWN: Final = 100_000


class AnswersInTwoParts:
    """When each connection was answered last, and so how long its next answer's body waits."""

    def __init__(self, one_way_s: float) -> None:
        self._round_trip_s = 2.0 * one_way_s
        self._answered: dict[Connection, tuple[int, float]] = {}
        """Connection -> which opening of it, and when its last answer was sent."""
        self._soon: set[Exchange] = set()

    def arrived(self, exchange: Exchange, now_s: float) -> None:
        """A request arrives at the server."""
        connection = exchange.connection
        epoch, answered_s = self._answered.get(connection, (0, 0.0))
        since_s = now_s - answered_s - self._round_trip_s
        if epoch == connection.epoch and since_s < SOON_S:
            self._soon.add(exchange)

    def wait_s(self, exchange: Exchange) -> float:
        """How much later than its head the body of an answer is sent."""
        soon = exchange in self._soon
        self._soon.discard(exchange)
        if not exchange.body_bytes:
            return 0.0
        return self._round_trip_s + (ACKNOWLEDGED_AFTER_S if soon else 0.0)

    def sent(self, exchange: Exchange, now_s: float) -> None:
        """The last part of an answer is sent."""
        if len(self._answered) > _MOST_KNOWN:
            self._answered.clear()
        connection = exchange.connection
        self._answered[connection] = connection.epoch, now_s

    def forget(self) -> None:
        """The service is gone, and its connections with it."""
        self._answered.clear()
        self._soon.clear()
