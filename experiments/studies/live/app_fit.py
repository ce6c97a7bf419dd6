"""What a calibration of the real application tells about this machine, as values of config keys.

Two loads without pauses are measured: one user, and a few users who keep the machine busy.

- From the processor time that each program needs per request while the machine is busy: the speed
  of the load generator and of the database, Redis's work per command, and one factor on the
  application's own code for what its segments cannot know (the server, the real drivers, sockets).
- From the disk: the wait of a commit.
- From the latencies of one user: the delay of the loopback device and the kernel.

The same two loads are simulated, so that the mixture of requests is the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

from experiments.config.reading import Config
from experiments.interop.k6_output import Output
from experiments.studies.app_segments import measure
from experiments.studies.live.demands import Account, demands
from sim.app.customer import hurried
from sim.load.settings import ConstantVUs
from sim.result import RunResult
from sim.run import simulate
from sim.world import World

SINGLE: Final = ConstantVUs("constant-vus", 15.0, 1, graceful_stop_s=1.0)
BUSY: Final = ConstantVUs("constant-vus", 15.0, 16, graceful_stop_s=1.0)
_ROUNDS: Final = 3
"""Rounds of the fit: the mixture of requests depends a little on what is fitted."""
_FEWEST: Final = 20
_WIDEST: Final = 0.5
"""Endpoints whose quartiles are farther apart, as a share of the median, wait for chance."""
_START_ROWS: Final = 3
_SYNCS: Final = 100
_SYNC_BYTES: Final = 512
_DATABASES: Final = ("mariadbd", "postgres")


class Measured(NamedTuple):
    """One load on the real programs: k6's output, and the processor time of the programs."""

    output: Output
    taken: Sequence[Account]


class Demands(NamedTuple):
    """Processor seconds per request of the four programs."""

    generator: float
    service: float
    database: float
    redis: float


class Fit(NamedTuple):
    """The world with this machine's numbers, and what to tell of them."""

    world: World
    told: list[str]


def fitted(config: Config, world: World, single: Measured, busy: Measured, folder: Path) -> Fit:
    """Fit an application's world to two loads on the real servers.

    Args:
        config: the application's config; its segments are timed here.
        world: the config's world on this machine.
        single: the load `SINGLE` as measured.
        busy: the load `BUSY` as measured.
        folder: a folder on the disk that the database uses.
    """
    times = measure(config)
    settings = replace(world.app, segments=times.segments, factors={}, request_cv=times.request_cv)
    database = replace(world.database, commit_wait_s=sync_s(folder))
    world = replace(world, app=settings, database=database)
    measured = _measured(busy)
    remarks = []
    if measured is None:
        remarks.append("the processor time of the programs could not be measured")
    else:
        for _ in range(_ROUNDS):
            world = _nearer(world, measured)
        world = replace(world, app=replace(world.app, factors={"*": _factor(world)}))
    delay_s, remark = _delay_s(world, single.output)
    world = replace(world, network=replace(world.network, one_way_s=delay_s))
    told = [
        f"app.segments: {len(times.segments)} timed",
        f"app.request_cv={world.app.request_cv}",
        f'app.factors."*"={_factor(world):.4g}',
        f"generator.speed={world.generator.speed:.3g}",
        f"database.speed={world.database.speed:.3g}",
        f"database.commit_wait_s={database.commit_wait_s:.3g}",
        f"redis.command_overhead_us={world.redis.command_overhead_us:.3g}",
        f"network.one_way_s={delay_s:.3g}",
    ]
    return Fit(world, [*told, *remarks, *remark])


def sync_s(folder: Path) -> float:
    """Median time of writing a small record to the disk of a folder."""
    path = folder / "sync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(b"x" * _SYNC_BYTES)
            began_s = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began_s)
    path.unlink()
    return median(times)


def _measured(load: Measured) -> Demands | None:
    found = demands(load.taken, load.output.requests)
    database = sum(found.get(name, 0.0) for name in _DATABASES)
    if not found or not database:
        return None
    return Demands(found["k6"], found["service"], database, found.get("redis-server", 0.0))


def _factor(world: World) -> float:
    return world.app.factors.get("*", 1.0)


def _nearer(world: World, measured: Demands) -> World:
    """The world with each program's work multiplied by measured over simulated demand."""
    simulated = _simulated(world)
    generator, database, redis = world.generator, world.database, world.redis
    factor = _factor(world)
    if simulated.generator > 0.0 and measured.generator > 0.0:
        speed = generator.speed * simulated.generator / measured.generator
        generator = replace(generator, speed=speed)
    if simulated.database > 0.0:
        database = replace(database, speed=database.speed * simulated.database / measured.database)
    if simulated.redis > 0.0 and measured.redis > 0.0:
        overhead_us = redis.command_overhead_us * measured.redis / simulated.redis
        redis = replace(redis, command_overhead_us=overhead_us)
    if simulated.service > 0.0:
        factor *= measured.service / simulated.service
    app = replace(world.app, factors={"*": factor})
    return replace(world, generator=generator, database=database, redis=redis, app=app)


def roomy(world: World) -> World:
    """The world as it is calibrated: `app.calibration_env` holds."""
    app = world.app
    return replace(world, app=replace(app, env={**app.env, **app.calibration_env}))


def _as_measured(world: World, load: ConstantVUs) -> World:
    return replace(roomy(world), load=load, faults=())


def _simulated(world: World) -> Demands:
    """Processor seconds per request while the machine is busy, the first seconds left out."""
    with hurried():
        run = simulate(_as_measured(world, BUSY), 1)
    programs = ("generator", "service", "database", "redis")
    requests = _grown(run, "http_reqs")
    return Demands(*(_grown(run, f"{name}_cpu_s") / requests for name in programs))


def _grown(run: RunResult, column: str) -> float:
    values = run.series[column]
    return float(values[-1] - values[_START_ROWS])


def _delay_s(world: World, output: Output) -> tuple[float, list[str]]:
    """The delay of each way, from what one user waits beyond the simulated times; remarks."""
    real: dict[str, list[float]] = {}
    for request in output.requests:
        real.setdefault(request.name, []).append(request.duration_ms * 1e-3)
    simulated: dict[str, list[float]] = {}
    with hurried():
        simulate(
            _as_measured(world, SINGLE),
            1,
            sampler=lambda sample: simulated.setdefault(sample.endpoint, []).append(
                sample.duration_s
            ),
        )
    more_s = [
        median(times) - median(simulated[endpoint])
        for endpoint, times in real.items()
        if min(len(times), len(simulated.get(endpoint, ()))) >= _FEWEST and _is_steady(times)
    ]
    if not more_s:
        return 0.0, ["no endpoint was met often enough by one user to tell the network's delay"]
    delay_s = world.network.one_way_s + median(more_s) / 2.0
    if delay_s < 0.0:
        return 0.0, [f"one user waits {-2e3 * delay_s:.2g} ms less than is simulated"]
    return delay_s, []


def _is_steady(times: Sequence[float]) -> bool:
    low, middle, high = quantiles(times, n=4)
    return high - low <= _WIDEST * middle
