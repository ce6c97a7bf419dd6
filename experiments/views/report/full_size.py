"""A smaller run's time series in the numbers of the config as it is written.

People, requests, seats and keys grow as the scale; what a limit of the config bounds grows as that
limit, which is a whole number at every scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from sim.result import RunResult
from sim.scale import scaled
from sim.world import World

_THREADS: Final = ("threads_busy", "requests_queued")
_POOL: Final = ("pool_active", "pool_pending", "pool_timeouts")
_MEMORY: Final = ("host_memory_mb", "generator_memory_mb")
_PEOPLE: Final = ("vus", "waiting", "passed", "http_reqs", "http_req_failed")
_REDIS: Final = ("redis_evicted_keys", "redis_refused_commands")
_COUNTED: Final = (
    "requests:",
    "failed:",
    "error:",
    "exception:",
    "redis_members:",
    "redis_bytes:",
)


def factors(world: World, scale: float) -> dict[str, float]:
    """Column, or prefix of columns -> how many times as much it is at full size.

    Args:
        world: as the config has it.
        scale: of the run.
    """
    small = scaled(world, scale)
    found = dict.fromkeys((*_PEOPLE, *_REDIS, *_COUNTED), 1.0 / scale)
    found |= dict.fromkeys(_THREADS, world.service.threads / small.service.threads)
    found["connections"] = world.service.max_connections / small.service.max_connections
    found |= dict.fromkeys(_POOL, world.pool.connections / small.pool.connections)
    found |= dict.fromkeys(_MEMORY, world.host.memory_mb / small.host.memory_mb)
    return found


def at_full_size(runs: Sequence[RunResult], world: World | None, scale: float) -> list[RunResult]:
    """The same runs with series in numbers of full size; as they are if that is not known."""
    if world is None or scale == 1.0:
        return list(runs)
    times = factors(world, scale)
    return [_enlarged(run, times) for run in runs]


def _enlarged(run: RunResult, times: Mapping[str, float]) -> RunResult:
    series = {
        name: values * times.get(name, times.get(f"{name.partition(':')[0]}:", 1.0))
        for name, values in run.series.items()
    }
    return dataclasses.replace(run, series=series)
