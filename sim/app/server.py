"""The server of an application, modelled on gunicorn: sockets, worker processes, threads.

A worker with one thread is gunicorn's sync worker: it accepts a connection, answers one request and
closes the connection. A request that takes longer than the timeout kills the worker. A worker with
more threads is gunicorn's gthread worker: connections stay open for a while and belong to the
worker that accepted them. One interpreter computes on one core at a time, with any number of
threads.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import redis

from sim.app import background
from sim.app.accept import Accepting
from sim.app.databases import Databases
from sim.app.modules import Code, imported
from sim.app.seams import entropy, redis_scripts
from sim.app.seams.clock import sweep
from sim.app.seams.http import Stub, body_of
from sim.app.seams.runtime import RUNTIME
from sim.app.segments import ApplicationCharges, Segments
from sim.app.worker import Worker, plain_task
from sim.kernel.environment import Deadlines
from sim.kernel.race_search import Stalls
from sim.load.settings import loads_of
from sim.machines.redis_process import RedisProcess
from sim.network.connector import Connector
from sim.service.ports import SimulatedBroker, SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.app.background import BackgroundProcess
    from sim.kernel.environment import Environment, Thread, Timer
    from sim.kernel.random_streams import Stream, Streams
    from sim.machines.cpu import Process
    from sim.machines.host import Host
    from sim.network.connection import Connection
    from sim.network.exchange import Exchange
    from sim.network.link import Link
    from sim.redis.server import RedisServer
    from sim.service.costs import Costs
    from sim.world import HttpStub, World

MANY_REQUESTS: Final = 1_000_000_000
_MOST_KNOWN: Final = 200_000


class _Turn:
    """A simulated Redis as the application's client reaches it."""

    def __init__(
        self, env: Environment, charges: ApplicationCharges, costs: Costs, process: RedisProcess
    ) -> None:
        self.server = process.server
        self.blocked: list[Any] = []
        self._env = env
        self._charges = charges
        self._costs = costs
        self._process = process
        self.link: Link | None = None
        self.watch: Callable[[str], None] | None = None
        self.timeout_s = 60.0

    def turn(self, name: str, cost_ns: int) -> None:
        """Charge the time owed, wait for the server's turn, and for its work on the command."""
        charges = self._charges
        if charges.redis_command() is None:
            return
        charges.wait(f"redis {name}")
        self._env.sleep(self._costs.redis_wait_s)
        if self.link is not None and not self.link.travel(self.timeout_s):
            raise redis.TimeoutError("Timeout reading from socket")
        self._process.serve(cost_ns)
        if self.watch is not None:
            self.watch(name)


class _Pools:
    """Open transactions: the application's own pools cannot be seen from outside."""

    pending = timeouts = 0

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    @property
    def active(self) -> int:
        """Transactions that are open."""
        return len(self._databases.open)


def _answer(stub: HttpStub, rng: Stream) -> tuple[float, int, bytes] | None:
    """The stub's answer and its time; None: the stub refuses the connection."""
    if rng.bernoulli(stub.refuses):
        return None
    latency_s = max(0.0, stub.latency_s + stub.jitter_s * rng.uniform(-1.0, 1.0))
    if rng.bernoulli(stub.fails):
        return latency_s, stub.fail_status, b"{}"
    return latency_s, stub.status, body_of(stub.body)


class ApplicationServer:
    """The server of an application; has the interface of the ticket service's `Server`."""

    second: Any = None

    def __init__(
        self,
        env: Environment,
        world: World,
        costs: Costs,
        host: Host,
        redis_server: RedisServer,
        streams: Streams,
        seed: int,
        roots: tuple[str, ...],
        *,
        measuring: bool,
    ) -> None:
        self.env = env
        self.world = world
        self.settings = settings = world.app
        if settings.request_cv is not None:
            costs = replace(costs, request_cv=settings.request_cv)
        self.costs = costs
        self.host = host
        self.redis = redis_server
        self.one_way_s = world.network.one_way_s
        self.process = host.cpu.process()
        self.database_process = host.cpu.process()
        self.redis_process = RedisProcess(env, redis_server, host.cpu.process())
        self.segments = Segments(settings, measuring=measuring)
        self.charges = ApplicationCharges(
            env,
            settings,
            costs,
            self.segments,
            self.process,
            self.database_process,
            world.database,
        )
        self.redis_turn = _Turn(env, self.charges, costs, self.redis_process)
        self.clock = SimulatedClock(env, world.catalogue.opening_epoch_s)
        self.broker = SimulatedBroker(env, world.broker, lambda: None)
        self.stalls = Stalls(env, world.search, streams.stream("stalls"))
        if self.stalls.wanted:
            self.charges.holds = (self.stalls.hold,)
        chance = streams.stream("database")
        self.database = Databases(
            env,
            self.charges,
            world.database.lock_wait_timeout_s,
            lambda: RUNTIME.epoch_s + env.now,
            lambda: chance.uniform(0.0, 1.0),
        )
        self.pool = _Pools(self.database)
        self.connector = Connector(
            env, self._socket_settings(), world.generator, world.network, streams.stream("network")
        )
        self.client_deadlines = Deadlines(env, world.generator.request_timeout_s)
        self.link: Link | None = None
        self.up = False
        self.booted = False
        """Whether the server has ever been up, with the rows from before the run."""
        self.on_sweep: Callable[[Any], None] = lambda _run: None
        scripts = [world.customer.script, *(load.script or "" for load in loads_of(world.load))]
        self.code = Code(
            settings.path,
            roots,
            key=settings.key,
            keeps=settings.keep_modules,
            customers=frozenset(path.partition(":")[0] for path in scripts),
        )
        self._workers = [
            self._new_worker(number + 1, host.cpu.process()) for number in range(settings.workers)
        ]
        self._of: dict[Connection, tuple[int, Worker]] = {}
        self._waiting: list[Exchange] = []
        self._on_their_way: dict[Exchange, None] = {}
        """Answers that were made and have not reached their clients."""
        self._next = 0
        self._accepting: Accepting | None = None
        if settings.accept_s > 0.0 and settings.threads > 1:
            self._accepting = Accepting(env, host, settings.accept_s, self._deliver)
        self._prepared = False
        self.background = background.made(self)
        self._stubs = {
            host: Stub(host, partial(_answer, stub, streams.stream(f"http {host}")))
            for host, stub in settings.http.items()
        }
        redis_scripts.install(redis_server)
        entropy.seed(seed)
        self._connect_seams()

    def _new_worker(self, number: int, process: Process) -> Worker:
        return Worker(self, number, process)

    def _socket_settings(self) -> Any:
        settings = self.settings
        sync = settings.threads == 1
        return replace(
            self.world.service,
            threads=settings.workers * settings.threads,
            max_connections=settings.workers * (1 if sync else settings.worker_connections),
            accept_count=settings.backlog,
            connection_timeout_s=max(settings.keepalive_s, 1e-3),
            keep_alive_requests=1 if sync or not settings.keepalive_s else MANY_REQUESTS,
        )

    def _connect_seams(self) -> None:
        RUNTIME.on_wait = self.charges.wait
        RUNTIME.on_go_on = self.charges.go_on
        RUNTIME.on_thread = self._thread_started
        RUNTIME.on_log = self.charges.log
        RUNTIME.on_print = self._printed
        RUNTIME.find_database = self.database.find
        RUNTIME.find_host = self._stubs.get
        RUNTIME.find_redis = lambda _host, _port: self.redis_turn

    def _printed(self, text: str) -> None:
        self.charges.printed += len(text)

    def _thread_started(self, thread: Thread) -> None:
        parent = self.charges.task
        worker = getattr(parent, "worker", None)
        thread.local = plain_task(thread.name, worker)
        if worker is not None:
            worker.threads.append(thread)

    # Life

    def start(self) -> None:
        """Boot in no time: the application was running before the load."""
        thread = self.env.spawn("boot", self._boot)
        thread.local = plain_task("boot", None)

    def _boot(self) -> None:
        RUNTIME.is_free = True
        try:
            for worker in self._workers:
                self._load(worker)
                self._prepare()
            for process in self.background:
                self._load_background(process)
        finally:
            RUNTIME.is_free = False
        self.up = self.booted = True
        self._start_background()
        self._hand_out()

    def _load_background(self, process: BackgroundProcess) -> None:
        thread = self.env.current
        if thread is not None and thread.local is not None:
            thread.local.worker = process
        process.load()

    def _start_background(self) -> None:
        for process in self.background:
            process.start()

    def _load(self, worker: Worker) -> None:
        thread = self.env.current
        if thread is not None and thread.local is not None:
            thread.local.worker = worker
        worker.take(self.code.load())
        sweep()
        accepting = self._accepting
        if accepting is not None and worker in self._workers:
            name = f"accept-{worker.number}"
            worker.main = main = self.env.spawn(name, lambda: accepting.run(worker))
            main.local = plain_task(name, worker)
            worker.threads.append(main)

    def _prepare(self) -> None:
        if self._prepared or not self.settings.prepare:
            return
        self._prepared = True
        imported(self.settings.prepare)()

    def kill(self) -> None:
        """End the processes: every request under way is lost, and no process listens any more."""
        self.up = False
        self.connector.reset()
        self._of.clear()
        for worker in self._workers:
            for exchange in worker.end():
                exchange.waiter.wake(None)
        for process in self.background:
            process.end()
        unaccepted = [] if self._accepting is None else self._accepting.clear()
        for exchange in (*self._waiting, *unaccepted, *self._on_their_way):
            exchange.waiter.wake(None)
        self._waiting.clear()
        self._on_their_way.clear()
        self.env.call_in(0.0, self.database.leave_all)

    def restart(self) -> None:
        """Start new processes: the memory of the old ones is lost, tables and Redis keys remain."""
        thread = self.env.spawn("boot", self._boot_again)
        thread.local = plain_task("boot", None)

    def _boot_again(self) -> None:
        for worker in self._workers:
            self._load(worker)
        self.up = True
        self._start_background()
        self.connector.listen()
        self._hand_out()

    def _restart_worker(self, worker: Worker) -> None:
        thread = self.env.spawn(f"boot worker-{worker.number}", lambda: self._boot_worker(worker))
        thread.local = plain_task("boot", worker)

    def _boot_worker(self, worker: Worker) -> None:
        self.env.sleep(self.settings.boot_s)
        if self.up:
            self._load(worker)
            self._hand_out()

    def start_second(self, *, takes_requests: bool) -> bool:
        """Start a second server of the same application; false if a second server exists."""
        if self.second is not None:
            return False
        self.second = takes_requests
        first = len(self._workers)
        for number in range(self.settings.workers):
            worker = self._new_worker(first + number + 1, self.host.cpu.process())
            if takes_requests:
                self._workers.append(worker)
            self._load(worker)
        self._hand_out()
        return True

    # Requests

    def submit(self, exchange: Exchange) -> None:
        """Take a request that was sent on its connection. Does not block."""
        delay_s = 0.0 if self.link is None else self.link.delay_s()
        if delay_s > 0.0:
            self.env.call_in(delay_s, lambda: self._arrived(exchange))
        else:
            self._arrived(exchange)

    def _arrived(self, exchange: Exchange) -> None:
        connection = exchange.connection
        if not connection.open:
            self.connector.forget(connection)
            exchange.waiter.wake(None)
        elif self.connector.begin_request(connection):
            self._give(exchange)
        else:
            connection.on_accepted = lambda: self._give(exchange)

    def _give(self, exchange: Exchange) -> None:
        connection = exchange.connection
        worker = self._known_worker(connection)
        if self._accepting is not None:
            self._accepting.submit(exchange, worker)
            return
        worker = worker or self._least_busy(connection)
        if worker is None:
            self._waiting.append(exchange)
        else:
            worker.pool.submit(exchange)

    def _deliver(self, exchange: Exchange, worker: Worker) -> None:
        """The main thread of a worker has a request."""
        self._note(exchange.connection, worker)
        worker.pool.submit(exchange)

    def _known_worker(self, connection: Connection) -> Worker | None:
        known = self._of.get(connection)
        if known is not None and known[0] == connection.epoch and known[1].up:
            return known[1]
        return None

    def _least_busy(self, connection: Connection) -> Worker | None:
        serving = [worker for worker in self._workers if worker.up]
        if not serving:
            return None
        self._next += 1
        # The worker with the least work accepts first; equal workers take turns.
        start = self._next % len(serving)
        order = serving[start:] + serving[:start]
        worker = min(order, key=lambda each: each.pool.busy + each.pool.queued)
        self._note(connection, worker)
        return worker

    def _note(self, connection: Connection, worker: Worker) -> None:
        if len(self._of) > _MOST_KNOWN:
            self._of.clear()
        self._of[connection] = (connection.epoch, worker)

    def _hand_out(self) -> None:
        waiting, self._waiting = self._waiting, []
        for exchange in waiting:
            self._give(exchange)

    def answer(self, exchange: Exchange) -> None:
        """Send an answer on its way."""
        delay_s = self._held_back_s(exchange)
        if self.link is not None:
            delay_s += self.link.delay_s()
        if delay_s > 0.0:
            self._on_their_way[exchange] = None
            self.env.call_in(delay_s, lambda: self._arrives(exchange))
        else:
            self._answered(exchange)

    def _held_back_s(self, _exchange: Exchange) -> float:
        """How long the end of an answer stays on this machine once the answer is made."""
        return 0.0

    def _arrives(self, exchange: Exchange) -> None:
        if exchange in self._on_their_way:
            del self._on_their_way[exchange]
            self._answered(exchange)

    def _answered(self, exchange: Exchange) -> None:
        self.connector.end_request(exchange.connection, closes=False)
        exchange.waiter.wake(exchange.response)

    def served(self, worker: Worker) -> None:
        """Start an idle worker again that has handled `max_requests` requests."""
        most = self.settings.max_requests
        served_all = worker.pool.busy <= 1 and worker.pool.queued == 0
        if most and worker.handled >= most and worker.up and served_all:
            worker.application = None
            self._restart_worker(worker)

    def watch_timeout(self, worker: Worker, exchange: Exchange) -> Timer | None:
        """Kill a sync worker that takes too long for a request."""
        settings = self.settings
        if settings.threads > 1 or settings.timeout_s <= 0.0:
            return None

        def expire() -> None:
            connection = exchange.connection
            for lost in worker.end():
                lost.waiter.wake(None)
            self.connector.close(connection)
            self._restart_worker(worker)

        return self.env.call_in(settings.timeout_s, expire)

    def user_of(self, exchange: Exchange) -> int:
        """Number of the user who sent the request."""
        name = exchange.waiter.thread.name
        digits = "".join(letter for letter in name if letter.isdigit())
        return int(digits[:9] or 0)

    def remarks(self) -> list[str]:
        """Notes on how the server ran."""
        return []

    # Read by other parts of the simulator

    @property
    def application(self) -> Any:
        """The application object of the first worker process."""
        return self._workers[0].application

    @property
    def workers(self) -> ApplicationServer:
        """All workers together: `busy` threads and `queued` requests."""
        return self

    @property
    def busy(self) -> int:
        """Threads that are working on a request."""
        return sum(worker.pool.busy for worker in self._workers)

    @property
    def queued(self) -> int:
        """Requests that no thread has begun."""
        unaccepted = 0 if self._accepting is None else self._accepting.queued
        queued = sum(worker.pool.queued for worker in self._workers)
        return queued + len(self._waiting) + unaccepted

    @property
    def borrowed(self) -> int:
        """Transactions that are open."""
        return len(self.database.open)

    @property
    def used_s(self) -> float:
        """Processor time of all workers so far."""
        processes = [*self._workers, *self.background]
        return self.process.used_s + sum(each.process.used_s for each in processes)

    def resident_mb(self) -> float:
        """Return the memory that the processes hold."""
        return (len(self._workers) + len(self.background)) * self.settings.worker_mb
