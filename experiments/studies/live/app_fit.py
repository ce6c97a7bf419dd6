"""What a calibration of the real application tells about this machine, as values of config keys.

Two loads without pauses are measured, several times each and on new servers: one user, and a few
users who keep the machine busy.

- From the processor time that each program needs per request while the machine is busy: the speed
  of the load generator and of the database, Redis's work per command, and one factor on the
  application's own code for what its segments cannot know (the server, the real drivers, sockets).
- From the disk: the wait of a commit.
- From the quickest latencies of one user: the delay of the loopback device and the kernel. Slower
  ones have waited for a core, which is no delay of the network.
- From the first request of each endpoint: what cold code costs.
- From the busy load once more, with a new connection for each request: what accepting one costs the
  main thread of a worker.
- From a crowd of users who all make their first iteration: what a user's start costs k6, the new
  connection included.
- From the differences between the rounds: how much the next run may differ (`spread`).

The same two loads are simulated, so that the mixture of requests is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

from experiments.config.reading import Config
from experiments.errors import ConfigError
from experiments.interop.k6_output import Output
from experiments.studies.app_segments import measure
from experiments.studies.live import demand_fit
from experiments.studies.live.application import in_two_parts
from experiments.studies.live.demand_fit import (
    BUSY,
    SINGLE,
    Fit,
    Measured,
    by_endpoint,
    demands_of,
    simulated_times,
    sync_s,
    told_of_programs,
    with_measured_demands,
)
from experiments.studies.live.demands import (
    MAIN_THREADS,
    Demands,
    demands,
    used_for,
)
from experiments.studies.live.load_cut import cut_all
from experiments.studies.live.spread import Deviations, deviations_of, mean_of
from sim.app.customer import hurried
from sim.load.settings import ConstantVUs, Load, PerVUIterations, loads_of
from sim.result import RunResult
from sim.run import simulate
from sim.world import OTHER_ENDPOINTS, World

NEWCOMERS: Final = PerVUIterations(
    "per-vu-iterations", 200, 1, max_duration_s=20.0, graceful_stop_s=1.0, start_s=3.0
)
"""The load begins three seconds after k6 has made its users."""
NEW_CONNECTIONS: Final = "--no-connection-reuse"
_FEWEST: Final = 20
_QUICK: Final = 10
"""Of so many requests of an endpoint the quickest has waited for nothing but its own work."""
_WIDEST: Final = 0.35
"""Endpoints whose quick requests are quicker than the median by more than this share of it wait
for chance, such as a random pause."""
_MEASURED_CROWD_S: Final = 15.0
_WAKE_S: Final = 3e-6
"""Timed: see the source of `app.interpreter_wake_s`."""
_LEAST_COLD_S: Final = 1e-4
"""Less is the chance of a single request."""


class Loads(NamedTuple):
    """What was measured: one user, several, several with a new connection per request, a crowd.

    `fresh` is None where the server's main thread does not accept connections.
    """

    singles: Sequence[Measured]
    rounds: Sequence[Measured]
    fresh: Measured | None
    newcomers: Measured


def fitted(config: Config, world: World, loads: Loads, folder: Path) -> Fit:
    """Fit an application's world to loads on the real servers.

    Args:
        config: the application's config; its segments are timed here.
        world: the config's world on this machine; its load is what will be predicted.
        loads: `SINGLE` and `BUSY` as measured.
        folder: a folder on the disk that the database uses.
    """
    times = measure(config, loads=_crowd(world))
    settings = replace(
        world.app,
        segments=times.segments,
        factors={},
        request_cv=times.request_cv,
        nagle=in_two_parts(world.app),
    )
    database = replace(world.database, commit_wait_s=sync_s(folder))
    world = replace(world, app=settings, database=database)
    rounds = [found for each in loads.rounds if (found := demands_of(each)) is not None]
    remarks = []
    deviations: Deviations = ()
    if not rounds:
        remarks.append("the processor time of the programs could not be measured")
    else:
        deviations = deviations_of(rounds)
        accept_s = _accept_s(loads.fresh)
        wakes_s = _WAKE_S if accept_s else None
        app = replace(world.app, accept_s=accept_s, interpreter_wake_s=wakes_s)
        world = replace(world, app=app)
        world = with_measured_demands(world, rounds, _busy)
        start_s = _vu_start_s(loads.newcomers, mean_of(rounds))
        world = replace(world, generator=replace(world.generator, vu_start_s=start_s))
    delay_s, remark = _delay_s(world, [each.output for each in loads.singles])
    cold_s = _cold_s([each.output for each in loads.singles])
    app = replace(world.app, cold_s=cold_s)
    world = replace(world, app=app, network=replace(world.network, one_way_s=delay_s))
    told = [
        f"app.segments: {len(times.segments)} timed",
        f"app.request_cv={world.app.request_cv}",
        f'app.factors."*"={world.app.factors.get(OTHER_ENDPOINTS, 1.0):.4g}',
        f"app.nagle={'true' if app.nagle else 'false'}",
        f"app.accept_s={app.accept_s:.3g}",
        f"app.interpreter_wake_s={app.interpreter_wake_s}",
        *(f'app.cold_s."{endpoint}"={seconds:.3g}' for endpoint, seconds in cold_s.items()),
        *told_of_programs(world, deviations),
    ]
    return Fit(world, deviations, [*told, *remarks, *remark])


def fragment(world: World) -> str:
    """The fitted keys as TOML, which a config can name under `include`."""
    app = world.app
    own = {
        "request_cv": app.request_cv,
        "nagle": app.nagle,
        "accept_s": app.accept_s,
        "interpreter_wake_s": app.interpreter_wake_s,
        "segments": app.segments,
        "factors": app.factors,
        "cold_s": app.cold_s,
    }
    return demand_fit.fragment(world, {"app": own})


def _crowd(world: World) -> tuple[Load, ...]:
    """The start of the load, or all of it where it cannot be cut."""
    loads = loads_of(world.load)
    try:
        return cut_all(loads, _MEASURED_CROWD_S)
    except ConfigError:
        return loads


def roomy(world: World) -> World:
    """The world as it is calibrated: `app.calibration_env` holds."""
    app = world.app
    return replace(world, app=replace(app, env={**app.env, **app.calibration_env}))


def _as_measured(world: World, load: ConstantVUs) -> World:
    return replace(roomy(world), load=load, faults=())


def _busy(world: World) -> RunResult:
    with hurried():
        return simulate(_as_measured(world, BUSY), 1)


def _delay_s(world: World, outputs: Sequence[Output]) -> tuple[float, list[str]]:
    """The delay of each way, from what one user waits beyond the simulated times; remarks."""
    with hurried():
        simulated = simulated_times(_as_measured(world, SINGLE))
    more_s = [
        _quick(times) - _quick(simulated[endpoint])
        for endpoint, times in _times(outputs).items()
        if min(len(times), len(simulated.get(endpoint, ()))) >= _FEWEST and _is_steady(times)
    ]
    if not more_s:
        return 0.0, ["no endpoint was met often enough by one user to tell the network's delay"]
    delay_s = world.network.one_way_s + median(more_s) / 2.0
    if delay_s < 0.0:
        return 0.0, [f"one user waits {-2e3 * delay_s:.2g} ms less than is simulated"]
    return delay_s, []


def _cold_s(outputs: Sequence[Output]) -> dict[str, float]:
    """Endpoint -> how much longer its first request takes, where the others take equally long."""
    steady = {endpoint for endpoint, times in _times(outputs).items() if _is_steady(times)}
    found: dict[str, list[float]] = {}
    for output in outputs:
        for endpoint, times in _times([output]).items():
            if endpoint in steady and len(times) >= _FEWEST:
                found.setdefault(endpoint, []).append(times[0] - median(times))
    return {
        endpoint: round(median(more), 5)
        for endpoint, more in found.items()
        if median(more) > _LEAST_COLD_S
    }


def _accept_s(fresh: Measured | None) -> float:
    """Processor time of the workers' main threads per new connection."""
    if fresh is None:
        return 0.0
    return demands(fresh.taken, fresh.output.requests).get(MAIN_THREADS, 0.0)


def _vu_start_s(newcomers: Measured, usual: Demands) -> float | None:
    """Processor time of the generator per user, beyond that for the user's requests."""
    found = used_for(newcomers.taken, newcomers.output.requests, "k6")
    if found is None:
        return None
    used_s, requests = found
    more_s = used_s - requests * usual.generator
    return max(0.0, more_s / NEWCOMERS.vus)


def _times(outputs: Sequence[Output]) -> dict[str, list[float]]:
    """Endpoint -> seconds that its requests took, in their order."""
    return by_endpoint(
        (request.name, request.duration_ms * 1e-3)
        for output in outputs
        for request in output.requests
    )


def _quick(times: Sequence[float]) -> float:
    return quantiles(times, n=_QUICK)[0]


def _is_steady(times: Sequence[float]) -> bool:
    middle = median(times)
    return len(times) >= _FEWEST and middle - _quick(times) <= _WIDEST * middle
