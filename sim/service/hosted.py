"""The interface between a user of the load and any simulated service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sim.kernel.environment import Deadlines
    from sim.network.connector import Connector
    from sim.network.exchange import Exchange
    from sim.service.costs import Costs
    from sim.world import World


class HostedService(Protocol):
    """A service behind its socket."""

    world: World
    costs: Costs
    connector: Connector
    client_deadlines: Deadlines
    one_way_s: float
    """Time of a message between the load generator and the service."""

    def submit(self, exchange: Exchange) -> None:
        """Take a request that was sent on its connection. Does not block."""
        ...
