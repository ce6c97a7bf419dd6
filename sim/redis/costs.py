"""How long the single-threaded server works on a command, in nanoseconds.

Every command pays `RedisSettings.command_overhead_us` for reading, parsing and answering, and then
its own work by its complexity: a constant, a step per doubling of the set, and a price per element
touched. Sources: usec_per_call of INFO commandstats of redis-server 7.0.15 on one core for the
constants and elements; DEL of a large sorted set as measured (14 ms at 100,000 members, 76 ms at
430,000: dearer per member in larger sets, because they leave the processor's caches).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from fakeredis._helpers import SimpleError
from fakeredis.commands_mixins.sortedset_mixin import ScoreTest

from sim.redis.keyspace import Keyspace
from sim.redis.sorted_set import MeteredZSet
from sim.redis.values import n_elements


@dataclass(frozen=True, slots=True)
class Cost:
    """Work of a command: `fixed_ns + step_ns * log2(n) + element_ns * touched`."""

    fixed_ns: int
    step_ns: int = 0
    element_ns: int = 0


DEFAULT: Final = Cost(1_000)
COSTS: Final[Mapping[str, Cost]] = MappingProxyType(
    {
        "get": Cost(500),
        "set": Cost(800),
        "setnx": Cost(800),
        "setex": Cost(1_000),
        "del": Cost(700),
        "unlink": Cost(700),
        "exists": Cost(400),
        "expire": Cost(700),
        "incr": Cost(700),
        "ping": Cost(200),
        "multi": Cost(200),
        "exec": Cost(300),
        "watch": Cost(400),
        "unwatch": Cost(300),
        "zadd": Cost(1_000, 120),
        "zcard": Cost(400),
        "zscore": Cost(600, 10),
        "zrank": Cost(700, 60),
        "zrevrank": Cost(700, 60),
        "zincrby": Cost(1_000, 150),
        "zrem": Cost(900, 120),
        "zpopmin": Cost(900, 0, 500),
        "zpopmax": Cost(900, 0, 500),
        "zcount": Cost(800, 120),
        "zrange": Cost(900, 60, 120),
        "zrevrange": Cost(900, 60, 120),
        "zrangebyscore": Cost(900, 60, 120),
        "zremrangebyrank": Cost(1_000, 120, 400),
        "zremrangebyscore": Cost(1_000, 120, 400),
        "zscan": Cost(1_000, 0, 100),
        "keys": Cost(500, 0, 150),
        "flushall": Cost(1_000),
        "flushdb": Cost(1_000),
    }
)
_FREED_WITH_KEYS: Final = frozenset({"del", "unlink"})
_FREED_EVERYTHING: Final = frozenset({"flushall", "flushdb"})
_BY_SCORE: Final = frozenset({"zrangebyscore", "zremrangebyscore"})
_ALL_KEYS: Final = frozenset({"keys"})
FREE_EXPONENT: Final = math.log(76 / 14) / math.log(430_000 / 100_000)
FREE_NS_AT_100_000: Final = 14_000_000
LAZYFREE_THRESHOLD: Final = 64
"""UNLINK hands values with more elements than this to another thread."""
QUEUED_COMMAND_NS: Final = 1_000
"""Reading and queueing one more command that arrived in the same packet (redis-benchmark -P)."""
EVICT_NS: Final = 2_000
"""Choosing a victim: sampling 5 keys, the pool, deleting a small key (assumed)."""


def free_ns(n_elements: int) -> int:
    """Time to free a collection of `n_elements`, blocking everybody."""
    if n_elements <= 1:
        return 0
    return int(FREE_NS_AT_100_000 * (n_elements / 100_000) ** FREE_EXPONENT)


def work_ns(name: str, args: list[bytes], keyspace: Keyspace) -> int:
    """Work of the command `name` (lower case) on the keys as they are now."""
    cost = COSTS.get(name, DEFAULT)
    total = cost.fixed_ns
    if cost.step_ns or cost.element_ns:
        n_members = _members(keyspace, args[0]) if args else 0
        total += cost.step_ns * n_members.bit_length()
        if cost.element_ns:
            total += cost.element_ns * _touched(name, args, n_members, keyspace)
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
    """Elements the command goes through, as far as its arguments tell (else: all)."""
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
