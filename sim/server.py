"""The application server: connector, worker threads, and the real service behind its ports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from model.service import TicketService
from sim.charges import ChargedPool, ChargedRedis, Charges, Task
from sim.clock import SimulatedBroker, SimulatedClock, SimulatedEvent
from sim.connector import Connector
from sim.database import SimulatedDatabase
from sim.kernel import Deadlines, Thread
from sim.stations.connection_pool import ConnectionPool
from sim.stations.single_server import SingleServer
from sim.stations.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.http import Response
    from sim.costs import Costs
    from sim.host import Host
    from sim.kernel import Environment
    from sim.random_streams import Streams
    from sim.redis import RedisServer
    from sim.user import Exchange
    from sim.world import World

# Tomcat closes the connection after these (AbstractHttp11Processor.statusDropsConnection).
_CLOSING_STATUSES: Final = frozenset({400, 408, 411, 413, 414, 500, 501, 503})
_SIGNING_KEY: Final = b"0123456789abcdef0123456789abcdef"
_SCHEDULER_FACTOR: Final = 1.0


class SimulatedRuntime:
    """`model.ports.Runtime`: the service's own threads on simulated time."""

    def __init__(self, env: Environment, async_threads: int) -> None:
        self._env = env
        self.threads: list[Thread] = []
        self.executor: WorkerPool[Callable[[], None]] = WorkerPool(
            env, "async", async_threads, self._run
        )

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Start a thread of its own."""
        thread = self._env.spawn(name, target)
        thread.local = Task(name, _SCHEDULER_FACTOR)
        self.threads.append(thread)

    def submit(self, task: Callable[[], None]) -> None:
        """Run a task on the asynchronous executor."""
        self.executor.submit(task)

    def event(self) -> SimulatedEvent:
        """Make an event."""
        return SimulatedEvent(self._env)

    def _run(self, task: Callable[[], None]) -> None:
        thread = self._env.current
        assert thread is not None  # noqa: S101 - called by the executor's threads
        thread.local = Task("async", _SCHEDULER_FACTOR)
        task()


class Server:
    """One instance of the service with its machine, database and Redis."""

    def __init__(
        self,
        env: Environment,
        world: World,
        costs: Costs,
        host: Host,
        redis: RedisServer,
        streams: Streams,
    ) -> None:
        self._env = env
        self.world = world
        self.costs = costs
        self.host = host
        self.redis = redis
        self.one_way_s = world.network.one_way_s
        self.process = host.cpu.process()
        self.database_process = host.cpu.process()
        self.redis_process = host.cpu.process()
        self.charges = Charges(
            env, costs, self.process, self.database_process, world.database.speed
        )
        self.pool = ConnectionPool(
            env, world.pool.connections, world.pool.timeout_s, world.pool.slowdown
        )
        self.database = SimulatedDatabase(
            env=env,
            pool=ChargedPool(self.pool, self.charges),
            charge=self.charges,
            lock_wait_timeout_s=world.database.lock_wait_timeout_s,
        )
        self.redis_station = SingleServer(env)
        turn = ChargedRedis(self.charges, costs, self.redis_station, self.redis_process)
        self.runtime = SimulatedRuntime(env, world.service.async_threads)
        ids = streams.stream("request ids")
        self.service = TicketService(
            policy=world.policy,
            clock=SimulatedClock(env, world.catalogue.opening_epoch_s),
            redis=redis.client(turn.before_command),
            database=self.database,
            broker=SimulatedBroker(env, world.broker, self.charges.settle),
            runtime=self.runtime,
            log=self.charges,
            signing_key=_SIGNING_KEY,
            new_id=lambda: f"{ids.bits():016x}{ids.bits():016x}",
        )
        self.connector = Connector(
            env, world.service, world.generator, world.network, streams.stream("network")
        )
        self.client_deadlines = Deadlines(env, world.generator.request_timeout_s)
        self.workers: WorkerPool[Exchange] = WorkerPool(
            env, "worker", world.service.threads, self._serve
        )
        self._served: dict[str, int] = {}
        self._sizes: dict[int, tuple[Any, int]] = {}

    def start(self) -> None:
        """Start the service's scheduler."""
        self.service.start()

    def submit(self, exchange: Exchange) -> None:
        """Take a request that has arrived on its connection. Does not block."""
        if not self.connector.listening:
            exchange.waiter.wake(None)
            return
        self.connector.begin_request(
            exchange.connection, lambda: self.workers.submit(exchange)
        )

    def _serve(self, exchange: Exchange) -> None:
        thread = self._env.current
        assert thread is not None  # noqa: S101 - called by the worker threads
        endpoint = exchange.endpoint
        served = self._served[endpoint] = self._served.get(endpoint, 0) + 1
        task = Task(endpoint, exchange.noise * self.costs.warm_up_factor(endpoint, served))
        thread.local = task
        self.charges.request(task)
        response = self.service.handle(exchange.request)
        self.charges.response(task, self.response_bytes(response))
        self.charges.settle()
        exchange.response = response
        if not exchange.abandoned:
            self.connector.end_request(exchange.connection, response.status in _CLOSING_STATUSES)
        exchange.waiter.wake(response)

    def response_bytes(self, response: Response) -> int:
        """Return the size of the body as the service would write it."""
        body = response.body
        if body is None:
            return 0
        known = self._sizes.get(id(body))
        if known is not None and known[0] is body:
            return known[1]
        size = len(json.dumps(body, default=list))
        return size

    def kill(self) -> None:
        """The process is gone: every request under way is lost, nobody listens any more."""
        self.connector.stop_listening()
        for exchange in self.workers.clear():
            exchange.waiter.wake(None)
        for thread in self.runtime.threads:
            thread.kill()
