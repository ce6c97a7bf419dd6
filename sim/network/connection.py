"""A client's connection to the service, as both ends and the kernels between them know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.network.local_ports import LocalPort

REQUEST_TIMEOUT: Final = "RequestTimeout"


class Connection:
    """One client's keep-alive connection, open or not."""

    __slots__ = (
        "accepted",
        "epoch",
        "half_open",
        "idle_entries",
        "idle_since_s",
        "on_accepted",
        "open",
        "port",
        "requests",
    )

    def __init__(self) -> None:
        self.open = False
        self.accepted = False
        self.requests = 0
        self.idle_since_s = -1.0
        """Since when no request is under way; negative while one is."""
        self.on_accepted: Callable[[], None] | None = None
        """A request that was sent before the service accepted the connection."""
        self.half_open = False
        """The client is connected, and the server has not completed the handshake."""
        self.epoch = 0
        """Counts how often it was opened."""
        self.idle_entries = 0
        """How often the service has it in its list of idle connections; only the last counts."""
        self.port: LocalPort | None = None
