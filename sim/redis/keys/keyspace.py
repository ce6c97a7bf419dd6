"""One database of the server: its keys, their memory, expiry and last use."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from fakeredis._core import Database
from fakeredis.model import ExpiringMembersSet, ZSet

from sim.redis.memory.allocator import Layout
from sim.redis.memory.sizing import Measured, Sizer
from sim.redis.memory.sorted_set import MeteredZSet

_INITIAL_BUCKETS: Final = 4
_SHRINK_BELOW_PERCENT: Final = 10
"""HASHTABLE_MIN_FILL."""
_FORCED_LOAD: Final = 1.618
"""HASHTABLE_MAX_LOAD_FACTOR: above this load the key table grows even past maxmemory."""


@dataclass(slots=True)
class State:
    """The state that the databases, the eviction and the clients of one server share."""

    layout: Layout
    sizer: Sizer
    rng: random.Random
    now_s: float
    """Time of the running command, epoch seconds cut to the millisecond, as in Redis."""
    access_clock: int = 0
    """The value that a used key's access field is set to: the LRU clock, in seconds."""
    lfu_touch: Callable[[int], int] | None = None
    """Under an LFU policy: the new access field for the old one."""
    touching: bool = True
    """Whether the running command counts as a use of the keys it looks up."""
    data_bytes: int = 0
    """Bytes of all keys and values, the hash tables not included."""
    evicted_keys: int = 0
    expired_keys: int = 0
    keyspace_hits: int = 0
    keyspace_misses: int = 0
    changes: int = 0
    """Writes since the last successful save (rdb_changes_since_last_save)."""
    may_grow: Callable[[int], bool] = field(default=lambda _: True)
    """Whether a table may take this many more bytes."""


class Entry:
    """One key's value, and the server's data about the key."""

    __slots__ = ("access", "expireat", "key_at", "measured", "n_bytes", "ttl_at", "value")

    def __init__(self, value: Any, access: int) -> None:
        self.value = value
        self.expireat: float | None = None
        self.access = access
        self.n_bytes = 0
        self.measured: Measured | None = None
        self.key_at = self.ttl_at = -1


class ShuffledKeys:
    """Keys in a random order, like the buckets of a hash table; all methods in constant time.

    A run of neighbours is a random sample, which is how Redis samples for eviction and expiry.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.keys: list[bytes] = []
        self.buckets = 0
        self.cursor = 0
        """Position at which the background deletion will continue."""

    def insert(self, key: bytes) -> tuple[int, bytes]:
        """Put `key` at a random place; return the place and the key moved to the end."""
        keys = self.keys
        at = int(self._rng.random() * (len(keys) + 1))
        keys.append(key)
        moved = keys[at]
        keys[at], keys[-1] = key, moved
        return at, moved

    def remove(self, at: int) -> bytes:
        """Take out the key at `at`; return the key that moved there (perhaps the same key)."""
        last = self.keys.pop()
        if at < len(self.keys):
            self.keys[at] = last
        return last

    def sample(self, count: int) -> list[bytes]:
        """Up to `count` neighbouring keys from a random place."""
        keys = self.keys
        if len(keys) <= count:
            return list(keys)
        start = int(self._rng.random() * len(keys))
        return keys[start : start + count] + keys[: max(0, start + count - len(keys))]

    def one(self) -> bytes:
        """A random key, all equally likely; there must be at least one key."""
        return self.keys[int(self._rng.random() * len(self.keys))]

    def grow(self, may_grow: Callable[[int], bool]) -> None:
        """Double the table while it holds more keys than buckets, if memory allows."""
        n_keys = len(self.keys)
        while n_keys > self.buckets:
            doubled = max(_INITIAL_BUCKETS, 2 * self.buckets)
            if n_keys < self.buckets * _FORCED_LOAD and not may_grow(8 * doubled):
                return
            self.buckets = doubled

    def shrink(self) -> None:
        """Shrink a table that is less than a tenth full, as the background job does."""
        if self.buckets <= _INITIAL_BUCKETS:
            return
        if len(self.keys) * 100 < self.buckets * _SHRINK_BELOW_PERCENT:
            self.buckets = _INITIAL_BUCKETS
            while len(self.keys) > self.buckets:
                self.buckets *= 2


class Keyspace(Database):
    """A fakeredis database that keeps account of memory, expiry and use of its keys.

    `schedule_expiry` measures the key, because fakeredis calls it at the end of every write to a
    key. Time comes from the server's `State`; this module never reads a clock.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.names = ShuffledKeys(state.rng)
        self.names_with_ttl = ShuffledKeys(state.rng)
        super().__init__(None)
        self._dict: dict[bytes, Entry]

    # The server sets the time; fakeredis would set it from the wall clock.
    @property
    def time(self) -> float:
        """Time of the running command, epoch seconds."""
        return self.state.now_s

    @time.setter
    def time(self, value: float) -> None:
        pass

    # Reading

    def lookup(self, key: bytes) -> Entry | None:
        """The live entry of `key`, marked as used; an expired entry is deleted."""
        entry = self._dict.get(key)
        if entry is None:
            return None
        state = self.state
        if entry.expireat is not None and entry.expireat < state.now_s:
            self.expire(key)
            return None
        if state.touching:
            touch = state.lfu_touch
            entry.access = state.access_clock if touch is None else touch(entry.access)
        return entry

    def peek(self, key: bytes) -> Entry | None:
        """The entry of `key`, even if expired, without marking it as used."""
        return self._dict.get(key)

    def oldest(self, count: int) -> list[tuple[bytes, Entry]]:
        """At most `count` entries, the oldest keys first, without marking them as used."""
        return list(islice(self._dict.items(), count))

    def get(self, key: bytes, default: Any = None) -> Any:
        """The live entry of `key`, or `default`."""
        entry = self.lookup(key)
        return default if entry is None else entry

    def __getitem__(self, key: bytes) -> Any:
        entry = self.lookup(key)
        if entry is None:
            raise KeyError(key)
        return entry

    def __contains__(self, key: object) -> bool:
        return self.lookup(key) is not None  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[bytes]:
        now_s = self.state.now_s
        return iter([k for k, e in self._dict.items() if e.expireat is None or e.expireat >= now_s])

    def __len__(self) -> int:
        return len(self._dict)

    def random_key(self) -> bytes | None:
        """A random live key, or None."""
        while self.names.keys:
            key = self.names.one()
            if self.lookup(key) is not None:
                return key
        return None

    # Writing

    def setdefault(self, key: bytes, default: Any = None) -> Any:
        """The entry of `key`; a new one, with the value of `default`, if there is none."""
        entry = self._dict.get(key)
        return self._insert(key, default.value) if entry is None else entry

    def __setitem__(self, key: bytes, value: Any) -> None:
        entry = self._dict.get(key)
        if entry is None:
            entry = self._insert(key, value.value)
        entry.value = value.value
        self.schedule_expiry(key, value.expireat)

    def pop(self, key: bytes, default: Any = None) -> Any:
        """Remove `key` if it is there; its entry or `default`."""
        entry = self._dict.get(key)
        if entry is None:
            return default
        self._remove(key, entry)
        return entry

    def __delitem__(self, key: bytes) -> None:
        self._remove(key, self._dict[key])

    def clear(self) -> None:
        """Remove every key."""
        for key in list(self._dict):
            self.notify_watch(key)
            self._remove(key, self._dict[key])
        self.names.buckets = self.names_with_ttl.buckets = 0

    def swap(self, other: Database) -> None:
        """Exchange the contents of two databases."""
        if not isinstance(other, Keyspace):
            raise TypeError("both databases must belong to one server")
        super().swap(other)
        self.names, other.names = other.names, self.names
        self.names_with_ttl, other.names_with_ttl = other.names_with_ttl, self.names_with_ttl

    def schedule_expiry(self, key: bytes, expireat: float | None) -> None:
        """Note the expiry of a key that was just written, and measure the key.

        An expiry that has passed already removes the key at once, as Redis does.
        """
        entry = self._dict[key]
        if expireat is not None:
            expireat = round(expireat * 1000) / 1000
            if expireat <= self.state.now_s:
                self._remove(key, entry)
                return
        entry.expireat = expireat
        if (expireat is not None) is not (entry.ttl_at >= 0):
            self._index_ttl(key, entry, wanted=expireat is not None)
        self.measure(key, entry)

    def expire(self, key: bytes) -> None:
        """Delete an expired key, and count it."""
        self._remove(key, self._dict[key])
        self.state.expired_keys += 1
        self.notify_watch(key)

    def evict(self, key: bytes) -> None:
        """Delete a key to free memory, and count it."""
        self._remove(key, self._dict[key])
        self.state.evicted_keys += 1
        self.notify_watch(key)

    # Waking waiters needs no lock here: commands are atomic, and no client blocks.

    def notify_watch(self, key: bytes) -> None:
        """Tell the connections that watch `key` that it changed."""
        if self._watches:
            for sock in self._watches.get(key, ()):
                sock.notify_watch()

    def wake_all(self) -> None:
        """Do nothing: no client ever sleeps in this server."""

    # Memory

    def measure(self, key: bytes, entry: Entry) -> None:
        """Bring the bytes accounted for `key` up to date."""
        state = self.state
        value = entry.value
        layout = state.layout
        n_bytes = layout.sds(len(key)) + layout.entry_bytes
        if entry.ttl_at >= 0:
            n_bytes += layout.entry_bytes
        kind = type(value)
        if kind is bytes:
            n_bytes += layout.string_value(value, shared_integers=state.sizer.shared_integers)
        else:
            if kind is ZSet:
                value = entry.value = MeteredZSet.of(value, layout)
            elif kind is ExpiringMembersSet:
                value = entry.value = OrderedMembersSet(value._values)  # noqa: SLF001
            if isinstance(value, MeteredZSet):
                n_bytes += value.used_bytes()
            else:
                entry.measured = state.sizer.value_bytes(value, entry.measured)
                n_bytes += entry.measured.n_bytes
        state.data_bytes += n_bytes - entry.n_bytes
        entry.n_bytes = n_bytes

    def table_bytes(self) -> int:
        """Bytes of the two hash tables, of all keys and of keys with an expiry."""
        return 8 * (self.names.buckets + self.names_with_ttl.buckets)

    def shrink_tables(self) -> None:
        """Give back hash tables that became mostly empty."""
        self.names.shrink()
        self.names_with_ttl.shrink()

    # Bookkeeping

    def _insert(self, key: bytes, value: Any) -> Entry:
        state = self.state
        entry = Entry(value, state.access_clock)
        entries = self._dict
        entries[key] = entry
        at, moved = self.names.insert(key)
        entries[moved].key_at = len(entries) - 1
        entry.key_at = at
        if len(entries) > self.names.buckets:
            self.names.grow(state.may_grow)
        return entry

    def _remove(self, key: bytes, entry: Entry) -> None:
        del self._dict[key]
        self.state.data_bytes -= entry.n_bytes
        moved = self.names.remove(entry.key_at)
        if moved != key:
            self._dict[moved].key_at = entry.key_at
        if entry.ttl_at >= 0:
            self._index_ttl(key, entry, wanted=False)

    def _index_ttl(self, key: bytes, entry: Entry, *, wanted: bool) -> None:
        names = self.names_with_ttl
        if wanted:
            at, moved = names.insert(key)
            self._dict[moved].ttl_at = len(names.keys) - 1
            entry.ttl_at = at
            names.grow(self.state.may_grow)
            return
        moved = names.remove(entry.ttl_at)
        if moved != key:
            self._dict[moved].ttl_at = entry.ttl_at
        entry.ttl_at = -1


class OrderedMembersSet(ExpiringMembersSet):
    """A set that lists its members in the order of insertion, whatever the hash seed is."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._values))
