"""What can be made to go wrong, as a config says it: `[[faults]]`, each with its kind and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from model.setting import Setting

AtS = Annotated[
    float, Ge(0), Setting("when it happens, after the load began", "s", low=0, high=3_600)
]
OverS = Annotated[
    float, Ge(0), Setting("how long it takes, evenly; 0: all at once", "s", low=0, high=3_600)
]


@dataclass(frozen=True, slots=True)
class RedisRestart:
    """Redis is killed and started again."""

    kind: Annotated[Literal["redis_restart"], Setting("Redis is killed and started again")]
    at_s: AtS
    restart_after_s: Annotated[
        float, Ge(0), Setting("how long nobody listens on its port", "s", low=0, high=600)
    ] = 5.0
    lose_data: Annotated[
        bool,
        Setting("whether it comes back empty (no volume) instead of with the last snapshot"),
    ] = True


@dataclass(frozen=True, slots=True)
class RedisMemoryHog:
    """Another program writes keys of its own into the same Redis."""

    kind: Annotated[Literal["redis_memory_hog"], Setting("other keys fill Redis")]
    at_s: AtS
    keys: Annotated[int, Gt(0), Setting("how many keys, at full size", "keys", low=1, high=1e6)]
    value_bytes: Annotated[
        int,
        Gt(0),
        Le(512 * 1024**2),
        Setting("length of each value; Redis takes up to 512 MB", "bytes", low=1, high=1e8),
    ]
    over_s: OverS = 0.0
    ttl_s: Annotated[
        float, Ge(0), Setting("time to live of each key; 0: none", "s", low=0, high=86_400)
    ] = 0.0


@dataclass(frozen=True, slots=True)
class HostMemoryHog:
    """Another program on the service's machine takes memory and keeps it."""

    kind: Annotated[Literal["host_memory_hog"], Setting("another program takes the host's memory")]
    at_s: AtS
    memory_mb: Annotated[float, Gt(0), Setting("how much, at full size", "MB", low=1, high=262_144)]
    over_s: OverS = 0.0


Fault = RedisRestart | RedisMemoryHog | HostMemoryHog
"""Told apart by `kind`."""
