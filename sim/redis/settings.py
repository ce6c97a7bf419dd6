"""The settings of the simulated Redis server, spelled as redis.conf spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Gt, Le

from model.setting import Setting
from sim.redis.errors import RedisSettingError
from sim.redis.memory.allocator import Layout

Policy = Literal[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
]
POLICIES: tuple[str, ...] = get_args(Policy)
"""The eight eviction policies, in the order in which Redis lists them."""

Allocator = Literal["upstream", "debian"]

_UNITS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": 1024**2,
    "g": 1000**3,
    "gb": 1024**3,
}
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}", re.ASCII)
_MEMORY = re.compile(r"(\d+)([a-z]*)", re.IGNORECASE | re.ASCII)


def parse_memory(text: str) -> int:
    """Bytes meant by `text`, in Redis's spelling: a number and b, k, kb, m, mb, g, gb or nothing.

    k, m and g are powers of 1000, kb, mb and gb of 1024; upper and lower case are the same.

    Raises:
        RedisSettingError: for text that Redis would refuse (1t, 1.5gb, -1), with Redis's message.
    """
    match = _MEMORY.fullmatch(text)
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise RedisSettingError(
            text,
            "argument must be a memory value",
            " (a whole number of b, k, kb, m, mb, g, gb or plain bytes)",
        )
    return int(match[1]) * factor


def parse_save(text: str) -> tuple[tuple[int, int], ...]:
    """Save points in `text`, spelled as in redis.conf: "3600 1 300 100", each (seconds, changes).

    Raises:
        RedisSettingError: if it is not an even number of whole numbers (seconds at least 1).
    """
    words = text.split()
    if len(words) % 2 == 0 and all(word.isdecimal() for word in words):
        numbers = [int(word) for word in words]
        points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        if all(seconds >= 1 for seconds, _ in points):
            return points
    raise RedisSettingError(text, "Invalid save parameters", " (pairs of seconds and changes)")


def check_version(text: str) -> None:
    """Refuse text that is no version of Redis, such as "latest"."""
    if _VERSION.fullmatch(text) is None:
        raise RedisSettingError(text, "no version", " (three numbers, such as 7.2.5)")


def check_policy(name: str) -> None:
    """Refuse a policy that does not exist, as `CONFIG SET maxmemory-policy` would."""
    if name not in POLICIES:
        raise RedisSettingError(
            name, f"argument(s) must be one of the following: {', '.join(POLICIES)}"
        )


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """One Redis server: limits, eviction, expiry, saving to disk, and how fast it works.

    Raises:
        RedisSettingError: (a ValueError) for a value that Redis would refuse.
    """

    maxmemory: Annotated[
        str | int,
        Setting(
            "memory limit in Redis's spelling (10mb, 1gb; plain bytes without a unit); 0: no limit",
            "bytes",
            "incident: stock image, none",
        ),
    ] = "0"
    maxmemory_policy: Annotated[
        Policy, Setting("what to evict at the limit", source="redis.conf default; incident: stock")
    ] = "noeviction"
    maxmemory_samples: Annotated[
        int,
        Gt(0),
        Le(64),
        Setting("keys sampled for each round of eviction", "keys", "redis.conf default", 1, 64),
    ] = 5
    allocator: Annotated[
        Allocator,
        Setting(
            "memory size classes of the build: upstream (8-byte steps; the Docker image) or debian",
            source="incident: the stock image is an upstream build",
        ),
    ] = "upstream"
    version: Annotated[
        str,
        Setting(
            "version of Redis that the server reports; the server has the commands of this version",
            source="incident",
        ),
    ] = "7.2.5"
    hz: Annotated[
        int,
        Ge(1),
        Le(500),
        Setting("runs of the background job per second", "1/s", "redis.conf default", 1, 500),
    ] = 10
    lfu_log_factor: Annotated[
        int,
        Ge(0),
        Setting("how slowly the LFU counter grows", "", "redis.conf default", 0, 100),
    ] = 10
    lfu_decay_time: Annotated[
        int,
        Ge(0),
        Setting("minutes per decrement of the LFU counter", "min", "redis.conf default", 0, 60),
    ] = 1
    save: Annotated[
        str,
        Setting(
            "save points: seconds and changes, in pairs; empty: never save",
            "s, changes",
            "redis.conf default; incident: default",
        ),
    ] = "3600 1 300 100 60 10000"
    command_overhead_us: Annotated[
        float,
        Ge(0),
        Setting(
            "server time per command for reading, parsing and answering; the command's own "
            "work is added",
            "us",
            "measured: service_times.csv, JIT hot, 21.5 to 28 us of Redis CPU per single command",
            1,
            200,
        ),
    ] = 22.0
    fork_s_per_gb: Annotated[
        float,
        Ge(0),
        Setting(
            "time that a fork stops the server, per GB of memory in use",
            "s/GB",
            "Redis latency documentation: about 10 ms per GB on bare metal, far more on some VMs",
            0.005,
            0.25,
        ),
    ] = 0.01
    save_mb_per_s: Annotated[
        float,
        Gt(0),
        Setting(
            "speed at which the forked child writes a snapshot, in memory saved per second",
            "MB/s",
            "assumed: one core serialising to a local disk",
            10,
            1000,
        ),
    ] = 100.0
    fork_copied_share: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting(
            "share of memory copied while a snapshot is written (1: memory doubles)",
            "",
            "assumed; Redis documentation names 1 as the worst case",
            0,
            1,
        ),
    ] = 0.1

    restart_after_s: Annotated[
        float | None,
        Ge(0),
        Setting(
            "time from when the kernel kills the server until the server is up again. Not "
            "given: it stays down",
            "s",
            "Docker: no restart policy by default",
        ),
    ] = None
    restart_loses_data: Annotated[
        bool,
        Setting(
            "whether the server is empty when it starts again after the kernel killed it (a "
            "new container without a volume). Off: it loads the last snapshot",
            source="incident: unknown; a volume is not mentioned",
        ),
    ] = True

    def __post_init__(self) -> None:
        checks = (
            ("maxmemory", parse_memory, str(self.maxmemory)),
            ("maxmemory_policy", check_policy, self.maxmemory_policy),
            ("save", parse_save, self.save),
            ("version", check_version, self.version),
        )
        for key, check, value in checks:
            try:
                check(value)
            except RedisSettingError as error:
                raise error.named(key) from None

    @property
    def maxmemory_bytes(self) -> int:
        """`maxmemory` in bytes; 0 means no limit."""
        return parse_memory(str(self.maxmemory))

    def warnings(self) -> tuple[str, ...]:
        """Warnings about values that are allowed but probably not intended."""
        limit = self.maxmemory_bytes
        empty = Layout.of(self.allocator).startup_bytes
        if 0 < limit < empty:
            told = f"less than the {empty} bytes of an empty server"
            return (f"maxmemory {self.maxmemory}: {told}; every write will be refused",)
        return ()

    @property
    def save_points(self) -> tuple[tuple[int, int], ...]:
        """`save` as (seconds, changes) pairs."""
        return parse_save(self.save)

    @property
    def version_numbers(self) -> tuple[int, ...]:
        """`version` as numbers, (7, 2, 5)."""
        return tuple(int(part) for part in self.version.split("."))
