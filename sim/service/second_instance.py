"""A second process of the service beside the first, on the same machine, database and Redis.

Requests go to the two in turn, as behind a load balancer, or all to the first. The second has a
scheduler of its own in any case: both sweep, promote and retry what is in the outbox, as
instances of a service that elects no leader do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.service.charges import ChargedPool, ChargedRedis
from sim.stations.worker_pool import WorkerPool

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.network.exchange import Exchange
    from sim.service.host import Server


class SecondInstance:
    """Started when it is made."""

    def __init__(self, env: Environment, server: Server, *, takes_requests: bool) -> None:
        self._server = server
        self._takes_requests = takes_requests
        self._turn = 0
        holds = (server.stalls.hold,) if server.stalls.wanted else ()
        self._charges = server.charges.of_another_instance(holds)
        self.pool = server.new_pool()
        database = server.database.through(ChargedPool(self.pool, self._charges), self._charges)
        turn = ChargedRedis(
            env,
            self._charges,
            server.costs,
            server.redis_process,
            server.world.service.redis_timeout_s,
        )
        turn.watch, turn.way = server.redis_turn.watch, server.redis_turn.way
        self._runtime = server.new_runtime()
        self._service = server.new_service(
            self._runtime, server.redis.client(turn.before_command), database, self._charges
        )
        self._workers: WorkerPool[Exchange] = WorkerPool(
            env, "worker of the second", server.world.service.threads, self._serve
        )
        self._service.start()

    def _serve(self, exchange: Exchange) -> None:
        self._server.serve(exchange, self._service, self._charges)

    def workers_or(self, first: WorkerPool[Exchange]) -> WorkerPool[Exchange]:
        """Choose whose threads answer the next request."""
        self._turn += self._takes_requests
        return self._workers if self._turn % 2 else first

    @property
    def busy(self) -> bool:
        """Whether any request or task of its own is under way."""
        return self._workers.busy > 0 or self._runtime.executor.busy > 0
