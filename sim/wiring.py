"""The parts of one run, made from a world and a seed and connected with each other.

Nothing happens here: `sim.run` starts the parts, `sim.make_result` reads them when all is over.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from sim.customers.customer_function import customer_function
from sim.customers.loads import RunLoads
from sim.customers.user import Site
from sim.faults.injection import Faults
from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.load.generator import Generator
from sim.machines.host import Host
from sim.machines.interference import Interference
from sim.machines.programs import Programs
from sim.measure.cleanups import CleanupLog
from sim.measure.events import Events
from sim.measure.funnel import Funnel
from sim.measure.gauges import gauges, tallies
from sim.measure.inspection.inspection import Inspection
from sim.measure.invariants import Watch
from sim.measure.requests import RequestLog
from sim.measure.series import Series
from sim.measure.waiting_room import WaitingRoom
from sim.measure.watched import NOTHING, Watched
from sim.processes.user_processes import UserProcesses
from sim.processes.world_view import WorldView
from sim.redis.server import RedisServer
from sim.result import COMPLETED, FAILED, INVARIANT_BROKEN
from sim.service.cost_errors import CostErrors
from sim.service.costs import Costs
from sim.service.host import Server
from sim.service.initial_data import fill_tables
from sim.service.policy_reads import PolicyReads
from sim.service.second_instance import SecondInstance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sim.customers.user import User
    from sim.kernel.random_streams import Stream
    from sim.processes.environment import ProcessEnvironment
    from sim.world import World


class RunEnd:
    """How the run ends. Whatever ends the run before its time says why."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.reason = COMPLETED
        """`RunResult.ended`, as far as it is known."""
        self.failure = ""
        """`RunResult.failure`."""
        self.note = ""
        """What else is to be said of the end; empty if nothing is."""

    def early(self, reason: str) -> None:
        """End the run now."""
        self.reason = reason
        self._env.stop()

    def failed(self, error: BaseException) -> None:
        """Note that the user's own code has ended the run. The first error counts."""
        if not self.failure:
            self.reason = FAILED
            self.failure = str(error)


class Parts:
    """Every part of one run.

    Args:
        world: the world, scaled already.
        size: the share of full size that `world` has.
        seed: of all random numbers.
        watched: percentiles to measure, and thresholds that end the run.
    """

    answers_show: ClassVar[bool] = True
    """The answers of the service show who waits, is let in, books and pays."""

    def __init__(self, world: World, size: float, seed: int, watched: Watched = NOTHING) -> None:
        self.seed = seed
        self.watched = watched
        self.crossed = ""
        """Which threshold ended the run, and when; empty if none did."""
        self.failing: tuple[tuple[str, float], ...] | None = None
        """See `Progress.failing`."""
        self.policy_reads = PolicyReads(world.policy)
        self.world = world = replace(world, policy=self.policy_reads)
        self.env = Environment()
        self.end = RunEnd(self.env)
        self.load_ended_s = 0.0
        streams = Streams(seed)
        if world.search.shuffles_ties:
            self.env.shuffle_ties(streams.stream("ties"))
        self.load_begins_s = self._when_the_load_begins(streams.stream("start of the load"))
        self._make_programs(streams, size)
        self._make_load(streams)
        self._make_measures()
        self._make_surroundings(streams)
        self._make_records()
        self._make_user_processes(streams, size)

    def _when_the_load_begins(self, rng: Stream) -> float:
        service = self.world.service
        jitter_s = service.start_jitter_s * rng.uniform(-1.0, 1.0)
        return max(0.0, service.started_before_s + jitter_s)

    def _make_programs(self, streams: Streams, size: float) -> None:
        """Machines, and the programs on them: load generator, Redis, service and database."""
        env, world = self.env, self.world
        without = "" if world.service.costs_without == "none" else world.service.costs_without
        costs = Costs.load(without=without)
        if world.service.costs_uncertain:
            costs = CostErrors.load(without).draw(costs, streams.stream("errors of the costs"))
        self.host = Host(env, world.host)
        self.generator_host = (
            self.host if world.generator.shares_host else Host(env, world.generator.host)
        )
        self.generator = Generator(
            env,
            self.generator_host,
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
        self.server = self._make_server(costs, streams, size)
        self.interference = Interference(
            env,
            world,
            costs,
            self.generator,
            self.server.charges,
            streams.stream("speed of the machine"),
        )

    def _make_server(self, costs: Costs, streams: Streams, size: float) -> Server:
        """The service with its database, whose tables are filled."""
        server = Server(self.env, self.world, costs, self.host, self.redis, streams, size)
        server.make_second = lambda takes_requests: SecondInstance(
            self.env, server, takes_requests=takes_requests
        )
        fill_tables(server.database, self.world.catalogue, self.world.policy.access_ttl_s)
        return server

    def _customer(self, path: str) -> Callable[[User], None]:
        return customer_function(path)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Watch the user's own processes while the run lasts."""
        with self.user_processes.watched():
            yield

    def close(self) -> None:
        """End every thread that is left."""
        self.env.close()

    def remarks(self) -> list[str]:
        """Remarks on this kind of run, for readers of the result."""
        return self.server.charges.crashes.notes()

    def _make_watch(self) -> Watch:
        return Watch(self.env, self.server, self.world.catalogue.capacity)

    def _make_load(self, streams: Streams) -> None:
        """The customers, and the executor that lets them come and go."""
        env, world = self.env, self.world
        percentiles = self.watched.percentiles
        self.log = RequestLog(percentiles=percentiles)
        self.funnel = Funnel(0)
        self.room = WaitingRoom(percentiles, answers_show=self.answers_show)
        self.room.opens_s = world.catalogue.opens_after_s or 0.0
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
        self.loads = RunLoads(world, self.site, self._customer, streams, percentiles)
        self.executor = self.loads.executor

    def _make_measures(self) -> None:
        """Make the parts that look at the queue's sets and record events."""
        world = self.world
        self.watch = self._make_watch()
        self.server.redis_turn.watch = self.watch.before_command
        self.events = Events(self.env, self.load_begins_s)
        self.cleanups = CleanupLog(
            self.watch, world.policy, world.catalogue.opening_epoch_s + self.load_begins_s
        )
        self.server.on_sweep = self.cleanups.add

    def _make_surroundings(self, streams: Streams) -> None:
        """The operating system, which kills processes, and the faults."""
        env, server = self.env, self.server
        self.programs = Programs(
            env,
            self.world,
            server,
            self.generator,
            self.generator_host,
            self.events,
            self.end.early,
        )
        self.faults = Faults(
            env,
            self.world.faults,
            server,
            self.programs,
            self.generator_host,
            self.events,
            streams,
        )

    def _make_records(self) -> None:
        """The time series, and in a search for races the look at the invariants."""
        log, server = self.log, self.server
        self._gauges = gauges(log, self.watch, server, self.generator, self.executor, self.programs)
        self.series = Series(
            self.env,
            self._gauges,
            interval_s=1.0,
            tallies=lambda: tallies(log, server),
        )
        self.inspection: Inspection | None = None
        if self.world.search.inspects:
            self.inspection = Inspection(
                self.env,
                server,
                lambda: self.watch.violations(self.funnel, log, 0),
                lambda: log.requests,
                lambda: self.end.early(INVARIANT_BROKEN),
                self.world.search.only,
                lambda: self.watch.judged,
            )

    def _make_user_processes(self, streams: Streams, size: float) -> None:
        """The processes of the user's own."""

        def view_of(env: ProcessEnvironment, name: str, number: int) -> WorldView:
            return WorldView(
                self.env,
                env,
                name,
                self.world,
                size,
                self.load_begins_s,
                self.server,
                self.executor,
                self.log,
                self.watch,
                self.events,
                self._gauges,
                streams.python_random(f"process {number}"),
            )

        self.user_processes = UserProcesses(self.env, self.world.processes, view_of)
