"""Notes what happened to the programs and to the keys of Redis, for the remarks of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.redis.engine import Eviction
    from sim.redis.persistence import Fork
    from sim.redis.server import RedisServer

_MOST_LINES: Final = 12
_MOST_KEPT: Final = 10_000
"""Notes and evicted sets that are kept one by one; of more there are only counts."""
_LONG_STALL_S: Final = 0.001
_MB: Final = 1e6


@dataclass(frozen=True, slots=True)
class SetEvicted:
    """A whole sorted set that Redis evicted; time in seconds since the load began."""

    time_s: float
    key: str
    members: int


class _Tally:
    """Counts events of the same kind, with the times of the first and the last."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.first_s = self.last_s = 0.0

    def add(self, kind: str, now_s: float) -> None:
        if not self.kinds:
            self.first_s = now_s
        self.last_s = now_s
        self.kinds[kind] += 1

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.kinds.most_common())
        return f"{kinds} (from {self.first_s:.1f} s to {self.last_s:.1f} s)"


class _Moments:
    """At how many moments one thing happened, and at how many several did."""

    def __init__(self) -> None:
        self.with_one = self.with_more = 0
        self._last_s = -1.0
        self._at_last = 0

    def add(self, now_s: float) -> None:
        self._at_last = self._at_last + 1 if now_s == self._last_s else 1
        self._last_s = now_s
        if self._at_last == 1:
            self.with_one += 1
        elif self._at_last == 2:  # noqa: PLR2004 (the second makes them several)
            self.with_one -= 1
            self.with_more += 1


class Events:
    """Listens to Redis and to the machines, and collects remarks for the reader."""

    def __init__(self, env: Environment, load_begins_s: float) -> None:
        self._env = env
        self._load_begins_s = load_begins_s
        self._notes: list[tuple[float, str]] = []
        self._notes_left_out = 0
        self.sets_evicted: list[SetEvicted] = []
        self._sets_by_key: Counter[str] = Counter()
        self._moments = _Moments()
        self.keys_evicted = _Tally()
        """Other keys, by what is before their last colon."""
        self.refused = _Tally()
        """Commands that Redis refused for want of memory, by name."""
        self.sets_lost = 0
        """Whole sorted sets that Redis evicted."""
        self.redis_kills = 0
        """How often Redis was killed, by a fault or by the kernel."""
        self.forks = 0
        self.most_copied_bytes = 0
        self.longest_stall_s = 0.0

    @property
    def now_s(self) -> float:
        """Seconds since the load began."""
        return self._env.now - self._load_begins_s

    def note(self, text: str) -> None:
        """Write down something that happened just now."""
        if len(self._notes) < _MOST_KEPT:
            self._notes.append((self.now_s, text))
        else:
            self._notes_left_out += 1

    # What Redis tells.

    def evicted(self, eviction: Eviction) -> None:
        """Redis deleted a key to free memory."""
        if eviction.members is None:
            self.keys_evicted.add(f"{eviction.key.rpartition(':')[0]}:*", self.now_s)
            return
        self._sets_by_key[eviction.key] += 1
        self.sets_lost += 1
        self._moments.add(self.now_s)
        if len(self.sets_evicted) < _MOST_KEPT:
            self.sets_evicted.append(SetEvicted(self.now_s, eviction.key, eviction.members))

    def refused_command(self, name: str) -> None:
        """Redis refused a command because it is full."""
        self.refused.add(name, self.now_s)

    def forked(self, fork: Fork) -> None:
        """Redis began to write a snapshot."""
        self.forks += 1
        self.most_copied_bytes = max(self.most_copied_bytes, fork.copied_bytes)
        self.longest_stall_s = max(self.longest_stall_s, fork.stall_s)

    # The story.

    def sets_at_once(self) -> list[int]:
        """How many of the sets kept went at each moment at which any went, in order of time."""
        return list(Counter(gone.time_s for gone in self.sets_evicted).values())

    def notes(self, redis: RedisServer) -> list[str]:
        """Everything worth telling, in order of time; what happened often in one line."""
        lines = self._notes + [
            (gone.time_s, f"Redis evicted {gone.key} whole ({gone.members:,} members)")
            for gone in self.sets_evicted[:_MOST_LINES]
        ]
        told = [f"{time_s:.1f} s: {text}" for time_s, text in sorted(lines)]
        if self._notes_left_out:
            told.append(f"and {self._notes_left_out:,} more")
        return [*self._totals(redis), *told]

    def _totals(self, redis: RedisServer) -> list[str]:
        totals = []
        if redis.limit_bytes:
            totals.append(
                f"Redis used up to {redis.peak_bytes:,} bytes; maxmemory {redis.limit_bytes:,}"
            )
        if self.sets_evicted:
            keys = ", ".join(f"{key} {count}" for key, count in sorted(self._sets_by_key.items()))
            totals.append(
                f"whole sets evicted by Redis: {keys}; {self._moments.with_one} times one set, "
                f"{self._moments.with_more} times several at the same moment; "
                f"the first {min(_MOST_LINES, len(self.sets_evicted))} below"
            )
        if self.keys_evicted.kinds:
            totals.append(f"other keys evicted by Redis: {self.keys_evicted}")
        if self.refused.kinds:
            totals.append(f"commands refused by Redis, out of memory: {self.refused}")
        if self.longest_stall_s > _LONG_STALL_S:
            totals.append(
                f"Redis forked {self.forks} times to save; it stood still for up to "
                f"{self.longest_stall_s * 1e3:.1f} ms and needed up to "
                f"{self.most_copied_bytes / _MB:,.0f} MB more meanwhile"
            )
        return totals
