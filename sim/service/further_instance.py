"""The second process of a service, as the first process sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sim.network.exchange import Exchange
    from sim.stations.connection_pool import ConnectionPool
    from sim.stations.worker_pool import WorkerPool


class FurtherInstance(Protocol):
    """Another process of the service on the same machine, database and Redis."""

    pool: ConnectionPool

    @property
    def busy(self) -> bool:
        """Whether any request or task of its own is under way."""
        ...

    @property
    def retiring(self) -> bool:
        """Whether it takes no requests any more and ends soon."""
        ...

    def workers_or(self, first: WorkerPool[Exchange]) -> WorkerPool[Exchange]:
        """Choose whose threads answer the next request."""
        ...

    def set_admissions_per_min(self, rate: int) -> None:
        """Change the serving rate of this process."""
        ...

    def retire(self) -> None:
        """Take no more requests, and end when those under way have been answered."""
        ...
