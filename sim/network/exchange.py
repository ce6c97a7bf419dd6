"""A request and its answer, between a user of the load and the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.http import Request, Response
    from sim.kernel.environment import Waiter
    from sim.network.connection import Connection


class Exchange:
    """One request on its way through the service."""

    __slots__ = (
        "body_bytes",
        "connection",
        "endpoint",
        "noise",
        "request",
        "response",
        "waiter",
    )

    def __init__(
        self, endpoint: str, request: Request, connection: Connection, waiter: Waiter, noise: float
    ) -> None:
        self.endpoint = endpoint
        self.request = request
        self.connection = connection
        self.waiter = waiter
        self.noise = noise
        """Factor on the service's work for this request, drawn from the user's own stream."""
        self.response: Response
        self.body_bytes: float
        """Size of the response's body, as it would be at full size."""
