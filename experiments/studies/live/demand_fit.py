"""The world's programs, as fast as the real ones were in a calibration.

A program's processor time per request while the machine is busy gives its speed: the world's work
is multiplied by measured over simulated time, again and again, as the mixture of requests depends
a little on what is fitted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from experiments.interop.k6_output import Output
from experiments.studies.live.application import BACKGROUND
from experiments.studies.live.demands import SERVICE, Account, Demands, demands
from experiments.studies.live.spread import Deviations, mean_of, spread
from sim.load.settings import ConstantVUs
from sim.result import RunResult
from sim.world import OTHER_ENDPOINTS, World

SINGLE: Final = ConstantVUs("constant-vus", 6.0, 1, graceful_stop_s=1.0)
BUSY: Final = ConstantVUs("constant-vus", 10.0, 16, graceful_stop_s=1.0)
SINGLES: Final = 3
BUSY_ROUNDS: Final = 4
_ROUNDS: Final = 3
"""Of the fit."""
_PROGRAMS: Final = ("generator", "service", "database", "redis")
_DATABASES: Final = ("mariadbd", "postgres")
_START_ROWS: Final = 3
_SYNCS: Final = 100
_SYNC_BYTES: Final = 512


class Measured(NamedTuple):
    """One load on the real programs: k6's output, and the processor time of the programs."""

    output: Output
    taken: Sequence[Account]


class Fit(NamedTuple):
    """The world with this machine's numbers, and what to tell of them."""

    world: World
    deviations: Deviations
    told: list[str]


def demands_of(load: Measured) -> Demands | None:
    """Each program's processor seconds per request; None where they could not be measured."""
    found = demands(load.taken, load.output.requests)
    database = sum(found.get(name, 0.0) for name in _DATABASES)
    if not found or not database:
        return None
    service = sum(
        used for name, used in found.items() if name == SERVICE or name.startswith(BACKGROUND)
    )
    return Demands(found["k6"], service, database, found.get("redis-server", 0.0))


def with_measured_demands(
    world: World, rounds: Sequence[Demands], busy: Callable[[World], RunResult]
) -> World:
    """The world whose programs need, per request, what they needed in the rounds.

    Args:
        world: what is fitted.
        rounds: at least one.
        busy: simulates the rounds' load in a world.
    """
    measured = mean_of(rounds)
    for _ in range(_ROUNDS):
        simulated = simulated_demands(busy(world))
        ratios = (
            real / here if real > 0.0 and here > 0.0 else 1.0
            for real, here in zip(measured, simulated, strict=True)
        )
        world = with_demands_times(world, Demands(*ratios))
    return world


def simulated_demands(run: RunResult) -> Demands:
    """Processor seconds per request, the first seconds left out."""
    requests = _grown(run, "http_reqs")
    return Demands(*(_grown(run, f"{name}_cpu_s") / requests for name in _PROGRAMS))


def _grown(run: RunResult, column: str) -> float:
    values = run.series[column]
    return float(values[-1] - values[_START_ROWS])


def with_demands_times(world: World, factors: Demands) -> World:
    """The world with each program's work per request multiplied by a factor."""
    generator, database, redis = world.generator, world.database, world.redis
    start_s = generator.vu_start_s
    world = replace(
        world,
        generator=replace(
            generator,
            speed=generator.speed / factors.generator,
            vu_start_s=None if start_s is None else start_s * factors.generator,
        ),
        database=replace(database, speed=database.speed / factors.database),
        redis=replace(redis, command_overhead_us=redis.command_overhead_us * factors.redis),
    )
    if world.app.path:
        return replace(world, app=replace(world.app, factors=_times(world.app.factors, factors)))
    service = world.service
    return replace(world, service=replace(service, factors=_times(service.factors, factors)))


def _times(known: dict[str, float], factors: Demands) -> dict[str, float]:
    return {
        endpoint: factor * factors.service
        for endpoint, factor in {OTHER_ENDPOINTS: 1.0, **known}.items()
    }


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


def told_of_deviations(deviations: Deviations) -> list[str]:
    """How much the rounds differ, in a line."""
    if not deviations:
        return []
    found = spread(deviations)._asdict().items()
    shares = ", ".join(f"{name} {100 * share:.2g} %" for name, share in found)
    return [f"between {len(deviations)} rounds the demands differ by (one deviation): {shares}"]
