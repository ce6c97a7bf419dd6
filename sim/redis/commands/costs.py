"""Work of the single-threaded server on a command, in nanoseconds.

Every command costs `RedisSettings.command_overhead_us` for reading, parsing and answering. Its own
work is added, by its complexity: a constant, a step per doubling of the set, and a cost per element
touched. Source of `COSTS`: usec_per_call of INFO commandstats of redis-server 7.0.15 with sets of
1,000 to 430,000 members of 36 characters. Removing many members costs more per member in larger
sets, because they leave the processor's caches: `FREE_NS` (DEL) is the design's 14 ms at 100,000
and 76 ms at 430,000 members. Smaller sizes and `REMOVE_NS` were measured like the others.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from types import MappingProxyType
from typing import Any, Final

from fakeredis._helpers import SimpleError
from fakeredis.commands_mixins.sortedset_mixin import ScoreTest

from sim.redis.keys.keyspace import Keyspace
from sim.redis.keys.values import n_elements
from sim.redis.memory.sorted_set import MeteredZSet


@dataclass(frozen=True, slots=True)
class Cost:
    """Work of a command: `fixed_ns + step_ns * log2(n) + element_ns * touched`."""

    fixed_ns: int
    step_ns: int = 0
    element_ns: int = 0


DEFAULT: Final = Cost(700)
COSTS: Final[Mapping[str, Cost]] = MappingProxyType(
    {
        "get": Cost(260),
        "set": Cost(500),
        "setnx": Cost(500),
        "setex": Cost(700),
        "psetex": Cost(700),
        "del": Cost(320),
        "unlink": Cost(320),
        "exists": Cost(220),
        "expire": Cost(700),
        "pexpire": Cost(700),
        "incr": Cost(300),
        "ping": Cost(40),
        "multi": Cost(50),
        "exec": Cost(100),
        "zadd": Cost(200, 60),
        "zincrby": Cost(200, 90),
        "zcard": Cost(60),
        "zscore": Cost(150, 50),
        "zrank": Cost(100, 75),
        "zrevrank": Cost(100, 75),
        "zrem": Cost(100, 90),
        "zcount": Cost(100, 100),
        "zpopmin": Cost(200, 0, 800),
        "zpopmax": Cost(200, 0, 800),
        "zrange": Cost(300, 60, 55),
        "zrevrange": Cost(300, 60, 55),
        "zrangebyscore": Cost(300, 60, 55),
        "zscan": Cost(500, 0, 100),
        "keys": Cost(500, 0, 400),
    }
)
FREE_NS: Final = ((10_000, 63), (30_000, 70), (100_000, 140), (430_000, 177))
"""DEL of a sorted set: (members, ns per member)."""
REMOVE_NS: Final = ((10_000, 130), (30_000, 138), (100_000, 430), (430_000, 620))
"""ZREMRANGEBYRANK of all members: (members, ns per member)."""
_RANGE_REMOVALS: Final = frozenset({"zremrangebyrank", "zremrangebyscore"})
_FREED_WITH_KEYS: Final = frozenset({"del", "unlink"})
_FREED_EVERYTHING: Final = frozenset({"flushall", "flushdb"})
_BY_SCORE: Final = frozenset({"zrangebyscore", "zremrangebyscore"})
_ALL_KEYS: Final = frozenset({"keys"})
LAZYFREE_THRESHOLD: Final = 64
"""UNLINK hands values with more elements than this to another thread."""
QUEUED_COMMAND_NS: Final = 1_000
"""Reading and queueing one more command that arrived in the same packet (redis-benchmark -P)."""
EVICT_NS: Final = 2_000
"""Evicting a key: sampling 5 keys, updating the pool, deleting a small key (assumed)."""


def free_ns(n_elements: int) -> int:
    """Time to free a collection of `n_elements`; blocks all clients."""
    return int(n_elements * _interpolated(FREE_NS, n_elements)) if n_elements > 1 else 0


def _interpolated(points: tuple[tuple[int, int], ...], size: int) -> float:
    """The cost per element at `size`, linear in the logarithm of size between the points."""
    at = bisect_right(points, size, key=lambda point: point[0])
    if at == 0 or at == len(points):
        return points[min(at, len(points) - 1)][1]
    (low, low_ns), (high, high_ns) = points[at - 1], points[at]
    return low_ns + (high_ns - low_ns) * log(size / low) / log(high / low)


def work_ns(name: str, args: list[bytes], keyspace: Keyspace) -> int:
    """Work of the command `name` (lower case) on the keys as they are now."""
    cost = COSTS.get(name, DEFAULT)
    total = cost.fixed_ns
    if cost.step_ns or cost.element_ns:
        n_members = _members(keyspace, args[0]) if args else 0
        total += cost.step_ns * n_members.bit_length()
        if cost.element_ns:
            total += cost.element_ns * _touched(name, args, n_members, keyspace)
    elif name in _RANGE_REMOVALS and args:
        n_members = _members(keyspace, args[0])
        touched = _touched(name, args, n_members, keyspace)
        total += int(touched * _interpolated(REMOVE_NS, n_members))
    elif name in _FREED_WITH_KEYS:
        sizes = (_members(keyspace, key) for key in args)
        lazy = name == "unlink"
        total += sum(free_ns(n) for n in sizes if not lazy or n <= LAZYFREE_THRESHOLD)
    elif name in _FREED_EVERYTHING:
        total += sum(free_ns(_members(keyspace, key)) for key in list(keyspace.names.keys))
    return total


def _members(keyspace: Keyspace, key: bytes) -> int:
    entry = keyspace.peek(key)
    return 0 if entry is None else n_elements(entry.value)


def _touched(name: str, args: list[bytes], n_members: int, keyspace: Keyspace) -> int:
    """Elements that the command visits, if its arguments tell the number; else all."""
    if name in _ALL_KEYS:
        return len(keyspace)
    if name in {"zpopmin", "zpopmax"}:
        return min(n_members, int(args[1])) if len(args) > 1 and args[1].isdigit() else 1
    if name in {"zrange", "zrevrange", "zremrangebyrank"} and len(args) > 2:  # noqa: PLR2004
        return _range_length(args[1], args[2], n_members)
    if name in _BY_SCORE and len(args) > 2:  # noqa: PLR2004
        return _members_in_range(keyspace, args)
    if name == "zscan":
        return min(n_members, 10)
    return n_members


def _members_in_range(keyspace: Keyspace, args: list[bytes]) -> int:
    entry = keyspace.peek(args[0])
    if entry is None or not isinstance(entry.value, MeteredZSet):
        return 0
    try:
        low, high = ScoreTest.decode(args[1]), ScoreTest.decode(args[2])
    except SimpleError:
        return 0
    zset: Any = entry.value
    return int(zset.zcount(low.lower_bound, high.upper_bound))


def _range_length(start: bytes, stop: bytes, n_members: int) -> int:
    try:
        first, last = int(start), int(stop)
    except ValueError:
        return n_members
    first = first + n_members if first < 0 else first
    last = last + n_members if last < 0 else last
    return max(0, min(last, n_members - 1) - max(first, 0) + 1)
