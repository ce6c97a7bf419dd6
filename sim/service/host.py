"""The application server: connector, worker threads, and the real service behind its ports."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from model.errors import UnexpectedError
from model.http import Response, SeatList, to_json
from model.schema import METADATA, create_all, token_history
from model.service import CONTAINER_LOGGER, HANDLER_LOGGER, TicketService
from sim.database import SimulatedDatabase
from sim.kernel.environment import Deadlines, Thread
from sim.kernel.errors import BrokenServiceError, KernelError
from sim.kernel.race_search import Stalls
from sim.machines.redis_process import RedisProcess
from sim.network.connector import Connector
from sim.service.charges import ChargedPool, ChargedRedis, Charges, Task, end_thread, end_threads
from sim.service.costs import Costs, Factor, WarmUpTable
from sim.service.event_consumer import FailingListener
from sim.service.ports import SimulatedBroker, SimulatedClock, SimulatedEvent
from sim.service.service_class import new_service, start_service
from sim.stations.connection_pool import ConnectionPool
from sim.stations.monitor import Monitor
from sim.stations.worker_pool import WorkerPool
from sim.world import factor_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from model.scheduler import JobRun
    from sim.kernel.environment import Environment
    from sim.kernel.random_streams import Streams
    from sim.machines.cpu import Process
    from sim.machines.host import Host
    from sim.network.exchange import Exchange
    from sim.network.link import Link
    from sim.redis.server import RedisServer
    from sim.service.further_instance import FurtherInstance
    from sim.world import World

# Tomcat closes the connection after these (AbstractHttp11Processor.statusDropsConnection).
_CLOSING_STATUSES: Final = frozenset({400, 408, 411, 413, 414, 500, 501, 503})
# What a generation writes.
_HISTORY: Final = ("insert", token_history.name)
_SIGNING_KEY: Final = b"0123456789abcdef0123456789abcdef"
_IDLE_PERIOD_S: Final = 0.1
# What a thread that was woken does first: the end of a system call. It has its turn before.
_SWITCH_S: Final = 2e-6
# Of the runnable threads, those whose turn comes before one that is woken at their average.
_DUE_FIRST: Final = 0.5
# Tomcat's output buffer: a longer answer takes several writes. The first one into a socket that the
# client has closed succeeds and is answered by a reset; the next one fails.
_FIRST_WRITE_BYTES: Final = 8_192
# Field of `RequestsBefore` of each endpoint that has one.
_BEFORE: Final = {
    "POST /v1/token/generation": "generation",
    "GET /v1/token/check": "check",
    "GET /v1/concerts/{id}/available-dates": "dates",
    "GET /v1/concerts/{id}/available-seats": "seats",
}
# Endpoints that few requests use: those of everything else heat their code less.
_RARE: Final = frozenset({"POST /v1/concerts/{id}/booking", "POST /v1/bookings/{id}/payment"})
# Requests after which an endpoint's own code is as hot as the curve of the others says.
_RARE_UNTIL: Final = 5_000
# Scheduled jobs run a few times: their own code stays cold, what they share with requests is hot.
_MANY: Final = 10_000_000


class ClientGoneError(Exception):
    """An answer was written into a socket whose client has closed it."""


class SimulatedRuntime:
    """`model.ports.Runtime`: the service's own threads on simulated time."""

    def __init__(self, env: Environment, async_threads: int, factor: Factor) -> None:
        self._env = env
        self._factor = factor
        self.threads: list[Thread] = []
        self.executor: WorkerPool[Callable[[], None]] = WorkerPool(
            env, "async", async_threads, self._run
        )

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Start a thread of its own."""
        thread = self._env.spawn(name, target)
        thread.local = Task(name, self._factor)
        self.threads.append(thread)

    def submit(self, task: Callable[[], None]) -> None:
        """Run a task on the asynchronous executor."""
        self.executor.submit(task)

    def event(self) -> SimulatedEvent:
        """Make an event."""
        return SimulatedEvent(self._env)

    def kill(self) -> None:
        """End every thread where it is."""
        for thread in self.threads:
            end_thread(thread)
        end_threads(self.executor)

    def _run(self, task: Callable[[], None]) -> None:
        thread = self._env.current
        assert thread is not None  # noqa: S101 - called by the executor's threads
        thread.local = Task("async", self._factor)
        task()


class Server:
    """One instance of the service with its machine, database and Redis.

    `size` is the share of full size that the world has: what costs work per row or per byte costs
    1 / `size` times as much, and code is warm after `size` times as many requests.
    """

    def __init__(
        self,
        env: Environment,
        world: World,
        costs: Costs,
        host: Host,
        redis: RedisServer,
        streams: Streams,
        size: float,
    ) -> None:
        self._env = env
        self._size = size
        self.world = world
        self.costs = costs
        self.host = host
        self.redis = redis
        self.one_way_s = world.network.one_way_s + costs.request_wait_s / 2.0
        self.process = host.cpu.process()
        self.database_process = host.cpu.process()
        self.redis_process = RedisProcess(env, redis, host.cpu.process())
        self.charges = Charges(
            env,
            costs,
            self.process,
            self.database_process,
            world.database,
            1.0 / size,
            self._wake_up if world.host.run_queue else None,
            self._new_monitor if world.service.null_monitor else None,
        )
        self.pool = self.new_pool()
        self._charged_pool = ChargedPool(self.pool, self.charges)
        self.database = SimulatedDatabase(
            env,
            METADATA,
            lambda engine: create_all(engine, world.policy),
            pool=self._charged_pool,
            charge=self.charges,
            lock_wait_timeout_s=world.database.lock_wait_timeout_s,
        )
        self.redis_turn = ChargedRedis(
            env, self.charges, costs, self.redis_process, world.service.redis_timeout_s
        )
        self.clock = SimulatedClock(env, world.catalogue.opening_epoch_s)
        self.broker = SimulatedBroker(env, world.broker, self.charges.event)
        self.stalls = Stalls(env, world.search, streams.stream("stalls"))
        if self.stalls.wanted:
            self.charges.holds = (self.stalls.hold,)
        self._ids = streams.stream("request ids")
        self._listener_fails = streams.stream("listener").bernoulli(
            world.broker.listener_fails_probability
        )
        self._warm_up = WarmUpTable(costs.warm_up, warm=world.service.warm)
        self._forget_writes()
        self._build_service()
        self.connector = Connector(
            env, world.service, world.generator, world.network, streams.stream("network")
        )
        self.client_deadlines = Deadlines(env, world.generator.request_timeout_s)
        self.workers = self._new_workers()
        self.up = True
        self._handled = 0
        before = world.service.requests_before
        self._served = {
            endpoint: getattr(before, name) * size for endpoint, name in _BEFORE.items()
        }
        self._served_all = sum(self._served.values())
        if self.charges.written is not None:
            self.charges.written[_HISTORY] = round(before.generation * size)
        self._sizes: dict[tuple[str, int, str | None, int], int] = {}
        self.on_sweep: Callable[[JobRun], None] = lambda _run: None
        """Told of every run of the sweep; times in epoch seconds."""
        self.link: Link | None = None
        """Between it and the load generator, when something is the matter with that."""
        self.second: FurtherInstance | None = None
        self.make_second: Callable[[bool], FurtherInstance]
        """Starts a second process; the argument says whether it takes requests."""

    def _wake_up(self) -> None:
        """Let the time pass until a thread that was woken runs: others have their turns first."""
        cpu = self.host.cpu
        settings = self.world.host
        if settings.run_queue:
            self.process.compute(_SWITCH_S)
            return
        before = cpu.runnable
        if before < cpu.cores:
            return
        if settings.wakes_at_average:
            self._env.sleep(_DUE_FIRST * cpu.turns_s(settings.slice_s))
        else:
            self._env.sleep(settings.slice_s * before / cpu.cores)

    def _new_monitor(self) -> Monitor:
        """Of one process of the service."""
        return Monitor(self._env, self._wake_up)

    def _tell(self) -> None:
        """Wake another thread: a system call, at whose end the scheduler chooses who runs on."""
        if self.world.host.run_queue:
            self.process.compute(_SWITCH_S)

    def new_pool(self) -> ConnectionPool:
        """A connection pool as the config has it."""
        settings = self.world.pool
        return ConnectionPool(
            self._env,
            settings.connections,
            settings.timeout_s,
            settings.slowdown,
            barging=settings.barging,
            wake_up=self._wake_up,
            tell=self._tell,
        )

    def _forget_writes(self) -> None:
        """Begin with mapping code that has written nothing."""
        self.charges.written = None if self.world.service.warm else Counter()

    def _new_workers(self) -> WorkerPool[Exchange]:
        return WorkerPool(self._env, "worker", self.world.service.threads, self._serve)

    def _build_service(self) -> None:
        """The service's own objects: what a new process of it begins with."""
        self.runtime = self.new_runtime()
        self._redis_client = self.redis.client(self.redis_turn.before_command)
        self.service = self.new_service(
            self.runtime, self._redis_client, self.database, self.charges
        )
        self._listener: FailingListener | None = None
        if self._listener_fails:
            factor = self._warm_up.factor(0, _MANY, 1.0)
            self._listener = FailingListener(self._env, self.charges, factor)
            self.broker.deliver = self._listener.deliver

    def new_runtime(self) -> SimulatedRuntime:
        """Threads of one process of the service."""
        return SimulatedRuntime(
            self._env, self.world.service.async_threads, self._warm_up.factor(0, _MANY, 1.0)
        )

    def new_service(
        self,
        runtime: SimulatedRuntime,
        redis_client: Redis,
        database: SimulatedDatabase,
        charges: Charges,
    ) -> TicketService:
        """The service itself, on the ports of one process."""
        ids = self._ids
        return new_service(
            self.world.service.code,
            policy=self.world.policy,
            clock=self.clock,
            redis=redis_client,
            database=database,
            broker=self.broker,
            runtime=runtime,
            log=charges,
            signing_key=_SIGNING_KEY,
            new_id=lambda: f"{ids.bits():016x}{ids.bits():016x}",
            on_job=self._job_ran,
            opens_at_s=self._opens_at_s(),
        )

    def _opens_at_s(self) -> float:
        opens_after_s = self.world.catalogue.opens_after_s
        if opens_after_s is None:
            return 0.0
        load_begins_s = self.world.service.started_before_s
        return self.world.catalogue.opening_epoch_s + load_begins_s + opens_after_s

    def start(self) -> None:
        """Start the service's scheduler, and what the programs do when nobody asks."""
        start_service(self.world.service.code, self.service)
        self._env.spawn(
            "service background",
            lambda: self._idle_work(self.process, self.costs.jvm_background_cores, lambda: self.up),
        )
        self._env.spawn(
            "redis background",
            lambda: self._idle_work(
                self.redis_process.process,
                self.costs.redis_background_cores,
                lambda: self.redis.up,
            ),
        )

    def _idle_work(self, process: Process, cores: float, runs: Callable[[], bool]) -> None:
        """Use `cores` of the machine in small pieces, for as long as the run lasts."""
        share_s = cores * self._size * _IDLE_PERIOD_S
        while True:
            if runs():
                process.compute(share_s)
            self._env.sleep(_IDLE_PERIOD_S)

    def submit(self, exchange: Exchange) -> None:
        """Take a request that was sent on its connection. Does not block."""
        delay_s = 0.0 if self.link is None else self.link.delay_s()
        if delay_s > 0.0:
            self._env.call_in(delay_s, lambda: self._arrived(exchange))
        else:
            self._arrived(exchange)

    def _arrived(self, exchange: Exchange) -> None:
        if not exchange.connection.open:
            # It was cut, or the client gave up, while the request was on its way.
            self.connector.forget(exchange.connection)
            exchange.waiter.wake(None)
            return
        workers = self.workers
        if self.second is not None:
            workers = self.second.workers_or(workers)
        if self.connector.begin_request(exchange.connection):
            workers.submit(exchange)
        else:
            exchange.connection.on_accepted = lambda: workers.submit(exchange)

    def _serve(self, exchange: Exchange) -> None:
        self.serve(exchange, self.service, self.charges)

    def serve(self, exchange: Exchange, service: TicketService, charges: Charges) -> None:
        """Let a thread of one process of the service answer a request."""
        thread = self._env.current
        assert thread is not None  # noqa: S101 - called by the worker threads
        endpoint = exchange.endpoint
        self._handled += 1
        task = Task(endpoint, self._factor(endpoint, exchange.noise))
        thread.local = task
        charges.request(task)
        response = self._response_of(exchange, service, charges)
        exchange.body_bytes = body_bytes = self.response_bytes(endpoint, response)
        charges.response(task, body_bytes)
        charges.settle(task)
        gone = not exchange.connection.open
        if gone and body_bytes > _FIRST_WRITE_BYTES and self.world.service.logs_gone_clients:
            charges.exception(HANDLER_LOGGER, ClientGoneError(endpoint))
            charges.settle(task)
        exchange.response = response
        delay_s = 0.0 if self.link is None else self.link.delay_s()
        if delay_s > 0.0:
            self._env.call_in(delay_s, lambda: self._answer(exchange))
        else:
            self._answer(exchange)

    def _response_of(
        self, exchange: Exchange, service: TicketService, charges: Charges
    ) -> Response:
        """Call the service; what it raises is answered with 500, as its container would."""
        try:
            response = service.handle(exchange.request)
        except (KernelError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - code of the user's own may fail in any way
            unexpected = UnexpectedError(error)
            charges.exception(CONTAINER_LOGGER, unexpected)
            return Response(unexpected.status, unexpected.body(), unexpected.primary_cause())
        if not isinstance(response, Response):
            raise BrokenServiceError(
                f"{self.world.service.code}.handle returned {type(response).__name__} for "
                f"{exchange.endpoint}; allowed: a model.http.Response"
            )
        return response

    def _answer(self, exchange: Exchange) -> None:
        response = exchange.response
        self.connector.end_request(exchange.connection, response.status in _CLOSING_STATUSES)
        exchange.waiter.wake(response)

    def _factor(self, endpoint: str, noise: float) -> Factor:
        served = self._served[endpoint] = self._served.get(endpoint, 0.0) + 1.0
        self._served_all += 1.0
        size = self._size
        if endpoint in _RARE and served < _RARE_UNTIL * size and not self.world.service.warm:
            noise *= self.costs.rare_code_factor
        factors = self.world.service.factors
        if factors:
            noise *= factor_of(factors, endpoint)
        return self._warm_up.factor(int(served / size), int(self._served_all / size), noise)

    def response_bytes(self, endpoint: str, response: Response) -> float:
        """Return the size of the body, as it would be at full size.

        Bodies of one kind differ by a few digits: one of each kind is written out and measured.
        """
        body = response.body
        rows = len(body) if isinstance(body, SeatList) else -1
        kind = (endpoint, response.status, response.error, rows)
        size = self._sizes.get(kind)
        if size is None:
            size = self._sizes[kind] = len(to_json(body))
        return size / self._size if rows > 0 else size

    def _job_ran(self, run: JobRun) -> None:
        if run.name == "sweep":
            self.on_sweep(run)

    def start_second(self, *, takes_requests: bool) -> bool:
        """Start a second process beside this one; false if there is one already."""
        if self.second is not None:
            return False
        self.second = self.make_second(takes_requests)
        return True

    @property
    def busy(self) -> bool:
        """Whether any request or task is under way."""
        if self.second is not None and self.second.busy:
            return True
        return self.workers.busy > 0 or self.runtime.executor.busy > 0

    @property
    def used_s(self) -> float:
        """Processor time so far."""
        return self.process.used_s

    @property
    def borrowed(self) -> int:
        """Database connections that are out."""
        second = 0 if self.second is None else self.second.pool.active
        return self.pool.active + second

    def kill(self) -> None:
        """The process is gone: every request under way is lost, nobody listens any more."""
        self.up = False
        self.connector.reset()
        for exchange in end_threads(self.workers):
            exchange.waiter.wake(None)
        self.runtime.kill()
        if self._listener is not None:
            self._listener.kill()
        self._redis_client.close()

    def restart(self) -> None:
        """A new process of the service: cold code, an empty memory, the same tables and Redis."""
        gone = self.pool
        self.pool = self.new_pool()
        self.pool.take_over_counts(gone)
        self._charged_pool.replace(self.pool)
        self.workers = self._new_workers()
        self._warm_up = WarmUpTable(self.costs.warm_up, warm=self.world.service.warm)
        self._served = {}
        self._served_all = sum(self._served.values())
        self._forget_writes()
        self._handled = 0
        self._build_service()
        self.up = True
        start_service(self.world.service.code, self.service)
        self.connector.listen()

    def resident_mb(self) -> float:
        """Return what the process holds: it grows with the first requests it handles."""
        memory = self.world.memory
        grown = min(1.0, self._handled / memory.jvm_grown_after)
        return memory.jvm_start_mb + grown * (memory.jvm_mb - memory.jvm_start_mb)
