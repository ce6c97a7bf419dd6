"""What a calibration of the real ticket service tells about it and about this machine.

The service that runs here is Python, and the cost table is that of another language: not only its
speed differs, but also which endpoint costs how much. So the processor time of each endpoint is
fitted.

- From the processor time of each program while the machine is busy: the speed of the load
  generator and of the database, Redis's work per command, and the service's mean per request.
- From the disk: the wait of a commit.
- From one user's latencies, median per endpoint: how the service's time is shared out among the
  endpoints. What is left beyond the service's mean is the delay of the loopback device.
- From the differences between the rounds: how much the next run may differ (`spread`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from experiments.studies.live import demand_fit
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
from experiments.studies.live.spread import deviations_of
from sim.load.settings import Load
from sim.run import simulate
from sim.world import OTHER_ENDPOINTS, World

_SCRIPT: Final = "sim.customers.in_turn:in_turn"
_START_S: Final = 1.0
"""Left out at the start of a load: code that runs for the first time."""
_FEWEST: Final = 20
_STEP: Final = 1.25
"""Factor on the service's work between two simulations: what one endpoint gains by it."""
_LEAST_FACTOR: Final = 0.05


def fitted(
    world: World,
    singles: Sequence[Measured],
    rounds: Sequence[Measured],
    roomy: Callable[[World], World],
    folder: Path,
) -> Fit:
    """Fit the ticket service's world to loads on the real servers.

    Args:
        world: on this machine; its load is what will be predicted.
        singles: `SINGLE` as measured.
        rounds: `BUSY` as measured.
        roomy: the world in which the calibration was made: nobody waits, no seat is scarce.
        folder: a folder on the disk that the database uses.
    """

    def calibrated(world: World, load: Load) -> World:
        customer = replace(world.customer, script=_SCRIPT)
        return replace(roomy(world), load=load, customer=customer, faults=())

    world = replace(world, database=replace(world.database, commit_wait_s=sync_s(folder)))
    measured = [found for each in rounds if (found := demands_of(each)) is not None]
    if not measured:
        return Fit(world, (), ["the processor time of the programs could not be measured"])
    world = with_measured_demands(
        world, measured, lambda world: simulate(calibrated(world, BUSY), 1)
    )
    times = _real_times(singles)
    world, remarks = shared_out(world, times, lambda world: calibrated(world, SINGLE))
    deviations = deviations_of(measured)
    told = [
        *(f'service.factors."{name}"={f:.3g}' for name, f in sorted(world.service.factors.items())),
        *told_of_programs(world, deviations),
        *remarks,
    ]
    return Fit(world, deviations, told)


def fragment(world: World) -> str:
    """The fitted keys as TOML, which a config can name under `include`."""
    return demand_fit.fragment(world, {"service": {"factors": world.service.factors}})


def _real_times(singles: Sequence[Measured]) -> dict[str, list[float]]:
    """Endpoint -> seconds of one user's requests, those of cold code left out."""
    return by_endpoint(
        (request.name, request.duration_ms * 1e-3)
        for each in singles
        for request in each.output.requests
        if request.time_s - each.output.requests[0].time_s >= _START_S
    )


def _medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each endpoint that was asked often enough."""
    return {name: median(values) for name, values in times.items() if len(values) >= _FEWEST}


def shared_out(
    world: World,
    times: Mapping[str, Sequence[float]],
    single: Callable[[World], World],
) -> tuple[World, list[str]]:
    """The world with one user's median latencies; remarks.

    A latency is a_e + c_e f_e + 2 d: what other programs do, the service's work c_e times the
    endpoint's factor f_e, and the delay d each way. Two simulations give a_e and c_e. The factors'
    mean, weighted by work, stays that of the world, which is known from processor times. This gives
    d, and then each latency gives its f_e. An endpoint that no request asked keeps the mean.
    """

    def simulated(factors: Mapping[str, float]) -> dict[str, float]:
        settings = replace(world.service, factors=dict(factors))
        return _medians(simulated_times(single(replace(world, service=settings))))

    world = replace(world, network=replace(world.network, one_way_s=0.0))
    known = world.service.factors
    before = simulated(known)
    after = simulated({name: _STEP * factor for name, factor in known.items()})
    measured = _medians(times)
    endpoints = [name for name in measured if name in before and name in after]
    if not endpoints:
        return world, ["one user's requests were too few to tell what each endpoint costs"]
    own = {name: known.get(name, known[OTHER_ENDPOINTS]) for name in endpoints}
    work = {name: (after[name] - before[name]) / ((_STEP - 1.0) * own[name]) for name in endpoints}
    other = {name: before[name] - work[name] * own[name] for name in endpoints}
    more = {name: measured[name] - other[name] for name in endpoints}
    asked = {name: len(times[name]) for name in endpoints}
    more_s = math.fsum(asked[name] * more[name] for name in endpoints)
    known_s = math.fsum(asked[name] * work[name] * own[name] for name in endpoints)
    delay_s = (more_s - known_s) / sum(asked.values()) / 2.0
    remarks = []
    if delay_s < 0.0:
        remarks.append(f"one user's requests take {-2e3 * delay_s:.2g} ms less than is simulated")
        delay_s = 0.0
    factors = {
        name: max(_LEAST_FACTOR, (more[name] - 2.0 * delay_s) / work[name]) for name in endpoints
    }
    factors[OTHER_ENDPOINTS] = known[OTHER_ENDPOINTS]
    settings = replace(world.service, factors=factors)
    network = replace(world.network, one_way_s=delay_s)
    return replace(world, service=settings, network=network), remarks
