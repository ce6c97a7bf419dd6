"""Processor times of an application's code, measured on this machine: `calibrate --app`.

A few users run through the application while the time of each segment of its code is taken; the
median of each is kept. With the true service's own k6 output of a single user, a factor per
endpoint makes up for another machine and for what is not simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import tomli_w

from experiments.errors import ConfigError
from sim.app.segments import SEPARATOR
from sim.load.settings import PerVUIterations
from sim.run import simulate
from sim.world import OTHER_ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.config.reading import Config
    from experiments.interop.k6_output import Output
    from sim.app.segments import Segments
    from sim.load.settings import Loads
    from sim.world import World

USERS: Final = 8
MOST_RUNS: Final = 6
_MAX_S: Final = 600.0
_MS: Final = 1e-3


@dataclass(frozen=True)
class SegmentTimes:
    """Seconds by name, the names that were met fewer than 20 times, factors by endpoint."""

    segments: dict[str, float]
    rare: list[str]
    factors: dict[str, float]
    remarks: list[str]
    runs: int
    request_cv: float | None
    """Variation of the time of a request; None where it was met too seldom."""


def measure(
    config: Config,
    k6: Sequence[Output] = (),
    users: int = USERS,
    loads: Loads | None = None,
) -> SegmentTimes:
    """Measure every segment that a few users meet; takes seconds, and is not repeatable.

    Args:
        config: the application's config.
        k6: output of k6 with one user against the true service.
        users: how many users.
        loads: a load whose segments are measured as well: a crowd meets some that a few users do
            not, such as a full waiting room.

    Raises:
        ConfigError: the config names no application, or its run failed.
    """
    from sim.app.parts import measuring

    world = config.world
    if not world.app.path:
        raise ConfigError(config.name, "app.wsgi", "calibrate --app needs an application")
    few = with_users(world, users)
    times: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    spreads: list[float] = []

    def timed(world: World, seed: int) -> Segments:
        with measuring() as tables:
            result = simulate(world, seed)
        if result.failure:
            raise ConfigError(config.name, world.app.key, result.failure)
        segments: Segments = tables[0]
        for key, measured in segments.measured.items():
            name = SEPARATOR.join(key)
            counts[name] = counts.get(name, 0) + len(measured)
        for name, seconds in segments.medians()[0].items():
            times.setdefault(name, []).append(seconds)
        return segments

    for seed in range(1, MOST_RUNS + 1):
        spread = timed(few, seed).request_cv()
        # The first run imports and compiles.
        if spread is not None and seed > 1:
            spreads.append(spread)
        if seed > 1 and all(count >= 20 for count in counts.values()):  # noqa: PLR2004 - as documented
            break
    if loads is not None:
        timed(replace(few, load=loads), 1)
    # The first run imports and compiles; its medians are of warm code all the same.
    segments = {name: round(median(found), 8) for name, found in sorted(times.items())}
    rare = [name for name, count in sorted(counts.items()) if count < 20]  # noqa: PLR2004 - likewise
    found, remarks = factors(world, segments, k6)
    return SegmentTimes(segments, rare, found, remarks, seed, median(spreads) if spreads else None)


def with_users(world: World, users: int) -> World:
    """The world with so many users who come once, with none of its segments and faults."""
    return replace(
        world,
        load=PerVUIterations("per-vu-iterations", vus=users, iterations=1, max_duration_s=_MAX_S),
        app=replace(world.app, segments={}, factors={}, cold_s={}, accept_s=0.0),
        faults=(),
        search=replace(world.search, stall_probability=0.0, inspects=False),
    )


def factors(
    world: World, segments: dict[str, float], k6: Sequence[Output]
) -> tuple[dict[str, float], list[str]]:
    """Factor per endpoint by which its code is slower in the true service, and remarks.

    Args:
        world: the application's world.
        segments: seconds by name, timed here.
        k6: output of k6 with one user against the true service.
    """
    if not k6:
        return {}, []
    requests = [request for output in k6 for request in output.requests]
    real = _medians((request.name, request.duration_ms * _MS) for request in requests)
    found: dict[str, float] = {}
    remarks: list[str] = []
    simulated = [_simulated(world, segments, scale) for scale in (1.0, 2.0)]
    for endpoint, seconds in sorted(real.items()):
        first, second = (each.get(endpoint) for each in simulated)
        if first is None or second is None:
            remarks.append(f"{endpoint}: in the k6 output, and called by no simulated customer")
            continue
        code_s = second - first
        if code_s <= 0.0:
            continue
        factor = 1.0 + (seconds - first) / code_s
        if factor < _LEAST_FACTOR:
            remarks.append(
                f"{endpoint}: {seconds * 1e3:.2f} ms in the true service, less than the "
                f"{(first - code_s) * 1e3:.2f} ms that the simulated waits take alone; the factor "
                f"is held at {_LEAST_FACTOR}"
            )
        found[endpoint] = round(max(_LEAST_FACTOR, factor), 4)
    return found, remarks


_LEAST_FACTOR: Final = 0.1
_SINGLE_RUNS: Final = 20


def _medians(pairs: Any) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for name, seconds in pairs:
        found.setdefault(name, []).append(seconds)
    return {name: median(values) for name, values in found.items()}


def _simulated(world: World, segments: dict[str, float], scale: float) -> dict[str, float]:
    """Median duration of each endpoint with a single user, its code `scale` times as slow."""
    one = with_users(world, 1)
    settings = replace(one.app, segments=segments, factors={OTHER_ENDPOINTS: scale})
    pairs: list[tuple[str, float]] = []
    for seed in range(1, 1 + _SINGLE_RUNS):
        simulate(
            replace(one, app=settings),
            seed,
            sampler=lambda sample: pairs.append((sample.endpoint, sample.duration_s)),
        )
    return _medians(pairs)


def fragment(found: SegmentTimes) -> str:
    """The TOML that a config names under `include`."""
    table: dict[str, Any] = {"app": {"segments": found.segments}}
    if found.request_cv is not None:
        table["app"]["request_cv"] = found.request_cv
    if found.factors:
        table["app"]["factors"] = found.factors
    return tomli_w.dumps(table)


def told(found: SegmentTimes) -> str:
    """What people want to know of it."""
    endpoints = {name.partition(" | ")[0] for name in found.segments}
    lines = [
        f"{len(found.segments)} segments of {len(endpoints)} endpoints, {found.runs} runs",
    ]
    if found.rare:
        lines.append(f"met fewer than 20 times, so uncertain: {', '.join(found.rare[:8])}")
    lines += [f"factor {name}: {factor:g}" for name, factor in found.factors.items()]
    lines += found.remarks
    return "\n".join(lines) + "\n"
