"""A small world in which nothing is wrong, and runs of it with something done on the way."""

from collections import Counter
from dataclasses import replace

from model.policy import Policy
from sim.customers.settings import Customer
from sim.load.settings import ConstantVUs, RampingVUs, Stage
from sim.make_result import make_result
from sim.run import play
from sim.wiring import Parts
from sim.world import Catalogue, Generator, Host, Service, World

SMALL = World(
    # Everything that takes minutes in the incident takes seconds here.
    policy=Policy(
        access_ttl_s=60.0, waiting_ttl_s=30.0, sweep_interval_s=1.0, booking_expiry_s=30.0
    ),
    customer=Customer(
        poll_interval_s=0.5,
        retry_interval_s=0.5,
        think_low_s=0.5,
        think_high_s=1.0,
        pay_probability=1.0,
    ),
    load=ConstantVUs("constant-vus", duration_s=20.0, vus=30, graceful_stop_s=1.0),
    catalogue=Catalogue(users=200, capacity=10, seats=200),
    service=Service(started_before_s=0.5, warm=True),
    host=Host(cores=4.0),
    generator=Generator(host=Host(cores=4.0)),
)
"""Thirty customers, ten let in at a time, seats for all: everyone pays within twenty seconds."""


def small(*, defect=None, script=None, load=None, **parts):
    """`SMALL` with one defect on; `parts` are field names of World and what to change in them."""
    world = SMALL
    for part, changes in parts.items():
        world = replace(world, **{part: replace(getattr(world, part), **changes)})
    if defect is not None:
        world = replace(world, policy=world.policy.with_defect(defect))
    if script is not None:
        path = f"tests.support.world_customers:{script}"
        world = replace(world, customer=replace(world.customer, script=path))
    if load is not None:
        world = replace(world, load=load)
    return world


def during(duration_s, vus):
    """So many users for so long, cut off at the end."""
    return ConstantVUs("constant-vus", duration_s=duration_s, vus=vus, graceful_stop_s=0.0)


def one_by_one(duration_s, vus):
    """Users who come one after the other for three seconds, and stay until the end."""
    return RampingVUs(
        stages=(Stage(3.0, vus), Stage(duration_s - 3.0, vus)),
        graceful_ramp_down_s=0.0,
        graceful_stop_s=0.0,
    )


class _Witness:
    """Stands where a request's waiter does, and notes whether anybody was still waiting."""

    def __init__(self, exchange, served):
        self._waiter = exchange.waiter
        self._exchange = exchange
        self._served = served

    def wake(self, value):
        in_time = self._waiter.wake(value)
        self._served[self._exchange.endpoint, self._exchange.response.status, in_time] += 1
        return in_time


class Played:
    """A run to look into.

    `run` are its parts, `result` is its result; `served` counts the service's answers by endpoint,
    status and whether the client still waited for them.
    """

    def __init__(self, world, seed=1, *, events=()):
        """Each event (t_s, action) calls action(run) t_s seconds after the load began."""
        self.run = run = Parts(world, 1.0, seed)
        self.served = Counter()
        self._witness(run.server.workers)
        try:
            for time_s, action in events:
                at_s = world.service.started_before_s + time_s
                run.env.call_at(at_s, lambda action=action: action(run))
            play(run)
            self.result = make_result(run)
        finally:
            run.env.close()

    def _witness(self, workers):
        serve = workers._work

        def work(exchange):
            exchange.waiter = _Witness(exchange, self.served)
            serve(exchange)

        workers._work = work

    def durations_s(self, *, error):
        """How long the failed requests with this primary cause took, in order."""
        log = self.run.log
        keys = {key for (_, _, cause), key in log._keys.items() if cause == error}
        return [
            taken_s
            for key, taken_s in zip(log._key.kept(), log._duration_s.kept(), strict=True)
            if key in keys
        ]

    def column(self, name):
        """A time series as a list of (t_s, value)."""
        series = self.result.series
        return list(zip(series["t_s"].tolist(), series[name].tolist(), strict=True))


def requests(result, endpoint):
    """Requests to an endpoint, however they ended."""
    return sum(result.outcomes.get(endpoint, {}).values())


def failures(result, endpoint):
    """Primary cause -> failed requests to an endpoint."""
    return result.errors.get(endpoint, {})


def logged(result, name):
    """Logged exceptions of a class, wherever they were thrown."""
    return sum(counts.get(name, 0) for counts in result.exceptions.values())


def hold_connections(duration_s):
    """An event: somebody takes every pool connection as it comes free, and keeps it for a while."""

    def hold(run):
        pool = run.server.pool

        def one():
            borrowed_s = pool.acquire()
            run.env.sleep(duration_s)
            pool.release(borrowed_s)

        for number in range(pool.size):
            run.env.spawn(f"holder-{number}", one)

    return hold


def lose_redis_data(run):
    """An event: Redis is restarted and has nothing on disk."""
    run.programs.restart_redis(0.0, lose_data=True)
