"""Deleting expired keys in the background, as expire.c of Redis 7 does.

Ten times a second each database is sampled in rounds of 20 keys. Another round follows while more
than a tenth of a round's keys had expired. The rounds take at most a quarter of the time. After a
cycle that ran out of time, short cycles of 1 ms also run between commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sim.redis.keys.keyspace import Keyspace

KEYS_PER_LOOP: Final = 20
"""ACTIVE_EXPIRE_CYCLE_KEYS_PER_LOOP."""
SLOW_SHARE: Final = 0.25
"""ACTIVE_EXPIRE_CYCLE_SLOW_TIME_PERC: share of the time that a slow cycle may take."""
FAST_NS: Final = 1_000_000
"""ACTIVE_EXPIRE_CYCLE_FAST_DURATION."""
ACCEPTABLE_STALE_PERCENT: Final = 10
"""ACTIVE_EXPIRE_CYCLE_ACCEPTABLE_STALE."""
_SPARSE: Final = 0.01
_LOOPS_PER_LOOK_AT_TIME: Final = 16
_LOOK_NS: Final = 60
_DELETE_NS: Final = 700
"""Assumed from DEL's cost of a small key, 0.7 us, less the network."""


class ActiveExpiry:
    """The state of the background deletion of one server."""

    def __init__(self) -> None:
        self.stale_share = 0.0
        """Running estimate of expired keys among keys with a TTL (expired_stale_perc)."""
        self.cap_reached = 0
        """Cycles ended by their time limit (expired_time_cap_reached_count)."""
        self._cut_short = False

    @property
    def is_busy(self) -> bool:
        """Whether the short cycle between commands is due as well.

        Redis should run the short cycle also while many keys are stale. But Redis compares the
        share of stale keys with the number 10, meant as 10 percent, and no share reaches 10.
        """
        return self._cut_short

    def cycle(self, databases: Iterable[Keyspace], limit_ns: int) -> int:
        """Delete expired keys for at most `limit_ns` of server time; return the time in ns."""
        spent_ns = sampled = expired = 0
        self._cut_short = False
        for database in databases:
            loops = 0
            while not self._cut_short:
                looked, deleted = self._loop(database)
                sampled, expired, loops = sampled + looked, expired + deleted, loops + 1
                spent_ns += looked * _LOOK_NS + deleted * _DELETE_NS
                if looked == 0 or deleted * 100 // looked <= ACCEPTABLE_STALE_PERCENT:
                    break
                self._cut_short = loops % _LOOPS_PER_LOOK_AT_TIME == 0 and spent_ns > limit_ns
        self.cap_reached += self._cut_short
        current = expired / sampled if sampled else 0.0
        self.stale_share = 0.05 * current + 0.95 * self.stale_share
        return spent_ns

    def _loop(self, database: Keyspace) -> tuple[int, int]:
        """Visit the next keys in table order; return the numbers of visited and deleted keys."""
        table = database.names_with_ttl
        keys = table.keys
        if len(keys) < _SPARSE * table.buckets:
            return 0, 0
        now_s = database.time
        looked = min(KEYS_PER_LOOP, len(keys))
        deleted = 0
        for _ in range(looked):
            if table.cursor >= len(keys):
                table.cursor = 0
            key = keys[table.cursor]
            entry = database.peek(key)
            if entry is not None and entry.expireat is not None and entry.expireat < now_s:
                database.expire(key)
                deleted += 1
            else:
                table.cursor += 1
        return looked, deleted
