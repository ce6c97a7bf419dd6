"""The world's programs, as fast as the real ones were in a calibration.

A program's processor time per request while the machine is busy gives its speed: the world's work
is multiplied by measured over simulated time, again and again, as the mixture of requests depends
a little on what is fitted.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import tomli_w

from experiments.interop.k6_output import Output
from experiments.studies.live.application import BACKGROUND
from experiments.studies.live.demands import SERVICE, Account, Demands, demands
from experiments.studies.live.spread import Deviations, mean_of, spread
from sim.load.settings import ConstantVUs
from sim.result import RunResult
from sim.run import simulate
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


def by_endpoint(pairs: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """Endpoint -> seconds of its requests, in their order."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for endpoint, seconds in pairs:
        found[endpoint].append(seconds)
    return found


def simulated_times(world: World) -> dict[str, list[float]]:
    """Endpoint -> seconds of its requests in a simulated run of the world."""
    pairs: list[tuple[str, float]] = []
    simulate(world, 1, sampler=lambda sample: pairs.append((sample.endpoint, sample.duration_s)))
    return by_endpoint(pairs)


def fragment(world: World, own: Mapping[str, Mapping[str, Any]]) -> str:
    """The fitted keys as TOML, which a config can name under `include`.

    Args:
        world: with the fitted machine, load generator, database, Redis and network.
        own: the fitted tables of the service; keys that are None are left out.
    """
    generator, database = world.generator, world.database
    tables: dict[str, Mapping[str, Any]] = {
        **own,
        "generator": {"speed": generator.speed, "vu_start_s": generator.vu_start_s},
        "database": {"speed": database.speed, "commit_wait_s": database.commit_wait_s},
        "redis": {"command_overhead_us": world.redis.command_overhead_us},
        "network": {"one_way_s": world.network.one_way_s},
    }
    return tomli_w.dumps(
        {
            name: {key: value for key, value in table.items() if value is not None}
            for name, table in tables.items()
        }
    )


def told_of_programs(world: World, deviations: Deviations) -> list[str]:
    """What was fitted beside the service, and how much the rounds differ, a line each."""
    start_s = world.generator.vu_start_s
    return [
        f"generator.speed={world.generator.speed:.3g}",
        *([] if start_s is None else [f"generator.vu_start_s={start_s:.3g}"]),
        f"database.speed={world.database.speed:.3g}",
        f"database.commit_wait_s={world.database.commit_wait_s:.3g}",
        f"redis.command_overhead_us={world.redis.command_overhead_us:.3g}",
        f"network.one_way_s={world.network.one_way_s:.3g}",
        *_told_of_deviations(deviations),
    ]


def _told_of_deviations(deviations: Deviations) -> list[str]:
    if not deviations:
        return []
    found = spread(deviations)._asdict().items()
    shares = ", ".join(f"{name} {100 * share:.2g} %" for name, share in found)
    return [f"between {len(deviations)} rounds the demands differ by (one deviation): {shares}"]
