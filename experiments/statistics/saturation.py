"""Which limited resources of a world were full, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from typing_extensions import TypedDict

from sim.result import RunResult
from sim.world import World

FULL_FROM: Final = 0.05
"""Full for a larger share of the time than this is worth telling."""
_LIMITED: Final = {
    "service.max_connections": "connections",
    "service.threads": "threads_busy",
    "pool.connections": "pool_active",
}
"""Config key of a limit -> column of the series that cannot go beyond it."""
CAUSED_BY: Final[Mapping[str, str]] = {
    "DialTimeout": "service.max_connections",
    "ConnectionRefused": "service.accept_count",
    "PortsExhausted": "generator.local_ports",
    "PoolTimeoutError": "pool.connections",
    "QueueStoreError": "redis.maxmemory",
    "ExpiredTokenError": "policy.access_ttl_s",
}
"""Primary cause of a failure -> config key of what there is too little of, where one is certain."""


FEWEST_UNITS: Final = 20
"""At a smaller scale a limit of fewer units is rounded by 2.5 % or more; a failure there may come
from the rounding."""
SEATS: Final = "catalogue.seats"


class Full(TypedDict):
    """A resource that was full."""

    key: str
    """The config key of its limit."""
    share_of_time: float
    """Mean over the runs that have time series."""


def limits_of(world: World) -> dict[str, float]:
    """Config key -> limit, of a world as it is simulated."""
    return {
        "service.max_connections": world.service.max_connections,
        "service.threads": world.service.threads,
        "pool.connections": world.pool.connections,
    }


def settings_of(world: World) -> dict[str, float | str]:
    """Config key -> value of every limit that a failure can be blamed on, as the config has it."""
    return {
        "service.max_connections": world.service.max_connections,
        "service.threads": world.service.threads,
        "service.accept_count": world.service.accept_count,
        "pool.connections": world.pool.connections,
        "generator.local_ports": world.generator.local_ports,
        "redis.maxmemory": world.redis.maxmemory,
        "policy.access_ttl_s": world.policy.access_ttl_s,
        SEATS: world.catalogue.seats,
    }


def rounded_limits(world: World, small: World) -> frozenset[str]:
    """Config keys of limits that a scale has made too small to blame.

    Args:
        world: as the config has it.
        small: the same world at the scale of the runs.
    """
    pairs = {
        "service.max_connections": (world.service.max_connections, small.service.max_connections),
        "service.accept_count": (world.service.accept_count, small.service.accept_count),
        "service.threads": (world.service.threads, small.service.threads),
        "pool.connections": (world.pool.connections, small.pool.connections),
        "generator.local_ports": (world.generator.local_ports, small.generator.local_ports),
    }
    return frozenset(key for key, (whole, part) in pairs.items() if part < min(FEWEST_UNITS, whole))


def full_resources(runs: Sequence[RunResult], limits: Mapping[str, float]) -> list[Full]:
    """What was full for longer than `FULL_FROM` of the time, the longest first.

    Args:
        runs: replications; those without time series say nothing.
        limits: see `limits_of`.
    """
    measured = [run.series for run in runs if len(run.series.get("t_s", ())) > 1]
    found: list[Full] = []
    for key, column in _LIMITED.items():
        shares = [
            float((np.nan_to_num(series[column]) >= limits[key]).mean())
            for series in measured
            if column in series and key in limits
        ]
        if shares and (share := sum(shares) / len(shares)) > FULL_FROM:
            found.append({"key": key, "share_of_time": share})
    return sorted(found, key=lambda one: -one["share_of_time"])
