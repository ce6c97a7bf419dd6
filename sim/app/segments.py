"""Processor time of an application's own code: segments between two waits.

A segment is known by (endpoint, wait before, wait after). `ticketsim calibrate --app` measures how
long each takes, on the machine where it runs; a run charges those times and measures nothing, so
that the same config and seed give the same result everywhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Protocol

from sim.app.aio.blocking import BLOCKED
from sim.app.seams.clock import REAL
from sim.app.seams.runtime import CURRENT, RUNTIME
from sim.kernel.errors import ThreadKilled
from sim.world import factor_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.database.costs import StatementWork
    from sim.kernel.environment import Environment
    from sim.machines.cpu import Process
    from sim.network.link import Link
    from sim.service.costs import Costs, Factor
    from sim.world import Database as DatabaseSettings
    from sim.world.application import Application

SEPARATOR: Final = " | "
BEGIN: Final = "begin"
END: Final = "end"
_thread_time_ns: Final = REAL["thread_time_ns"]
_LEAST_MEASURED: Final = 20
_MIDDLE: Final = (0.159, 0.841)
"""One standard deviation to each side of a normal number."""


class Computes(Protocol):
    """A worker process, as far as a task needs it: where its code is computed."""

    def compute(self, work_s: float) -> None:
        """Block the current thread until `work_s` seconds of work are done."""
        ...


class ApplicationTask:
    """A request or a thread of the application, and the segment of code that it is running.

    An `ApplicationTask` has the fields of `sim.service.charges.Task`, but is no subclass: a
    compiled `Task` cannot be a base class.
    """

    __slots__ = (
        "began_ns",
        "code",
        "database_debt_s",
        "debt_s",
        "error",
        "factor",
        "killed",
        "label",
        "last",
        "owner",
        "request",
        "spent_ns",
        "worker",
    )

    def __init__(
        self,
        label: str,
        factor: Factor,
        worker: Computes | None,
        *,
        request: bool = False,
        owner: ApplicationTask | None = None,
    ) -> None:
        self.label = label
        self.factor = factor
        self.debt_s = 0.0
        self.database_debt_s = 0.0
        self.killed = False
        self.worker = worker
        self.request = request
        self.owner = owner
        """Task of the coroutine that waits for this one, and whose loop computes for both."""
        self.last = BEGIN
        self.spent_ns = 0
        """Processor time of the segment before its coroutine was last interrupted; measured."""
        self.error: str | None = None
        """Class of the last exception that was logged with a stack trace."""
        self.began_ns: int = _thread_time_ns()
        self.code: list[tuple[tuple[str, str, str], int]] = []
        """Segments and their times so far, while they are measured."""


class Segments:
    """Processor time of each segment: from the config, or measured."""

    def __init__(self, settings: Application, *, measuring: bool) -> None:
        self._known: dict[tuple[str, str, str], float] = {}
        self._default_s = settings.segment_s
        self._factors = settings.factors
        for name, seconds in settings.segments.items():
            endpoint, _, rest = name.partition(SEPARATOR)
            before, _, after = rest.partition(SEPARATOR)
            self._known[endpoint, before, after] = seconds * factor_of(self._factors, endpoint)
        self.measuring = measuring
        self.measured: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        self.requests: list[list[tuple[tuple[str, str, str], int]]] = []
        """The measured segments of each request."""
        self.charged: Counter[str] = Counter()
        """Endpoint -> segments whose time was measured before."""
        self.missing: Counter[str] = Counter()
        """Endpoint -> segments that were charged the default time."""

    def seconds(self, endpoint: str, before: str, after: str) -> float:
        """Processor time of one segment."""
        found = self._known.get((endpoint, before, after))
        if found is None:
            self.missing[endpoint] += 1
            return self._default_s * factor_of(self._factors, endpoint)
        self.charged[endpoint] += 1
        return found

    def medians(self) -> tuple[dict[str, float], list[str]]:
        """Seconds per segment by name, and the names that were met fewer than 20 times."""
        found, rare = {}, []
        for key, times in sorted(self.measured.items()):
            name = SEPARATOR.join(key)
            found[name] = round(median(times) * 1e-9, 8)
            if len(times) < _LEAST_MEASURED:
                rare.append(name)
        return found, rare

    def request_cv(self) -> float | None:
        """How much the time of a request varies around what its segments' medians say.

        The middle 68 % of the ratios are used: preempted and very first requests are no sign of
        the spread of the others. None with fewer than 20 requests.
        """
        if len(self.requests) < _LEAST_MEASURED:
            return None
        typical = {key: median(times) for key, times in self.measured.items()}
        ratios = sorted(
            sum(taken for _, taken in request) / max(1.0, sum(typical[key] for key, _ in request))
            for request in self.requests
        )
        low, high = (ratios[int(share * len(ratios))] for share in _MIDDLE)
        return round((high - low) / 2.0, 3)


class ApplicationCharges:
    """Charges a thread's processor time before the thread waits; counts logged exceptions."""

    def __init__(
        self,
        env: Environment,
        settings: Application,
        costs: Costs,
        segments: Segments,
        service: Process,
        database: Process,
        database_settings: DatabaseSettings,
    ) -> None:
        self._env = env
        self._settings = settings
        self._costs = costs
        self.segments = segments
        self._service = service
        self._database = database
        self._database_speed = database_settings.speed
        self._commit_wait_s = database_settings.commit_wait_s
        self.slowdown = 1.0
        self.exceptions: dict[str, Counter[str]] = {}
        self.logged: Counter[str] = Counter()
        self.printed = 0
        self.holds: tuple[Callable[[], None], ...] = ()
        self.database_link: Link | None = None

    @property
    def task(self) -> Any:
        """The task of the request that a coroutine works on, or of the current thread."""
        thread = self._env.current
        if thread is None:
            return None
        found = CURRENT.get()
        return thread.local if found is None else found

    def exception_counts(self) -> Counter[str]:
        """Exception class -> logged events so far."""
        return sum(self.exceptions.values(), Counter())

    def wait(self, label: str) -> None:
        """End a segment: the application's code waits for `label` next."""
        task = self.task
        if isinstance(task, ApplicationTask):
            self._end_segment(task, label)
            self.settle(task)
            if self.segments.measuring:
                task.began_ns = _thread_time_ns()

    def go_on(self) -> None:
        """Begin a segment: the application's code goes on."""
        if BLOCKED.since:
            BLOCKED.over()
        task = self.task
        if isinstance(task, ApplicationTask):
            task.began_ns = _thread_time_ns()

    def _end_segment(self, task: ApplicationTask, label: str) -> None:
        if not task.request:
            return
        segments = self.segments
        if segments.measuring:
            elapsed_ns = task.spent_ns + _thread_time_ns() - task.began_ns
            task.spent_ns = 0
            key = (task.label, task.last, label)
            segments.measured[key].append(elapsed_ns)
            task.code.append((key, elapsed_ns))
            if label == END:
                segments.requests.append(task.code)
        else:
            task.debt_s += segments.seconds(task.label, task.last, label) * task.factor.code
        task.last = label

    def settle(self, task: ApplicationTask) -> None:
        """Pay the debt of `task`, the current thread's: blocks until the work is done."""
        if task.killed:
            raise ThreadKilled
        thread = self._env.current
        if thread is None or thread.aside is None:
            # The search for races holds up single operations, not a whole event loop.
            for hold in self.holds:
                hold()
        if task.owner is not None:
            task.owner.debt_s += task.debt_s
            task.debt_s = 0.0
        own_s, database_s = task.debt_s * self.slowdown, task.database_debt_s
        task.debt_s = task.database_debt_s = 0.0
        if own_s > 0.0:
            worker = task.worker
            (self._service if worker is None else worker).compute(own_s)
        if database_s > 0.0:
            self._database.compute(database_s)

    # The databases' port

    def begin(self, read_only: bool) -> None:  # noqa: ARG002 - both cost alike
        """A transaction starts."""
        task = self.task
        if isinstance(task, ApplicationTask) and not RUNTIME.is_free:
            task.database_debt_s += self._costs.db_borrow_s / self._database_speed

    def statement(self, work: StatementWork) -> None:
        """Charge a statement: its work, the network, and the real driver's processor time."""
        task = self.task
        if not isinstance(task, ApplicationTask) or RUNTIME.is_free:
            return
        costs, settings = self._costs, self._settings
        task.debt_s += (
            settings.driver_statement_s + work.rows_sent * settings.driver_row_s
        ) * task.factor.code
        task.database_debt_s += (
            costs.db_statement_s
            + work.rows_visited * costs.db_row_visited_s
            + work.rows_sent * costs.db_row_sent_s
        ) / self._database_speed
        self._travel()
        self.settle(task)
        self.go_on()

    def end(self, committed: bool, wrote: bool) -> None:
        """A transaction is about to commit, or has rolled back."""
        task = self.task
        if not isinstance(task, ApplicationTask) or RUNTIME.is_free:
            return
        self._end_segment(task, "commit" if committed else "rollback")
        task.debt_s += self._settings.driver_statement_s * task.factor.code
        task.database_debt_s += self._costs.db_statement_s / self._database_speed
        if committed and wrote:
            task.database_debt_s += self._costs.db_commit_write_s / self._database_speed
        self._travel()
        self.settle(task)
        if committed and wrote and self._commit_wait_s > 0.0:
            self._env.sleep(self._commit_wait_s)
        self.go_on()

    def _travel(self) -> None:
        if self.database_link is not None:
            self.database_link.travel()

    # Redis

    def redis_command(self) -> ApplicationTask | None:
        """Add a command's processor time to the task's debt; None: the command takes no time."""
        task = self.task
        if not isinstance(task, ApplicationTask) or RUNTIME.is_free:
            return None
        found = task
        found.debt_s += self._settings.redis_command_s * found.factor.code
        return found

    # The log

    def log(self, record: Any) -> None:
        """Count a log record; one with a stack trace costs processor time."""
        self.logged[record.levelname] += 1
        if record.exc_info and record.exc_info[1] is not None:
            self.exception(record.name, record.exc_info[1])

    def exception(self, logger: str, error: BaseException) -> None:  # noqa: ARG002 - as the ticket service's
        """Count an exception that was logged. Raises MemoryError when it is one."""
        if isinstance(error, MemoryError):
            raise error
        task = self.task
        label = "-" if task is None else task.label
        name = type(error).__name__
        self.exceptions.setdefault(label, Counter())[name] += 1
        if isinstance(task, ApplicationTask):
            task.error = name
            task.debt_s += self._settings.exception_s * task.factor.exception
