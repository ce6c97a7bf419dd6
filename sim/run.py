"""One run: a world and a seed in, a result out.

Things happen in this order: the tables are filled, the service starts its scheduler, the load
begins `started_before_s` later, users come and go, the load ends, the books are closed.
"""

from __future__ import annotations

import gc
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from model.schema import booking, outbox, seat, token_history
from sim.customers.user import Site, User
from sim.faults.injection import Faults
from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.load.executors import Executor, VirtualUser, make_executor
from sim.load.generator import Generator
from sim.machines.host import Host
from sim.machines.interference import Interference
from sim.machines.processes import Processes
from sim.measure.events import Events
from sim.measure.funnel import Funnel, Step
from sim.measure.inspection import Inspection
from sim.measure.invariants import Watch
from sim.measure.requests import Listener, RequestLog, Sample
from sim.measure.series import Series
from sim.measure.waiting_room import WaitingRoom
from sim.redis.server import RedisServer
from sim.result import INVARIANT_BROKEN, RunResult, Sweep
from sim.scale import scaled
from sim.service.cost_errors import CostErrors
from sim.service.costs import Costs
from sim.service.host import Server
from sim.service.initial_data import fill_tables
from sim.service.policy_reads import ConsultedPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model.scheduler import JobRun
    from sim.kernel.race_search import Stall
    from sim.result import Counts
    from sim.world import World

_PROGRESS_INTERVAL_S = 1.0
_DRAIN_S = 60.0
_ALLOCATIONS_PER_COLLECTION = 200_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Times in simulated seconds since the load began."""

    now_s: float
    end_s: float
    requests: int
    failed: int
    vus: int
    waiting: int
    top_exception: str = ""
    """The class logged most often so far; empty while there is none."""


def simulate(
    world: World,
    seed: int,
    *,
    scale: float = 1.0,
    progress: Callable[[Progress], bool | None] | None = None,
    listener: Listener | None = None,
    sampler: Callable[[Sample], None] | None = None,
) -> RunResult:
    """Run `world` once, at `scale` times its size (see `sim.scale`).

    `progress` is called once per simulated second; if it returns true the run ends there and its
    result is marked as interrupted. `listener` is told of every request as it ends, `sampler`
    all about it. The result depends on the arguments only.
    """
    with _seldom_garbage_collected():
        run = _Run(scaled(world, scale), scale, seed, progress)
        run.log.listener = listener
        run.log.sampler = sampler
        try:
            run.run()
            return run.result(seed)
        finally:
            run.env.close()


def investigate(world: World, seed: int) -> tuple[RunResult, tuple[Stall, ...]]:
    """Run `world` once; return its result and the stalls that its threads met.

    With these stalls instead of random ones the world gives the same run again.
    """
    with _seldom_garbage_collected():
        run = _Run(world, 1.0, seed, None)
        try:
            run.run()
            return run.result(seed), tuple(run.server.stalls.made)
        finally:
            run.env.close()


@contextmanager
def _seldom_garbage_collected() -> Iterator[None]:
    """Look for garbage cycles seldom: a run makes hardly any, and has a million live objects."""
    before = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def customer_function(path: str) -> Callable[[User], None]:
    """Import `package.module:function`. Raises ValueError when there is no such function."""
    module_name, _, name = path.partition(":")
    try:
        function = getattr(import_module(module_name), name)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: {error}; allowed: package.module:function") from error
    if not callable(function):
        raise ValueError(  # noqa: TRY004 - the value of a config key is wrong, whatever its type
            f"{path}: not a function; allowed: package.module:function"
        )
    customer: Callable[[User], None] = function
    return customer


def _place_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else ""


class _Run:
    """The parts of one run, put together; also what the executor tells about its users."""

    def __init__(
        self,
        world: World,
        size: float,
        seed: int,
        progress: Callable[[Progress], bool | None] | None,
    ) -> None:
        self._policy = ConsultedPolicy(world.policy)
        self.world = world = replace(world, policy=self._policy)
        self.env = env = Environment()
        self._progress = progress
        self._ended = "completed"
        self._load_ended_s = 0.0
        self._customer = customer_function(world.customer.script)
        streams = Streams(seed)
        if world.search.shuffles_ties:
            env.shuffle_ties(streams.stream("ties"))
        service = world.service
        jitter_s = service.start_jitter_s * streams.stream("start of the load").uniform(-1.0, 1.0)
        self._start_s = max(0.0, service.started_before_s + jitter_s)
        costs = Costs.load()
        if world.service.costs_uncertain:
            costs = CostErrors.load().draw(costs, streams.stream("errors of the costs"))
        self.host = Host(env, world.host)
        generator_host = (
            self.host if world.generator.shares_host else Host(env, world.generator.host)
        )
        self.generator = Generator(
            env,
            generator_host,
            world.generator,
            costs.generator,
            streams.stream("generator"),
            size,
        )
        self.redis = RedisServer(
            clock=lambda: world.catalogue.opening_epoch_s + env.now,
            rng=streams.python_random("redis"),
            settings=world.redis,
        )
        self.server = Server(env, world, costs, self.host, self.redis, streams, size)
        self.interference = Interference(
            env,
            world,
            costs,
            self.generator,
            self.server.charges,
            streams.stream("speed of the machine"),
        )
        fill_tables(self.server.database, world.catalogue)
        self.log = RequestLog()
        self.executor: Executor = make_executor(
            env,
            world.load,
            self._iterate,
            self,
            opens_s=world.catalogue.opens_after_s or 0.0,
            rng=streams.stream("arrivals"),
        )
        self.funnel = Funnel(0)
        self.room = WaitingRoom()
        self.site = Site(
            env,
            self.server,
            self.generator,
            self.log,
            self.funnel,
            self.room,
            streams,
            world.customer,
        )
        self.watch = Watch(env, self.server, world.catalogue.capacity)
        self.server.redis_turn.watch = self.watch.before_command
        self.events = Events(env, self._start_s)
        self.processes = Processes(
            env, world, self.server, self.generator, generator_host, self.events, self._end
        )
        self.faults = Faults(
            env, world.faults, self.server, self.processes, generator_host, self.events, streams
        )
        self.series = Series(env, self._gauges(), interval_s=1.0, tallies=self._tallies)
        self.inspection = (
            Inspection(
                env,
                self.server,
                lambda: self._violations(leaked_connections=0),
                lambda: self.log.requests,
                lambda: self._end(INVARIANT_BROKEN),
                world.search.only,
            )
            if world.search.inspects
            else None
        )
        self.server.on_sweep = self._swept
        self._sweeps: list[Sweep] = []
        self.script_errors = 0
        self._first_script_error = ""

    def _swept(self, run: JobRun) -> None:
        origin_s = self.world.catalogue.opening_epoch_s + self._start_s
        passed, waiting = self.watch.sizes_before_removal or (0, 0)
        self.watch.sizes_before_removal = None
        self._sweeps.append(
            Sweep(
                planned_s=run.planned_s - origin_s,
                started_s=run.started_s - origin_s,
                ended_s=run.ended_s - origin_s,
                outcome=run.error or "ok",
                passed_before=passed,
                waiting_before=waiting,
                passed_after=self.watch.passed(),
                waiting_after=self.watch.waiting(),
            )
        )

    def _overdue_sweep(self, end_s: float) -> list[Sweep]:
        """The sweep that was due and had not ended when the load did."""
        if not self._sweeps:
            return []
        last = self._sweeps[-1]
        policy = self.world.policy
        retried = policy.sweep_on_own_thread and last.outcome != "ok"
        due_s = last.ended_s + (policy.sweep_retry_s if retried else policy.sweep_interval_s)
        if due_s >= end_s:
            return []
        passed, waiting = self.watch.passed(), self.watch.waiting()
        return [Sweep(due_s, end_s, end_s, "not ended", passed, waiting, passed, waiting)]

    def _end(self, why: str) -> None:
        self._ended = why
        self.env.stop()

    def run(self) -> None:
        """Let it happen."""
        env = self.env
        self.server.start()
        self.generator.start()
        self.interference.start()
        self.processes.start()
        if self._start_s > 0.0:
            env.run(until=self._start_s)
        self.site.start_s = env.now
        self.series.start()
        if self.inspection is not None:
            self.inspection.start()
        self.faults.start()
        self.executor.start()
        self.generator.initialised_vus = self.executor.allocated_vus
        self._report()
        env.run(until=self.executor.all_done)
        self._load_ended_s = env.now
        if self._ended == "completed":
            self._drain()

    def _drain(self) -> None:
        """Let the service finish what it has begun; nobody waits for the answers any more."""
        give_up_s = self.env.now + _DRAIN_S
        while self.server.busy and self.env.now < give_up_s:
            self.env.run(until=self.env.now + 1.0)

    def _leaked_connections(self) -> int:
        """Connections that are out although nothing is under way that could give them back."""
        server = self.server
        if server.busy or self._ended == INVARIANT_BROKEN:
            return 0
        return server.borrowed - len(server.database.open)

    def _report(self) -> None:
        if self._progress is None:
            return
        start_s = self.site.start_s
        stop = self._progress(
            Progress(
                now_s=self.env.now - start_s,
                end_s=self.executor.end_s - start_s,
                requests=self.log.requests,
                failed=self.log.failed,
                vus=self.executor.active_vus,
                waiting=self.watch.waiting(),
                top_exception=self._top_exception(),
            )
        )
        if stop:
            self._end("interrupted")
            return
        self.env.call_in(_PROGRESS_INTERVAL_S, self._report)

    def _top_exception(self) -> str:
        counts = self.server.charges.exception_counts()
        return counts.most_common(1)[0][0] if counts else ""

    def _iterate(self, vu: VirtualUser) -> None:
        user = vu.state
        if user is None:
            user = vu.state = User(self.site, vu)
        user.iterate(self._customer)

    # What the executor tells.

    def vu_started(self, vu: VirtualUser) -> None:
        """A user begins to iterate."""

    def vu_stopped(self, vu: VirtualUser) -> None:
        """A user is ramped down, or the load is over."""
        if vu.state is not None:
            vu.state.leave()

    def iteration_started(self, vu: VirtualUser) -> None:
        """An iteration begins; `User.iterate` charges for it."""

    def iteration_ended(self, vu: VirtualUser, duration_s: float, *, interrupted: bool) -> None:  # noqa: ARG002
        """Count a complete iteration."""
        if not interrupted:
            self.log.iteration_s.append(duration_s)

    def script_failed(self, vu: VirtualUser, error: Exception) -> None:  # noqa: ARG002
        """Count a script error, and keep the first: it tells a broken script from a hard day."""
        self.script_errors += 1
        if not self._first_script_error:
            self._first_script_error = f"{type(error).__name__}: {error}{_place_of(error)}"

    def spin(self, vu: VirtualUser) -> None:  # noqa: ARG002
        """Let a finished user spin until the executor ends it."""
        self.generator.spin()

    def initialise(self, vu: VirtualUser) -> None:  # noqa: ARG002
        """Initialise one more user during the run."""
        self.generator.start_vu()

    def dropped(self, count: int) -> None:
        """Iterations that could not be started; the executor counts them."""

    def _gauges(self) -> dict[str, Callable[[], float]]:
        server, executor = self.server, self.executor
        redis = self.redis
        return {
            "vus": lambda: executor.active_vus,
            "http_reqs": lambda: self.log.requests,
            "http_req_failed": lambda: self.log.failed,
            "passed": self.watch.passed,
            "waiting": self.watch.waiting,
            "redis_used_bytes": lambda: redis.stats().used_memory,
            "redis_keys": lambda: redis.stats().keys,
            "redis_evicted_keys": lambda: redis.stats().evicted_keys,
            "redis_expired_keys": lambda: redis.stats().expired_keys,
            "pool_active": lambda: server.pool.active,
            "pool_pending": lambda: server.pool.pending,
            "pool_timeouts": lambda: server.pool.timeouts,
            "threads_busy": lambda: server.workers.busy,
            "requests_queued": lambda: server.workers.queued,
            "connections": lambda: server.connector.accepted,
            "connection_backlog": lambda: server.connector.backlog,
            "host_memory_mb": lambda: self.host.demand_mb,
            "generator_memory_mb": self.generator.resident_mb,
            "spinning_vus": lambda: self.generator.spinning,
            "host_slowdown": lambda: self.host.slowdown,
            "service_cpu_s": lambda: server.process.used_s,
            "database_cpu_s": lambda: server.database_process.used_s,
            "redis_cpu_s": lambda: server.redis_process.process.used_s,
            "generator_cpu_s": lambda: (
                self.generator.process.used_s + self.generator.process.background_s
            ),
            **self.processes.gauges(),
        }

    def _tallies(self) -> dict[str, float]:
        exceptions = self.server.charges.exception_counts()
        return self.log.tallies() | {
            f"exception:{name}": float(count) for name, count in exceptions.items()
        }

    def result(self, seed: int) -> RunResult:
        """Close the books."""
        database = self.server.database
        measured_s = max(self._load_ended_s - self.site.start_s, 1e-9)
        self.log.spun_iterations, self.log.spun_s = self.generator.spun()
        metrics = self.log.metrics(measured_s) | self.room.metrics(measured_s)
        metrics["vus_max"] = {"value": self.executor.allocated_vus}
        metrics["interrupted_iterations"] = {"count": self.executor.interrupted_iterations}
        metrics["script_errors"] = {"count": self.script_errors}
        if self.executor.dropped_iterations:
            metrics["dropped_iterations"] = {
                "count": self.executor.dropped_iterations,
                "rate": self.executor.dropped_iterations / measured_s,
            }
        self.funnel.reach(max(1, self.executor.allocated_vus), Step.NEVER_ARRIVED)
        return RunResult(
            seed=seed,
            digest=self.log.digest(repr(database.final_rows()).encode(), self.redis.final_keys()),
            simulated_s=measured_s,
            ended=self._ended,
            metrics=metrics,
            outcomes=self.log.outcomes(),
            errors=self.log.errors(),
            exceptions={
                label: dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
                for label, counts in sorted(self.server.charges.exceptions.items())
            },
            tables=self._tables(),
            funnel=self.funnel.counts(),
            invariants=self._invariants(),
            sweeps=[*self._sweeps, *self._overdue_sweep(measured_s)],
            notes=[*self._script_notes(), *self.events.notes(self.redis), *self._story()],
            consulted=self._policy.asked,
            series=self.series.columns(),
        )

    def _violations(self, *, leaked_connections: int) -> Counts:
        counts = self.watch.violations(self.funnel, self.log, leaked_connections)
        if self.inspection is not None:
            counts["time_reversals"] = max(counts["time_reversals"], self.inspection.reversals)
        return counts

    def _invariants(self) -> Counts:
        """What is broken at the end, and in an inspected run what was when it ended there."""
        counts = self._violations(leaked_connections=self._leaked_connections())
        if self.inspection is not None:
            counts = self.inspection.counts(counts)
        return counts

    def _script_notes(self) -> list[str]:
        if not self.script_errors:
            return []
        return [
            (
                f"{self.script_errors:,} iterations ended in a script error, the first: "
                f"{self._first_script_error}"
            )
        ]

    def _story(self) -> list[str]:
        return [] if self.inspection is None else self.inspection.story()

    def _tables(self) -> dict[str, int]:
        database = self.server.database
        counts = database.rows_per_table()
        for column in (token_history.c.type, booking.c.status, outbox.c.status):
            for value, rows in database.counts_by(column).items():
                counts[f"{column.table.name}:{value}"] = rows
        booked = database.counts_by(booking.c.seat_id)
        counts["booked_seats"] = sum(1 for rows in booked.values() if rows)
        counts["seat:occupied"] = database.counts_by(seat.c.is_occupied).get(1, 0)
        return counts
