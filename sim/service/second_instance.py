"""A second process of the service beside the first, on the same machine, database and Redis.

Requests go to the two in turn, as behind a load balancer, or all to the first. The second has a
scheduler of its own in any case: both sweep, promote and retry what is in the outbox, as
instances of a service that elects no leader do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.service.charges import ChargedPool, ChargedRedis, end_threads
from sim.stations.worker_pool import WorkerPool

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.network.exchange import Exchange
    from sim.service.host import Server


_LOOK_S: Final = 0.1


class SecondInstance:
    """Started when it is made."""

    def __init__(self, env: Environment, server: Server, *, takes_requests: bool) -> None:
        self._env = env
        self._server = server
        self._retiring = False
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
        turn.watch, turn.link = server.redis_turn.watch, server.redis_turn.link
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
        if self._retiring:
            return first
        self._turn += self._takes_requests
        return self._workers if self._turn % 2 else first

    def set_admissions_per_min(self, rate: int) -> None:
        """Change the serving rate of this process."""
        self._service.set_admissions_per_min(rate)

    @property
    def retiring(self) -> bool:
        """Whether it takes no requests any more and ends soon."""
        return self._retiring

    def retire(self) -> None:
        """Take no more requests, and end when those under way have been answered."""
        self._retiring = True
        self._service.stop()
        self._env.spawn("second instance ends", self._end_when_idle)

    def _end_when_idle(self) -> None:
        while self.busy or self.pool.active:
            self._env.sleep(_LOOK_S)
        self._runtime.kill()
        end_threads(self._workers)
        self._server.second = None

    @property
    def busy(self) -> bool:
        """Whether any request or task of its own is under way."""
        return self._workers.busy > 0 or self._runtime.executor.busy > 0
