"""The world as a process of the user's own sees it, and the changes that it may make.

It may change what an operator could change during a sale, and use what another program on the same
machines could use. Everything is counted at full size, whatever the scale of the run: at scale 0.1
a process still reads 8 cores and 5,000 people, and sets 16 cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text, update

from model.schema import concert
from sim.faults.database import hold_rows
from sim.processes.outside_connection import NoCharge, NoPool
from sim.service.initial_data import CONCERT_ID

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    import simpy

    from sim.kernel.environment import Environment
    from sim.load.executors import Executor
    from sim.load.parallel import ParallelLoads
    from sim.measure.events import Events
    from sim.measure.invariants import Watch
    from sim.measure.requests import RequestLog
    from sim.processes.environment import ProcessEnvironment
    from sim.service.host import Server
    from sim.world import World

MOST_CORES: Final = 4_096.0
MOST_CONNECTIONS: Final = 100_000
MOST_PEOPLE: Final = 1_000_000
_MB: Final = 1e6


class WorldView:
    """The world as an operator has it before them.

    Attributes:
        random: random numbers of this process alone, drawn from the run's seed.
        scale: share of full size that the run has; only `gauge` gives numbers of that size.
    """

    def __init__(
        self,
        env: Environment,
        process_env: ProcessEnvironment,
        name: str,
        world: World,
        scale: float,
        load_begins_s: float,
        server: Server,
        executor: Executor | ParallelLoads,
        log: RequestLog,
        watch: Watch,
        events: Events,
        gauges: Mapping[str, Callable[[], float]],
        rng: random.Random,
    ) -> None:
        self._env = env
        self._process_env = process_env
        self._name = name
        self._world = world
        self.scale = scale
        self._load_begins_s = load_begins_s
        self._server = server
        self._executor = executor
        self._log = log
        self._watch = watch
        self._events = events
        self._gauges = gauges
        self.random = rng
        self._capacity: int | None = None
        self._looked_at = (env.now, self.cores_used_s)

    # Time and load.

    @property
    def now_s(self) -> float:
        """Simulated seconds since the load began."""
        return self._env.now - self._load_begins_s

    @property
    def clock_s(self) -> float:
        """Wall-clock time of the simulated world, in seconds since 1970."""
        return self._world.catalogue.opening_epoch_s + self._env.now

    @property
    def users(self) -> int:
        """Virtual users that are active now."""
        return self._full(self._executor.active_vus)

    @property
    def requests(self) -> int:
        """Requests that have ended since the load began, with or without an answer."""
        return self._full(self._log.requests)

    @property
    def failed(self) -> int:
        """Of these, the ones that failed."""
        return self._full(self._log.failed)

    # The queue before the sale.

    @property
    def waiting(self) -> int:
        """People in the waiting line."""
        return self._full(self._watch.waiting())

    @property
    def inside(self) -> int:
        """People let in and not yet gone."""
        return self._full(self._watch.passed())

    @property
    def capacity(self) -> int:
        """People that the service lets in at once."""
        if self._capacity is None:
            rows = self._server.database.query(
                concert.select().with_only_columns(concert.c.capacity)
            )
            return self._full(int(rows[0][0]))
        return self._capacity

    @property
    def admissions_per_min(self) -> int | None:
        """The serving rate, in people per minute; None if the service has no such limit."""
        rate = self._server.service.admissions_per_min
        return None if rate is None else self._full(rate)

    # The service and its machine.

    @property
    def cores(self) -> float:
        """Cores of the service's machine."""
        cpu = self._server.host.cpu
        return cpu.given_cores / self.scale

    @property
    def cores_used_s(self) -> float:
        """Core seconds used on that machine since the service started."""
        cpu = self._server.host.cpu
        cpu.advance()
        return cpu.busy_core_s / self.scale * min(1.0, cpu.given_cores)

    def utilisation(self) -> float:
        """Return the share of the cores, 0 to 1, in use since this process last asked."""
        (then_s, used_s), now = self._looked_at, (self._env.now, self.cores_used_s)
        self._looked_at = now
        if now[0] <= then_s:
            return 0.0
        return min(1.0, (now[1] - used_s) / (now[0] - then_s) / self.cores)

    @property
    def memory_mb(self) -> float:
        """Memory that the programs on the service's machine need."""
        return self._server.host.demand_mb / self.scale

    @property
    def threads_busy(self) -> int:
        """Worker threads with a request."""
        return self._full(self._server.workers.busy)

    @property
    def requests_queued(self) -> int:
        """Requests that wait for a worker thread."""
        return self._full(self._server.workers.queued)

    @property
    def instances(self) -> int:
        """Instances of the service that take part: 0 (killed), 1 or 2."""
        second = self._server.second
        return int(self._server.up) + (second is not None and not second.retiring)

    # The pool of database connections.

    @property
    def pool_size(self) -> int:
        """Connections in the pool."""
        return max(1, round(self._server.pool.wanted / self.scale))

    @property
    def pool_in_use(self) -> int:
        """Connections that a thread has."""
        return self._full(self._server.pool.active)

    @property
    def pool_waiting(self) -> int:
        """Threads that wait for a connection."""
        return self._full(self._server.pool.pending)

    @property
    def pool_timeouts(self) -> int:
        """Waits for a connection that ran into the timeout, since the service started."""
        return self._full(self._server.pool.timeouts)

    # Anything else.

    def gauge(self, name: str) -> float:
        """Return a column of the time series as it is now, at the run's own scale.

        Raises ValueError when there is no such column.
        """
        if name not in self._gauges:
            raise ValueError(f"gauge: {name}; allowed: {', '.join(self._gauges)}")
        return float(self._gauges[name]())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what a SELECT finds in the committed rows; takes no time, locks nothing."""
        if not sql.lstrip().lower().startswith("select"):
            raise ValueError(f"query: {sql[:40]}; allowed: a SELECT")
        return [tuple(row) for row in self._server.database.query(text(sql))]

    def note(self, remark: str) -> None:
        """Write a remark with the time into the results."""
        self._events.note(f"{self._name}: {remark}")

    # What an operator changes. Each raises ValueError for a value out of range.

    def set_cores(self, cores: float) -> None:
        """Give the service's machine so many cores from now on (more than 0, at most 4,096)."""
        _check("cores", cores, low=0.0, high=MOST_CORES)
        self._server.host.cpu.set_cores(cores * self.scale)

    def set_pool_size(self, connections: int) -> None:
        """Have so many database connections per instance (1 to 100,000).

        New ones can be borrowed at once; connections too many are closed as they come back.
        """
        _check("pool size", connections, low=1, high=MOST_CONNECTIONS, whole=True)
        pools = [self._server.pool]
        if self._server.second is not None:
            pools.append(self._server.second.pool)
        for pool in pools:
            pool.resize(connections * self.scale)

    def set_capacity(self, people: int) -> simpy.Event:
        """Let in so many people at once (1 to 1,000,000), by an UPDATE of the concert's row.

        Returns the event of its commit. People who are inside already stay.
        """
        _check("capacity", people, low=1, high=MOST_PEOPLE, whole=True)
        units = max(1, round(people * self.scale))

        def change() -> None:
            database = self._server.database.through(NoPool(self._env), NoCharge())
            with database.begin() as connection:
                changed = update(concert).where(concert.c.id == CONCERT_ID)
                connection.execute(changed.values(capacity=units))
            self._capacity = people
            self._watch.set_capacity(units)

        return self._in_thread("capacity", change)

    def set_admissions_per_min(self, people: int) -> None:
        """Let in at most so many people within any minute (1 to 1,000,000).

        Only a service that was started with `policy.admissions_per_min` has such a rate.
        """
        _check("admissions per minute", people, low=1, high=MOST_PEOPLE, whole=True)
        units = max(1, round(people * self.scale))
        self._server.service.set_admissions_per_min(units)
        if self._server.second is not None:
            self._server.second.set_admissions_per_min(units)

    def start_instance(self, *, takes_requests: bool = True) -> None:
        """Start a second instance of the service on the same machine, database and Redis.

        Raises ValueError when two are running already, or the second one is still ending.
        """
        if not self._server.start_second(takes_requests=takes_requests):
            raise ValueError("instances: 3; allowed: at most 2")

    def stop_instance(self) -> None:
        """Let the second instance answer what it has, then end it.

        What it has planned in memory is lost with it, such as cancelling bookings nobody pays.
        Raises ValueError when there is no second one.
        """
        second = self._server.second
        if second is None or second.retiring:
            raise ValueError("instances: 0; allowed: at least 1")
        second.retire()

    # What another program on the same machines does.

    def use_database(self, work_s: float, threads: int = 1) -> simpy.Event:
        """Let the database work for a job of this process, beside the service's statements.

        `work_s` is in seconds of one core, shared evenly by `threads` sessions (1 to 1,000). The
        event happens when all of it is done.
        """
        _check("work", work_s, low=0.0, high=1e6)
        _check("threads", threads, low=1, high=1_000, whole=True)
        process = self._server.database_process
        share_s = work_s * self.scale / threads
        return self._process_env.all_of(
            [self._in_thread("database", lambda: process.compute(share_s)) for _ in range(threads)]
        )

    def lock_table(self, table: str, for_s: float) -> simpy.Event:
        """Lock every committed row of a table in a transaction that stays open for `for_s` s.

        The event's value is the number of rows, 0 if a lock could not be had in time.
        """
        tables = self._server.database.storage.infos
        if table not in tables:
            raise ValueError(f"table: {table}; allowed: {', '.join(sorted(tables))}")
        _check("seconds", for_s, low=0.0, high=1e6)
        database = self._server.database
        return self._in_thread("locks", lambda: hold_rows(database, self._env, table, for_s))

    def _in_thread(self, what: str, work: Callable[[], Any]) -> simpy.Event:
        """Do blocking work in a thread of its own; the event happens with its value."""
        done = self._process_env.event()

        def run() -> None:
            try:
                value = work()
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - the process that waits hears it
                done.fail(error)
            else:
                done.succeed(value)

        self._env.spawn(f"{self._name}: {what}", run)
        return done

    def _full(self, count: float) -> int:
        """A count of the run, extrapolated to full size."""
        return round(count / self.scale)


def _check(name: str, value: object, *, low: float, high: float, whole: bool = False) -> None:
    """Refuse what is no number, or out of range; with `whole`, also fractions."""
    kinds = (int,) if whole else (int, float)
    kind = "a whole number from" if whole else "more than"
    fits = isinstance(value, kinds) and not isinstance(value, bool)
    if not fits or not (low <= value <= high if whole else low < value <= high):  # type: ignore[operator]
        raise ValueError(f"{name}: {value!r}; allowed: {kind} {low:g}, at most {high:g}")
