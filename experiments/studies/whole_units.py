"""Which resources of a world a scale leaves too small to mean what they mean at full size.

A world at scale x has x times as many of everything (`sim.scale`). Two things are lost on the way:

- less than one unit: a pool of 10 at 0.01 is a tenth of a connection. The world keeps one, ten
  times as slow; so requests that would run side by side wait for one another;
- rounding: 50 places at 0.03 are 1.5, and the world has 2, a third too many.

A resource is named when it has less than one unit, or is rounded by more than `MOST_ROUNDED`.
Failures and durations behind it may then be those of the scale and not of the service.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

from sim.world import World

MOST_ROUNDED: Final = 0.1
"""Share of its size by which a resource may be rounded. A tenth more or less of a pool or of the
places moves its utilisation by as much."""
_SCALES: Final = (
    *(0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1),
    *(0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)
"""Scales that are proposed."""
_CORES: Final = "host.cores"
_SLOWED: Final = frozenset({_CORES, "pool.connections"})
"""Below one unit these keep one, slowed by what is missing."""
_MOST_NAMED: Final = 3


@dataclasses.dataclass(frozen=True)
class Lost:
    """A resource that a scale leaves too small: config key, units at full size and at the scale."""

    key: str
    whole: float
    part: float

    def __str__(self) -> str:
        """Key, units before and after, and what the world has instead."""
        left = f"{self.key} = {self.whole:g} becomes {self.part:.3g}"
        if self.key == _CORES:
            return f"{left} (one core, {1 / self.part:.3g} times as slow)"
        if self.part < 1 and self.key in _SLOWED:
            return f"{left} (one, {1 / self.part:.3g} times as slow)"
        return f"{left} (rounded to {max(1, round(self.part))})"


def sizes_of(world: World) -> dict[str, float]:
    """Config key -> units of each resource that goes with the scale."""
    sizes: dict[str, float] = {
        _CORES: world.host.cores,
        "pool.connections": world.pool.connections,
        "service.threads": world.service.threads,
        "service.max_connections": world.service.max_connections,
        "catalogue.capacity": world.catalogue.capacity,
        "catalogue.seats": world.catalogue.seats,
    }
    if world.policy.admissions_per_min is not None:
        sizes["policy.admissions_per_min"] = world.policy.admissions_per_min
    return sizes


def lost_at(world: World, scale: float) -> list[Lost]:
    """The resources that a scale leaves too small; see the module. None at full size."""
    return list(_lost(sizes_of(world), scale)) if scale < 1 else []


def rounded_changes(before: World, after: World, scale: float) -> list[str]:
    """Config keys of resources that a variant changes and that the scale leaves too small."""
    lost = {one.key for world in (before, after) for one in lost_at(world, scale)}
    old, new = sizes_of(before), sizes_of(after)
    return sorted(key for key in lost if old.get(key) != new.get(key))


def smallest_scale(world: World) -> float:
    """The smallest proposed scale from which on nothing is lost; 1 where there is none below."""
    sizes = sizes_of(world)
    found = 1.0
    for scale in reversed(_SCALES):
        if any(_lost(sizes, scale)):
            break
        found = scale
    return found


def remark(world: World, scale: float) -> str:
    """One sentence on what a scale leaves too small, and on the smallest that does not; or ""."""
    lost = lost_at(world, scale)
    if not lost:
        return ""
    named = ", ".join(map(str, lost[:_MOST_NAMED]))
    more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    smallest = smallest_scale(world)
    least = f"--scale {smallest:g}" if smallest < 1 else "none but full size"
    return (
        f"scale {scale:g}: {named}{more}; failures and durations behind that may be those of the "
        f"scale alone. The smallest that keeps everything: {least}"
    )


def _lost(sizes: Mapping[str, float], scale: float) -> Iterator[Lost]:
    """What is lost, the smallest resource first."""
    for key, whole in sorted(sizes.items(), key=lambda item: item[1]):
        part = whole * scale
        slowed = key in _SLOWED and part < 1
        rounds = key != _CORES and _rounded(part) > MOST_ROUNDED
        if slowed or rounds:
            yield Lost(key, whole, part)


def _rounded(part: float) -> float:
    """By which share a number of units is rounded."""
    return abs(max(1, round(part)) - part) / part
