"""One try of the search for races: its seed varies the world, and its result names what broke."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from experiments.runs.workers.worker import Task
from sim.faults.settings import (
    ClockSkew,
    DatabaseDeadlock,
    DatabaseDiskFull,
    DatabasePause,
    DatabaseRowsLocked,
    Fault,
    GeneratorStarved,
    JvmPause,
    NetworkLoss,
    RedisConnectionsDropped,
    RedisLatency,
    RedisPause,
    RedisRestart,
    SecondInstance,
    ServicePause,
)
from sim.kernel.environment import Environment
from sim.kernel.random_streams import Stream, Streams
from sim.load.settings import ConstantVUs, PerVUIterations, SharedIterations
from sim.progress import OnProgress
from sim.result import RunResult
from sim.run import simulate
from sim.world import World

CRASHED: Final = "crashed"
"""How a run ended in which the simulator itself failed. The error is its only exception, under the
same name, and its only remark."""

_STALL_PROBABILITIES: Final = (0.01, 0.03, 0.1, 0.3)
_LONGEST_STALLS_S: Final = (0.01, 0.1, 1.0)
_MOST_FAULTS: Final = 2
_LONGEST_FAULT: Final = 0.5
"""As a share of the load's length."""
_PAUSES: Final[tuple[Callable[[float, float], Fault], ...]] = (
    lambda at_s, for_s: JvmPause("jvm_pause", at_s, for_s=for_s),
    lambda at_s, for_s: ServicePause("service_pause", at_s, for_s=for_s),
)
"""How the ticket service stands still, and an application, which no JVM runs."""


def varied(world: World, seed: int) -> World:
    """The world with what `seed` changes: load, speed, pool, order of events, and faults.

    Nothing gets larger than it is; faults of the world itself stay.
    """
    rng = Streams(seed).stream("fuzz")
    length_s = load_length_s(world)
    pause = _PAUSES[bool(world.app.path)]
    faults = [_fault(rng, length_s, pause) for _ in range(rng.index(_MOST_FAULTS + 1))]
    return replace(
        world,
        load=with_users(world, 2 + rng.index(max(1, users_of(world) - 1))).load,
        pool=replace(world.pool, connections=1 + rng.index(world.pool.connections)),
        host=replace(
            world.host,
            cores=float(1 + rng.index(max(1, int(world.host.cores)))),
            speed=world.host.speed * 10.0 ** rng.uniform(-0.5, 0.5),
        ),
        faults=(*world.faults, *faults),
        search=replace(
            world.search,
            inspects=True,
            shuffles_ties=True,
            stall_probability=_one_of(rng, _STALL_PROBABILITIES),
            longest_stall_s=_one_of(rng, _LONGEST_STALLS_S),
        ),
    )


def users_of(world: World) -> int:
    """Virtual users of a load that has a fixed number of them; 1 for any other."""
    load = world.load
    return load.vus if isinstance(load, ConstantVUs | PerVUIterations | SharedIterations) else 1


def with_users(world: World, users: int) -> World:
    """The world with so many virtual users; unchanged if its load has no fixed number of them."""
    load = world.load
    if isinstance(load, SharedIterations):
        each = max(1, load.iterations // load.vus)
        return replace(world, load=replace(load, vus=users, iterations=users * each))
    if isinstance(load, ConstantVUs | PerVUIterations):
        return replace(world, load=replace(load, vus=users))
    return world


def load_length_s(world: World) -> float:
    """For how long users come, as far as the config says so."""
    load = world.load
    stages = getattr(load, "stages", ())
    if stages:
        return float(sum(stage.duration_s for stage in stages))
    return float(getattr(load, "duration_s", 0.0) or getattr(load, "max_duration_s", 1.0))


def _one_of(rng: Stream, values: Sequence[Any]) -> Any:
    return values[rng.index(len(values))]


def _fault(rng: Stream, length_s: float, pause: Callable[[float, float], Fault]) -> Fault:
    """Any fault, at any time, for a part of the load."""
    at_s = rng.uniform(0.0, length_s)
    for_s = length_s * _LONGEST_FAULT * 10.0 ** rng.uniform(-2.0, 0.0)
    make: Callable[[], Fault] = _one_of(
        rng,
        (
            lambda: RedisRestart(
                "redis_restart",
                at_s,
                restart_after_s=for_s,
                lose_data=rng.bernoulli(0.5),
            ),
            lambda: RedisPause("redis_pause", at_s, for_s=for_s),
            lambda: RedisLatency(
                "redis_latency", at_s, extra_s=rng.uniform(0.001, 0.1), for_s=for_s
            ),
            lambda: RedisConnectionsDropped(
                "redis_connections_dropped",
                at_s,
                for_s=for_s,
                share=rng.uniform(0.05, 1.0),
                after_command=rng.bernoulli(0.5),
            ),
            lambda: DatabasePause("database_pause", at_s, for_s=for_s),
            lambda: DatabaseDeadlock("database_deadlock", at_s, transactions=1 + rng.index(3)),
            lambda: DatabaseRowsLocked(
                "database_rows_locked",
                at_s,
                table=_one_of(rng, ("seat", "concert_schedule", "user_point", "booking")),
                for_s=for_s,
            ),
            lambda: DatabaseDiskFull("database_disk_full", at_s, for_s=for_s),
            lambda: pause(at_s, for_s),
            lambda: GeneratorStarved("generator_starved", at_s, for_s=for_s),
            lambda: NetworkLoss(
                "network_loss",
                at_s,
                between=_one_of(rng, ("generator-service", "service-redis", "service-database")),
                share=rng.uniform(0.05, 1.0),
                for_s=for_s,
            ),
            lambda: ClockSkew(
                "clock_skew",
                at_s,
                offset_s=rng.uniform(-2.0, 2.0) * length_s,
                for_s=for_s if rng.bernoulli(0.5) else 0.0,
            ),
            lambda: SecondInstance("second_instance", at_s, takes_requests=rng.bernoulli(0.5)),
        ),
    )
    return make()


@dataclasses.dataclass(frozen=True)
class Trial(Task):
    """One try: `world` as the config has it, varied by `variation`, run with `seed`."""

    variation: int = dataclasses.field(kw_only=True)

    def perform(
        self,
        hear: OnProgress,  # noqa: ARG002
        on_kernel: Callable[[Environment], None],
    ) -> RunResult:
        """Run it here; only what a search needs of the result is kept."""
        return essence(attempt(varied(self.world, self.variation), self.seed, on_kernel))


def attempt(
    world: World, seed: int, on_kernel: Callable[[Environment], None] | None = None
) -> RunResult:
    """Run a world; a failure of the simulator itself is a result, too."""
    try:
        return simulate(world, seed, on_kernel=on_kernel)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the search looks for
        return _crashed(seed, error)


def _crashed(seed: int, error: Exception) -> RunResult:
    text = f"{type(error).__name__}: {error}"
    return RunResult(
        seed=seed,
        digest="",
        simulated_s=0.0,
        ended=CRASHED,
        metrics={},
        outcomes={},
        errors={},
        exceptions={CRASHED: {type(error).__name__: 1}},
        tables={},
        funnel={},
        invariants={},
        sweeps=[],
        notes=[text],
    )


def essence(run: RunResult) -> RunResult:
    """A result with only what a search needs: ten thousand results are kept."""
    found = broken(run)
    return replace(
        run,
        metrics={},
        exceptions=run.exceptions if run.ended == CRASHED else {},
        tables={},
        funnel={},
        invariants=dict.fromkeys(found, 1) if run.ended == CRASHED else run.invariants,
        sweeps=[],
        notes=run.notes if found else [],
        series={},
    )


def _positive(run: RunResult) -> dict[str, int]:
    return {name: count for name, count in run.invariants.items() if count}


def broken(run: RunResult) -> tuple[str, ...]:
    """What a try has found: names of broken invariants, or the error that ended it."""
    if run.ended == CRASHED:
        return tuple(f"{CRASHED}: {name}" for name in run.exceptions[CRASHED])
    return tuple(sorted(_positive(run)))


def found_by(run: RunResult, only: Sequence[str]) -> tuple[str, ...]:
    """What a try has found that is looked for: every violation, or those of `only`; crashes."""
    names = broken(run)
    if not only or run.ended == CRASHED:
        return names
    return tuple(name for name in names if name in only)
