"""Charges processor work for the service's calls, where the caller next has to wait.

The service knows nothing of costs. The proxies behind its ports do: each borrow, statement, Redis
command and logged exception adds to the debt of the current task. The debt is paid on the host's
processors before the task waits for anything, so the work takes its place in the right order.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING

import redis

from model.entrance import PARSER_LOGGER
from model.errors import UnexpectedError
from model.service import CHECK
from sim.kernel.environment import ThreadKilled
from sim.measure.crashes import Crashes
from sim.service.costs import NULL_DEREFERENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.database import StatementWork
    from sim.kernel.environment import Environment, Thread
    from sim.machines.cpu import Process
    from sim.machines.redis_process import RedisProcess
    from sim.network.link import Link
    from sim.service.costs import Costs, Factor
    from sim.stations.connection_pool import ConnectionPool
    from sim.stations.monitor import Monitor
    from sim.stations.worker_pool import Job, WorkerPool
    from sim.world import Database


class Task:
    """The work of one thread of the service: a request, a scheduled job, an async task."""

    __slots__ = ("connection", "database_debt_s", "debt_s", "factor", "killed", "label")

    def __init__(self, label: str, factor: Factor) -> None:
        self.label = label
        """Endpoint, or name of the job, for the accounts."""
        self.factor = factor
        """On the service's work in this task: warm-up times noise."""
        self.debt_s = 0.0
        self.database_debt_s = 0.0
        self.connection = 0
        """Number of the connection that it has, or had last; the database has a thread for each."""
        self.killed = False
        """The service was killed: calls that the code makes on its way out have no effect."""


def end_thread(thread: Thread) -> None:
    """End a thread of a killed service; calls of its code on the way out have no effect."""
    if thread.local is not None:
        thread.local.killed = True
    thread.kill()


def end_threads(pool: WorkerPool[Job]) -> list[Job]:
    """`end_thread` for all of a pool; return the jobs begun and queued, which are lost."""
    for thread in pool.threads:
        end_thread(thread)
    return pool.kill()


class Charges:
    """Charges the current thread's task; implements the database's and the log's ports."""

    def __init__(
        self,
        env: Environment,
        costs: Costs,
        service: Process,
        database: Process,
        database_settings: Database,
        row_weight: float,
        wake_up: Callable[[], None] | None = None,
        new_monitor: Callable[[], Monitor] | None = None,
    ) -> None:
        self._env = env
        self._costs = costs
        self._service = service
        self._database = database
        self._database_settings = database_settings
        self._database_speed = database_settings.speed
        self._row_weight = row_weight
        self._wake_up = wake_up
        """What a thread that got an answer does until it runs; None if it runs at once."""
        self._first_write_s = costs.first_write_s
        if wake_up is not None:
            self._first_write_s *= costs.first_write_turns
        self._new_monitor = new_monitor
        self.null_monitor = None if new_monitor is None else new_monitor()
        """Held for what a null dereference takes more than other exceptions, if anything is."""
        self.slowdown = 1.0
        """Factor on the service's own work, by other load of the machine."""
        self.exceptions: dict[str, Counter[str]] = {}
        """Label of the task -> exception class -> logged events."""
        self.crashes = Crashes()
        self.written: Counter[tuple[str, str]] | None = None
        """Kind and table -> writing statements so far; None if their code is warm."""
        self.holds: tuple[Callable[[], None], ...] = ()
        """Called before a thread of the service goes on; each may block the thread."""
        self.database_link: Link | None = None
        self.connection_numbers = itertools.count(1)
        """Of the connections to the database: it has a thread for each, whoever has opened it."""

    def of_another_instance(self, holds: tuple[Callable[[], None], ...]) -> Charges:
        """Return the charges of a second process of the service on the same machine.

        Exceptions and warm code are counted together, connections numbered together; pauses
        (`holds`) are separate.
        """
        other = Charges(
            self._env,
            self._costs,
            self._service,
            self._database,
            self._database_settings,
            self._row_weight,
            self._wake_up,
            self._new_monitor,
        )
        other.slowdown = self.slowdown
        other.exceptions = self.exceptions
        other.crashes = self.crashes
        other.written = self.written
        other.holds = holds
        other.database_link = self.database_link
        other.connection_numbers = self.connection_numbers
        return other

    @property
    def task(self) -> Task:
        """The current thread's task."""
        task: Task = self._env.current.local  # type: ignore[union-attr]  # only threads are charged
        return task

    def exception_counts(self) -> Counter[str]:
        """Exception class -> logged events so far, wherever they were logged."""
        return sum(self.exceptions.values(), Counter())

    def settle(self, task: Task) -> None:
        """Pay the debt of `task`, the current thread's: blocks until the work is done."""
        if task.killed:
            raise ThreadKilled
        for hold in self.holds:
            hold()
        own_s, database_s = task.debt_s * self.slowdown, task.database_debt_s
        work_s = own_s + database_s
        if work_s > 0.0:
            task.debt_s = task.database_debt_s = 0.0
            if self._wake_up is not None:
                self._service.compute(own_s)
                if database_s:
                    self._database.compute(database_s, task.connection)
                    self._wake_up()
                return
            # One visit for both: they share the cores alike and work one after the other.
            self._service.compute(work_s)
            if database_s:
                self._service.used_s -= database_s
                self._database.used_s += database_s

    def answered(self) -> None:
        """Wait for the current thread's turn, after another program has answered it."""
        if self._wake_up is not None:
            self._wake_up()

    def request(self, task: Task) -> None:
        """Charge receiving, routing and answering a request."""
        task.debt_s += self._costs.jvm_request_s * task.factor.code

    def response(self, task: Task, body_bytes: float) -> None:
        """Charge writing the answer."""
        task.debt_s += self._costs.jvm_response_byte_s * body_bytes * task.factor.row

    def begin(self, read_only: bool) -> None:  # noqa: ARG002 - both cost alike, as measured
        """Charge opening and ending a transaction on a borrowed connection."""
        task = self.task
        own_s = self._costs.jvm_borrow_s * task.factor.code
        database_s = self._costs.db_borrow_s / self._database_speed
        if self._wake_up is None:
            task.debt_s += own_s
            task.database_debt_s += database_s
            return
        # Two round trips: options before the first statement, and the end with options after the
        # last one (`end`). A third of the work comes before, between and after them.
        task.debt_s += own_s / 3.0
        task.database_debt_s += database_s / 2.0
        self.settle(task)
        task.debt_s += own_s / 3.0

    def statement(self, work: StatementWork) -> None:
        """Charge one statement, and wait until it is done."""
        task = self.task
        costs = self._costs
        # One row, as a primary key finds it, is one row at any scale.
        weight = self._row_weight
        sent = work.rows_sent if work.rows_sent <= 1 else work.rows_sent * weight
        visited = work.rows_visited if work.rows_visited <= 1 else work.rows_visited * weight
        factor = task.factor
        task.debt_s += (
            costs.jvm_statement_s * factor.code + sent * costs.jvm_row_sent_s * factor.row
        )
        if work.kind != "select" and self.written is not None:
            before = self.written[work.kind, work.table]
            self.written[work.kind, work.table] = before + 1
            task.debt_s += self._first_write_s / (1.0 + before * weight)
        task.database_debt_s += (
            costs.db_statement_s
            + visited * costs.db_row_visited_s
            + work.rows_sorted * weight * costs.db_row_sorted_s
            + sent * costs.db_row_sent_s
        ) / self._database_speed
        if self.database_link is not None:
            self.database_link.travel()
        self.settle(task)

    def end(self, committed: bool, wrote: bool) -> None:
        """Charge the commit of a writing transaction; nothing is left to pay at the release."""
        task = self.task
        if self._wake_up is not None:
            task.database_debt_s += self._costs.db_borrow_s / 2.0 / self._database_speed
        if committed and wrote:
            task.database_debt_s += self._costs.db_commit_write_s / self._database_speed
        if self.database_link is not None:
            self.database_link.travel()
        self.settle(task)
        if committed and wrote and self._database_settings.commit_wait_s > 0.0:
            self._env.sleep(self._database_settings.commit_wait_s)
        if self._wake_up is not None:
            task.debt_s += self._costs.jvm_borrow_s * task.factor.code / 3.0
            self.settle(task)

    def event(self) -> None:
        """Charge an outbox event, and pay what is owed: the broker is asked next."""
        task = self.task
        task.debt_s += self._costs.jvm_event_s * task.factor.code
        self.settle(task)

    def exception(self, logger: str, error: BaseException) -> None:
        """Count a logged exception and charge its stack trace.

        Raises MemoryError when that is what is logged: it is the simulation that has none left.
        """
        cause = error.original if isinstance(error, UnexpectedError) else error
        if isinstance(cause, MemoryError):
            raise cause
        task = self.task
        counts = self.exceptions.get(task.label)
        if counts is None:
            counts = self.exceptions[task.label] = Counter()
        name = type(error).__name__
        counts[name] += 1
        if isinstance(error, UnexpectedError):
            self.crashes.note(task.label, error.original)
        in_filter = logger == PARSER_LOGGER and task.label != CHECK
        costs = self._costs.exceptions
        work_s = costs.of(logger, name, in_filter=in_filter) * task.factor.exception
        monitor = self.null_monitor
        if monitor is not None and name == NULL_DEREFERENCE:
            more_s = max(0.0, costs.null_s - costs.handled_s) * task.factor.exception
            locked_s = min(work_s, more_s)
            self._locked(task, monitor, work_s - locked_s, locked_s)
            return
        task.debt_s += work_s

    def _locked(self, task: Task, monitor: Monitor, before_s: float, locked_s: float) -> None:
        """Work, the last part of it in the monitor."""
        task.debt_s += before_s
        self.settle(task)
        monitor.enter()
        try:
            task.debt_s += locked_s
            self.settle(task)
        finally:
            monitor.leave()


class ChargedPool:
    """The connection pool as the database sees it: debts are paid before the borrow."""

    __slots__ = ("_charges", "_free", "_pool")

    def __init__(self, pool: ConnectionPool, charges: Charges) -> None:
        self._pool = pool
        self._charges = charges
        self._free: list[int] = []
        """Numbers of the idle connections that were out before."""

    def acquire(self) -> float:
        """Borrow a connection; return the time. Raises `PoolTimeoutError`."""
        charges = self._charges
        task = charges.task
        charges.settle(task)
        borrowed_s = self._pool.acquire()
        if self._free:
            task.connection = self._free.pop()
        else:
            task.connection = next(charges.connection_numbers)
        return borrowed_s

    def release(self, borrowed_s: float) -> None:
        """Give the connection borrowed at `borrowed_s` back, if there still is a pool."""
        task = self._charges.task
        if not task.killed:
            self._free.append(task.connection)
            self._pool.release(borrowed_s)

    def replace(self, pool: ConnectionPool) -> None:
        """Use the pool of a service that was started again."""
        self._pool = pool


class ChargedRedis:
    """The turn of one command at the single-threaded Redis server."""

    def __init__(
        self,
        env: Environment,
        charges: Charges,
        costs: Costs,
        server: RedisProcess,
        timeout_s: float,
    ) -> None:
        self._env = env
        self._charges = charges
        self._costs = costs
        self._server = server
        self._timeout_s = timeout_s
        self.link: Link | None = None
        self.watch: Callable[[str], None] | None = None
        """Called with the name of each command just before the command runs."""

    def before_command(self, name: str, cost_ns: int) -> None:
        """Pay what is owed, wait for the turn, and for the server's own work on the command.

        Raises:
            redis.exceptions.ConnectionError: the server died, or cut the connection, meanwhile.
            redis.exceptions.TimeoutError: the link was closed for too long.
        """
        charges = self._charges
        task = charges.task
        task.debt_s += self._costs.jvm_redis_s * task.factor.code
        charges.settle(task)
        self._env.sleep(self._costs.redis_wait_s)
        if self.link is not None and not self.link.travel(self._timeout_s):
            raise redis.TimeoutError(f"Command timed out after {self._timeout_s:g} second(s)")
        self._server.serve(cost_ns)
        charges.answered()
        if self.watch is not None:
            self.watch(name)
