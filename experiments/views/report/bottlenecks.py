"""Resources that were full: memory, processors, worker threads, database connections."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.views.text.run_text import number
from sim.result import RunResult
from sim.world import World

_MB = 1e6
_OFTEN = 0.25
"""Full for a larger share of the time than this counts as full in the verdict."""
_SLOW = 1.05
_LEAST = 1e-6
"""For numbers that a scale has made fractions of."""


@dataclasses.dataclass(frozen=True)
class Bottleneck:
    """One resource of the simulated machines, and how much of it was used, in words."""

    what: str
    limit: str
    used: str
    waiting: str
    full: bool
    sentence: str
    """For the verdict, where it was full."""


def bottlenecks(runs: Sequence[RunResult], world: World) -> list[Bottleneck]:
    """What there was of each resource and what was used, in the replications with time series.

    Args:
        runs: replications, their series in numbers of full size.
        world: as the config has it.
    """
    measured = [run for run in runs if len(run.series.get("t_s", ())) > 1]
    if not measured:
        return []
    found = [_memory(measured, world)]
    if not world.app.asgi:
        # An event loop takes any number of requests at once.
        found.append(_threads(measured, world))
    # The pools of an application are its own: their limits are not known.
    if world.app.path:
        return found
    return [*found, *_connections(measured, world), _pool(measured, world)]


def threads_of(world: World) -> int:
    """How many requests the service can be at, at once."""
    app = world.app
    return app.workers * app.threads if app.path else world.service.threads


def _column(run: RunResult, name: str) -> NDArray[np.float64]:
    return np.nan_to_num(run.series.get(name, np.zeros(len(run.series["t_s"]))))


def _most(runs: Sequence[RunResult], name: str) -> float:
    return float(np.mean([_column(run, name).max() for run in runs]))


def _share_of_time(runs: Sequence[RunResult], name: str, limit: float) -> float:
    return float(np.mean([(_column(run, name) >= limit - _LEAST).mean() for run in runs]))


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _memory(runs: Sequence[RunResult], world: World) -> Bottleneck:
    wanted = _MB * _most(runs, "host_memory_mb")
    there = _MB * world.host.memory_mb
    slowdown = _most(runs, "host_slowdown")
    generator = _MB * _most(runs, "generator_memory_mb")
    own = (
        f", {_gb(generator)} of it for the load generator on the same machine"
        if world.generator.shares_host
        else ""
    )
    full = slowdown > _SLOW
    return Bottleneck(
        "the machine's memory",
        _gb(there),
        f"at most {_gb(wanted)} wanted",
        f"everything up to {slowdown:.1f} times slower" if full else "-",
        full,
        f"the machine ran out of memory ({_gb(wanted)} wanted, {_gb(there)} there{own}), which "
        f"made everything on it up to {slowdown:.1f} times slower",
    )


def _threads(runs: Sequence[RunResult], world: World) -> Bottleneck:
    limit = threads_of(world)
    share = _share_of_time(runs, "threads_busy", limit)
    queue = _most(runs, "requests_queued")
    return Bottleneck(
        "the service's worker threads",
        number(limit),
        f"all busy {100 * share:.0f} % of the time",
        f"up to {number(round(queue))} requests",
        share > _OFTEN,
        f"all {number(limit)} worker threads of the service were busy {100 * share:.0f} % of the "
        f"time, with up to {number(round(queue))} requests waiting for one",
    )


def _connections(runs: Sequence[RunResult], world: World) -> list[Bottleneck]:
    """Open connections to the service; nothing of runs kept without this series."""
    if not all("connections" in run.series for run in runs):
        return []
    limit = world.service.max_connections
    share, most = _share_of_time(runs, "connections", limit), _most(runs, "connections")
    return [
        Bottleneck(
            "connections to the service",
            number(limit),
            f"all open {100 * share:.0f} % of the time, {number(round(most))} at most",
            "new connections" if share else "-",
            share > _OFTEN,
            f"all {number(limit)} connections that the service takes were open {100 * share:.0f} % "
            "of the time, so new ones waited",
        )
    ]


def _pool(runs: Sequence[RunResult], world: World) -> Bottleneck:
    limit = world.pool.connections
    share = _share_of_time(runs, "pool_active", limit)
    pending = _most(runs, "pool_pending")
    timeouts = _most(runs, "pool_timeouts")
    gave_up = f", {number(round(timeouts))} gave up" if timeouts else ""
    which = "the only database connection was" if limit == 1 else f"all {limit} connections were"
    return Bottleneck(
        "the database connection pool",
        number(limit),
        f"all out {100 * share:.0f} % of the time",
        f"up to {number(round(pending))} threads{gave_up}",
        share > _OFTEN,
        f"{which} out {100 * share:.0f} % of the time",
    )
