"""Similarity transform: the same world with fewer people on a proportionally weaker system.

At scale x there are x times as many users, seats, slots, connections, threads, pool connections
and cores; utilisation, and waiting measured against the unchanged timeouts and timers, stay near
what they are at full size. A resource that would fall below one unit keeps one, slowed by its own
factor. What costs work per row or per byte costs 1/x times as much (`sim.run` sees to that),
because there are x times as many rows: a request costs what it costs at full size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sim.faults.settings import Fault, GeneratorStarved, HostMemoryHog, RedisMemoryHog
from sim.kernel.errors import NotAllowedError
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    Load,
    Loads,
    OpeningCrowd,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
)
from sim.network.connector import accept_queue

if TYPE_CHECKING:
    from model.policy import Policy
    from sim.world import Catalogue, Earlier, Generator, Host, World

_EMPTY_REDIS_BYTES: Final = 1_064_000
"""An empty server with the service's connections: the first value of redis_used_bytes in a run."""


def scaled(world: World, scale: float) -> World:
    """Return `world` at `scale` times its size. Raises NotAllowedError unless 0 < scale <= 1."""
    _check(scale)
    if scale == 1.0:
        return world
    if world.app.path:
        raise NotAllowedError(
            f"scale: {scale}: an application has its sizes in its own code",
            "1, and fewer users by --set load",
        )
    pool = world.pool
    wanted = pool.connections * scale
    return replace(
        world,
        policy=_policy(world.policy, scale),
        load=_loads(world.load, scale),
        catalogue=_catalogue(world.catalogue, scale),
        service=replace(
            world.service,
            threads=_units(world.service.threads, scale),
            accept_count=max(1, _units(accept_queue(world.service.accept_count), scale) - 1),
            max_connections=_units(world.service.max_connections, scale),
            async_threads=_units(world.service.async_threads, scale),
        ),
        pool=replace(
            pool,
            connections=_units(pool.connections, scale),
            slowdown=pool.slowdown * max(1.0, 1.0 / wanted),
        ),
        redis=replace(
            world.redis,
            maxmemory=str(_redis_limit(world.redis.maxmemory_bytes, scale)),
            command_overhead_us=world.redis.command_overhead_us / scale,
        ),
        host=_host(world.host, scale),
        memory=replace(
            world.memory,
            jvm_start_mb=world.memory.jvm_start_mb * scale,
            jvm_mb=world.memory.jvm_mb * scale,
            jvm_grown_after=_units(world.memory.jvm_grown_after, scale),
            database_mb=world.memory.database_mb * scale,
            broker_mb=world.memory.broker_mb * scale,
        ),
        generator=_generator(world.generator, scale),
        faults=tuple(_fault(fault, scale) for fault in world.faults),
    )


def with_fewer_people(world: World, scale: float) -> World:
    """Return `world` with `scale` times the people, seats and places, on the machines as they are.

    Raises:
        NotAllowedError: `scale` is not more than 0 and at most 1.
    """
    _check(scale)
    if scale == 1.0:
        return world
    return replace(
        world,
        load=_loads(world.load, scale),
        catalogue=_catalogue(world.catalogue, scale),
    )


def _check(scale: float) -> None:
    if not 0.0 < scale <= 1.0:
        raise NotAllowedError(f"scale: {scale}", "more than 0, at most 1")


def _catalogue(catalogue: Catalogue, scale: float) -> Catalogue:
    return replace(
        catalogue,
        users=_units(catalogue.users, scale) + 1,
        capacity=_units(catalogue.capacity, scale),
        seats=_units(catalogue.seats, scale),
        earlier=_earlier(catalogue.earlier, scale),
    )


def _earlier(earlier: Earlier, scale: float) -> Earlier:
    return replace(
        earlier,
        tokens=round(earlier.tokens * scale),
        bookings=round(earlier.bookings * scale),
        payments=round(earlier.payments * scale),
        load_users=round(earlier.load_users * scale),
    )


def _policy(policy: Policy, scale: float) -> Policy:
    per_min, checks_per_s = policy.admissions_per_min, policy.checks_per_s
    return replace(
        policy,
        seat_page_size=_units(policy.seat_page_size, scale),
        admissions_per_min=None if per_min is None else _units(per_min, scale),
        checks_per_s=None if checks_per_s is None else checks_per_s * scale,
    )


def _redis_limit(limit_bytes: int, scale: float) -> int:
    """Memory beyond that of an empty server is scaled; 0 remains "no limit"."""
    if not limit_bytes:
        return 0
    return round(_EMPTY_REDIS_BYTES + (limit_bytes - _EMPTY_REDIS_BYTES) * scale)


def _fault(fault: Fault, scale: float) -> Fault:
    match fault:
        case RedisMemoryHog():
            return replace(fault, keys=_units(fault.keys, scale))
        case HostMemoryHog():
            return replace(fault, memory_mb=fault.memory_mb * scale)
        case GeneratorStarved():
            return replace(fault, threads=fault.threads * scale)
        case _:
            return fault


def _units(count: float, scale: float) -> int:
    return max(1, round(count * scale))


def _host(host: Host, scale: float) -> Host:
    # Less than one core is one slower core: `sim.machines.cpu` sees to that.
    return replace(
        host,
        cores=host.cores * scale,
        memory_mb=host.memory_mb * scale,
        system_mb=host.system_mb * scale,
        swap_mb=host.swap_mb * scale,
    )


def _generator(generator: Generator, scale: float) -> Generator:
    return replace(
        generator,
        host=_host(generator.host, scale),
        local_ports=_units(generator.local_ports, scale),
        max_rps=None if generator.max_rps is None else generator.max_rps * scale,
    )


def _loads(loads: Loads, scale: float) -> Loads:
    if isinstance(loads, tuple):
        return tuple(_load(load, scale) for load in loads)
    return _load(loads, scale)


def _load(load: Load, scale: float) -> Load:
    match load:
        case RampingVUs():
            return replace(
                load,
                stages=tuple(
                    replace(stage, target=float(round(stage.target * scale)))
                    for stage in load.stages
                ),
                start_vus=round(load.start_vus * scale),
            )
        case ConstantVUs() | PerVUIterations():
            return replace(load, vus=_units(load.vus, scale))
        case OpeningCrowd():
            return replace(load, people=_units(load.people, scale))
        case SharedIterations():
            vus = _units(load.vus, scale)
            return replace(load, vus=vus, iterations=max(vus, round(load.iterations * scale)))
        case ConstantArrivalRate():
            return replace(
                load,
                rate=load.rate * scale,
                pre_allocated_vus=_allocated(load.pre_allocated_vus, scale),
                max_vus=_most(load.max_vus, scale),
            )
        case RampingArrivalRate():
            return replace(
                load,
                stages=tuple(replace(stage, target=stage.target * scale) for stage in load.stages),
                start_rate=load.start_rate * scale,
                pre_allocated_vus=_allocated(load.pre_allocated_vus, scale),
                max_vus=_most(load.max_vus, scale),
            )


def _most(max_vus: int | None, scale: float) -> int | None:
    return None if max_vus is None else _allocated(max_vus, scale)


def _allocated(vus: int, scale: float) -> int:
    return _units(vus, scale) if vus else 0
