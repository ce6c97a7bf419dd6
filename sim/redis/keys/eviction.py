"""Choice of the keys to evict when memory is full: Redis's sampling into a pool of candidates.

As evict.c of Redis 7: `maxmemory-samples` neighbouring keys of each database are put into a pool of
16 keys, ordered by their merit as a victim. The best victim that still exists is deleted, with its
whole value.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from sim.redis.keys.keyspace import Entry, Keyspace, ShuffledKeys

POOL_SIZE: Final = 16
"""EVPOOL_SIZE."""
LFU_START: Final = 5
"""LFU_INIT_VAL: the counter of a new key."""
_ACCESS_BITS: Final = 24
_MINUTES: Final = 0xFFFF
_COUNTER: Final = 0xFF
_IMMORTAL: Final = float("-inf")


class FrequencyClock:
    """The LFU counter of Redis: logarithmic growth by chance, decay with time.

    An access field holds the low 16 bits of the minute of last decay and an 8-bit counter.
    """

    def __init__(self, rng: random.Random, log_factor: int, decay_minutes: int) -> None:
        self.log_factor = log_factor
        self.decay_minutes = decay_minutes
        self.minute = 0
        self._rng = rng

    def fresh(self) -> int:
        """The access field of a new key."""
        return (self.minute & _MINUTES) << 8 | LFU_START

    def count(self, access: int) -> int:
        """The counter in an access field, decayed until now."""
        counter = access & _COUNTER
        if self.decay_minutes:
            elapsed = (self.minute - (access >> 8)) & _MINUTES
            counter = max(0, counter - elapsed // self.decay_minutes)
        return counter

    def touched(self, access: int) -> int:
        """The access field after one more use."""
        counter = self.count(access)
        if counter < _COUNTER:
            base = max(0, counter - LFU_START)
            if self._rng.random() < 1.0 / (base * self.log_factor + 1):
                counter += 1
        return (self.minute & _MINUTES) << 8 | counter


class Evictor:
    """Chooses victims among the keys of all databases by one policy."""

    def __init__(self, policy: str, samples: int, frequency: FrequencyClock) -> None:
        self.policy = policy
        self.samples = samples
        self.frequency = frequency
        self.now_s = 0.0
        self._pool: list[tuple[float, int, bytes]] = []
        """(merit as a victim, database number, key), best last."""
        self._next_database = 0

    @property
    def counts_frequency(self) -> bool:
        """Whether access fields hold LFU counters instead of the LRU clock."""
        return self.policy.endswith("-lfu")

    @property
    def shares_integers(self) -> bool:
        """Whether small integers may be shared between keys under this policy."""
        return not self.policy.endswith(("-lru", "-lfu"))

    def next_victim(
        self, databases: Iterable[tuple[int, Keyspace]]
    ) -> tuple[Keyspace, bytes] | None:
        """The key to delete next, or None if the policy allows none."""
        if self.policy == "noeviction":
            return None
        by_number = dict(databases)
        if self.policy.endswith("-random"):
            return self._any_key(by_number)
        while any(self._candidates(database).keys for database in by_number.values()):
            for number, database in by_number.items():
                self._fill_pool(number, database)
            while self._pool:
                _, number, key = self._pool.pop()
                database = by_number[number]
                entry = database.peek(key)
                if entry is not None and (entry.ttl_at >= 0 or self._may_evict_all):
                    return database, key
        return None

    @property
    def _may_evict_all(self) -> bool:
        return self.policy.startswith("allkeys-")

    def _candidates(self, database: Keyspace) -> ShuffledKeys:
        return database.names if self._may_evict_all else database.names_with_ttl

    def _any_key(self, databases: dict[int, Keyspace]) -> tuple[Keyspace, bytes] | None:
        numbers = sorted(databases)
        for _ in numbers:
            self._next_database = (self._next_database + 1) % len(numbers)
            database = databases[numbers[self._next_database]]
            candidates = self._candidates(database)
            if candidates.keys:
                return database, candidates.one()
        return None

    def _fill_pool(self, number: int, database: Keyspace) -> None:
        for key in self._candidates(database).sample(self.samples):
            entry = database.peek(key)
            if entry is not None:
                self._offer((self._merit(entry), number, key))

    def _offer(self, candidate: tuple[float, int, bytes]) -> None:
        pool = self._pool
        at = bisect_left(pool, candidate[0], key=lambda held: held[0])
        if len(pool) < POOL_SIZE:
            pool.insert(at, candidate)
        elif at > 0:
            pool.insert(at, candidate)
            del pool[0]

    def _merit(self, entry: Entry) -> float:
        if self.counts_frequency:
            return float(_COUNTER - self.frequency.count(entry.access))
        if self.policy == "volatile-ttl":
            return _IMMORTAL if entry.expireat is None else -entry.expireat
        return float(idle_s(entry.access, int(self.now_s)))


def idle_s(access: int, now_s: int) -> int:
    """Whole seconds since the LRU clock said `access` (24 bits, wraps after 194 days)."""
    return (now_s - access) & ((1 << _ACCESS_BITS) - 1)
