"""The simulated Redis server without its clients: time, memory, eviction, saving, restarting.

Nothing runs between commands. The background work of a real server (expiry, save points) is done at
the next command or by `tick`, dated at the times at which a real server would have done it. Memory
constants were measured on redis-server 7.0.15 (Debian) and 7.2.5 (upstream build).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import redis
from fakeredis._core import FakeServer
from fakeredis._socket import FakeSocket

from sim.redis.commands.config import Config
from sim.redis.commands.costs import EVICT_NS, QUEUED_COMMAND_NS, free_ns, work_ns
from sim.redis.commands.plans import Plan, introspection_plans, plans
from sim.redis.commands.substitution import Substitution
from sim.redis.keys.eviction import Evictor, FrequencyClock
from sim.redis.keys.expiry import FAST_NS, SLOW_SHARE, ActiveExpiry
from sim.redis.keys.keyspace import Entry, Keyspace, State
from sim.redis.keys.values import independent, listing, n_elements
from sim.redis.memory.allocator import Layout
from sim.redis.memory.client_memory import ClientMemory, OpenConnection
from sim.redis.memory.sizing import Sizer
from sim.redis.memory.sorted_set import MeteredZSet
from sim.redis.persistence import Fork, Persistence, Snapshot
from sim.redis.settings import RedisSettings

COMMAND_BYTES: Final = 25_050
"""Latency histogram of each command that has been used since the start (latency-tracking)."""
EVICTION_LIMIT_NS: Final = 500_000
"""evictionTimeLimitUs at the default maxmemory-eviction-tenacity of 10."""
_HANDSHAKE: Final = frozenset({"hello"})
"""Commands that client libraries send on a new connection."""
_NAMES_ITSELF_SINCE: Final = (7, 2)
"""Version from which client libraries also send CLIENT SETINFO."""
_EVICTIONS_PER_LOOK_AT_TIME: Final = 16
_PROCESS_BYTES: Final = 10 * 1024**2
"""Resident memory of the process besides the data: 12.3 MB resident at 1 MB used."""
_MAX_CYCLES_AT_ONCE: Final = 10_000
_LONG_VALUE_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Eviction:
    """A key that was deleted to free memory."""

    key: str
    members: int | None
    """Members of a sorted set; None for any other value."""


@dataclass(frozen=True, slots=True)
class RedisStats:
    """The server's numbers at one moment, for time series."""

    used_memory: int
    """Bytes, as INFO memory reports them."""
    resident_bytes: int
    """Resident set size, copies made for a snapshot in progress included."""
    keys: int
    evicted_keys: int
    expired_keys: int
    commands: int
    members: dict[str, int]
    """Members of the sorted sets asked for; 0 for those that do not exist."""


class RedisEngine(FakeServer):
    """One server. `clock` gives epoch seconds; `rng` decides sampling, LFU and random keys.

    `on_fork` is called for every snapshot that starts, `on_evict` for every evicted key,
    `on_refuse` with the name of every command refused at the memory limit. Commands of all clients
    are atomic: the caller must not run two commands at the same time.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        rng: random.Random,
        settings: RedisSettings,
        on_fork: Callable[[Fork], None] | None = None,
    ) -> None:
        super().__init__(version=settings.version_numbers)
        self._clock = clock
        self._rng = rng
        self.on_fork = on_fork
        self.on_evict: Callable[[Eviction], None] | None = None
        self.on_refuse: Callable[[str], None] | None = None
        self.refused_commands = 0
        """Commands refused at the memory limit since the load began, restarts included."""
        self.after_command: list[Callable[[str, Any], None]] = []
        """Called with the name and the arguments (of "exec": the commands) of each command that
        has run; what they raise reaches the caller instead of the reply."""
        self.plans: Mapping[str, Plan] = {**plans(), **introspection_plans()}
        self.substitution = Substitution(self._now, rng)
        self.configuration = Config(settings, self.apply_settings)
        self.up = True
        self._start(settings)

    def _start(self, settings: RedisSettings) -> None:
        """Start as a new process."""
        now_s = self._millisecond(self._clock())
        self.lastsave = int(now_s)
        layout = Layout.of(settings.allocator)
        sizer = Sizer(layout, settings.version_numbers)
        self.state = State(layout, sizer, self._rng, now_s, may_grow=self._may_grow)
        self.keyspaces = _Keyspaces(self.state)
        self.dbs = self.keyspaces  # type: ignore[assignment]  # used by fakeredis's commands
        self.frequency = FrequencyClock(self._rng, settings.lfu_log_factor, settings.lfu_decay_time)
        self.expiry = ActiveExpiry()
        self.started_s = now_s
        self._next_cron_s = now_s + 1 / settings.hz
        self._next_fast_s = now_s
        self.connected_clients = 0
        self.sockets: list[FakeSocket] = []
        self.client_memory = ClientMemory()
        self._commands_used: set[str] = set()
        self._debt_ns = 0
        self.peak_bytes = 0
        self.reset_stats()
        self.apply_settings(settings)

    def reset_stats(self) -> None:
        """Set the counters that INFO stats shows to zero."""
        state = self.state
        state.evicted_keys = state.expired_keys = 0
        state.keyspace_hits = state.keyspace_misses = 0
        self.commands_processed = self.connections_received = self.forks = 0

    # Clients

    def accept(self) -> None:
        """A client opens a connection.

        Raises:
            redis.exceptions.ConnectionError: if the server is down.
        """
        if not self.up:
            raise redis.ConnectionError("Error 111 connecting to redis:6379. Connection refused.")
        self.connections_received += 1
        self.connected_clients += 1
        self._commands_used |= _HANDSHAKE
        if self.version >= _NAMES_ITSELF_SINCE:
            self._commands_used.add("client setinfo")

    # Time

    def tick(self) -> None:
        """Do the background work that was due until now."""
        if not self.up:
            return
        now_s = self._millisecond(self._clock())
        self._catch_up(now_s)
        self._set_now(now_s)

    def begin_command(self, connection: OpenConnection, name: str) -> None:
        """Set the server's time for the next command, after the background work due before it."""
        now_s = self._millisecond(self._clock())
        if now_s != self.state.now_s:
            if now_s >= self._next_cron_s or self.expiry.is_busy:
                self._catch_up(now_s)
            self._set_now(now_s)
        connection.active_s = now_s
        self.client_memory.sent(connection)
        self.commands_processed += 1
        self._commands_used.add(name)

    @property
    def now_s(self) -> float:
        """The server's time: epoch seconds cut to the millisecond."""
        return self.state.now_s

    def _now(self) -> float:
        return self.state.now_s

    @staticmethod
    def _millisecond(time_s: float) -> float:
        return int(time_s * 1000) / 1000

    def _set_now(self, now_s: float) -> None:
        state = self.state
        state.now_s = now_s
        if state.lfu_touch is None:
            state.access_clock = int(now_s) & 0xFFFFFF
        else:
            self.frequency.minute = int(now_s) // 60
            state.access_clock = self.frequency.fresh()

    def _catch_up(self, now_s: float) -> None:
        """Run the background job at each time at which it was due."""
        period_s = 1 / self.configuration.settings.hz
        if now_s - self._next_cron_s > _MAX_CYCLES_AT_ONCE * period_s:
            self._next_cron_s = now_s - _MAX_CYCLES_AT_ONCE * period_s
        while self._next_cron_s <= now_s:
            self._set_now(self._millisecond(self._next_cron_s))
            self._next_cron_s += period_s
            self._cron(int(SLOW_SHARE * period_s * 1e9))
        if self.expiry.is_busy and now_s >= self._next_fast_s:
            self._set_now(now_s)
            self._next_fast_s = now_s + 2e-9 * FAST_NS
            self._debt_ns += self.expiry.cycle(self.keyspaces.values(), FAST_NS)

    def _cron(self, limit_ns: int) -> None:
        """One run of the background job."""
        databases = self.keyspaces.values()
        if any(database.names_with_ttl.keys for database in databases):
            self._debt_ns += self.expiry.cycle(databases, limit_ns)
        for database in databases:
            database.shrink_tables()
        self.persistence.finish_if_done(self.now_s, self._forget_changes)
        if self.persistence.is_due(self.now_s, self.state.changes):
            self.start_snapshot()

    # Memory

    def used_bytes(self) -> int:
        """used_memory."""
        tables = sum(database.table_bytes() for database in self.keyspaces.values())
        used = self.state.layout.startup_bytes + self.state.data_bytes + tables
        used += COMMAND_BYTES * len(self._commands_used) + self.client_bytes()
        self.peak_bytes = max(self.peak_bytes, used)
        return used

    def client_bytes(self) -> int:
        """Bytes of all connections, by how long they have been silent."""
        return self.client_memory.bytes_at(self.now_s)

    def resident_bytes(self) -> int:
        """Memory that the server takes from the host, including a snapshot's copies."""
        running = self.persistence.running
        return self.used_bytes() + _PROCESS_BYTES + (running.copied_bytes if running else 0)

    def is_over_limit(self) -> bool:
        """Whether more memory is used than maxmemory allows."""
        return self.used_bytes() > self.limit_bytes

    def free_memory(self) -> bool:
        """Evict until memory is below the limit or time is up; False if no key may be evicted."""
        self.evictor.now_s = self.now_s
        spent_ns = evicted = 0
        while self.is_over_limit():
            victim = self.evictor.next_victim(self.databases())
            if victim is None:
                return False
            database, key = victim
            entry = database.peek(key)
            spent_ns += EVICT_NS + free_ns(_size(entry))
            database.evict(key)
            self._tell_evicted(key, entry)
            self.state.changes += 1
            evicted += 1
            if evicted % _EVICTIONS_PER_LOOK_AT_TIME == 0 and spent_ns > EVICTION_LIMIT_NS:
                break
        self._debt_ns += spent_ns
        return True

    def _tell_evicted(self, key: bytes, entry: Entry | None) -> None:
        if self.on_evict is not None:
            is_set = entry is not None and isinstance(entry.value, MeteredZSet)
            self.on_evict(Eviction(key.decode(errors="replace"), _size(entry) if is_set else None))

    def _may_grow(self, more_bytes: int) -> bool:
        return not self.limit_bytes or self.used_bytes() + more_bytes <= self.limit_bytes

    # Settings at run time

    def apply_settings(self, settings: RedisSettings) -> None:
        """Apply changed settings (at start, and by CONFIG SET)."""
        self.limit_bytes = settings.maxmemory_bytes
        self.frequency.log_factor = settings.lfu_log_factor
        self.frequency.decay_minutes = settings.lfu_decay_time
        self.evictor = Evictor(
            settings.maxmemory_policy, settings.maxmemory_samples, self.frequency
        )
        counts = self.evictor.counts_frequency
        self.state.lfu_touch = self.frequency.touched if counts else None
        self.state.sizer.shared_integers = not self.limit_bytes or self.evictor.shares_integers
        if not hasattr(self, "persistence"):
            self.persistence = Persistence(settings, self.now_s)
        self.persistence.save_points = settings.save_points
        self._set_now(self.now_s)

    # Time per command

    def cost_ns(self, plan: Plan, args: list[bytes]) -> int:
        """Server time of a command, from the keys' present values, plus the time owed so far.

        The time owed was spent since the last command on eviction, expiry and forks.
        """
        settings = self.configuration.settings
        overhead_ns = int(1000 * settings.command_overhead_us)
        owed_ns, self._debt_ns = self._debt_ns, 0
        return overhead_ns + work_ns(plan.name, args, self.keyspaces[0]) + owed_ns

    def transaction_cost_ns(self, batch: list[tuple[Plan, list[bytes]]]) -> int:
        """Server time of MULTI, the commands of `batch` and EXEC, which arrive together."""
        keys = self.keyspaces[0]
        return self.cost_ns(self.plans["exec"], []) + sum(
            QUEUED_COMMAND_NS + work_ns(plan.name, args, keys) for plan, args in batch
        )

    # Saving and restarting

    def start_snapshot(self) -> None:
        """Fork a child that saves the present contents."""
        fork = self.persistence.start(
            self.now_s, self.used_bytes(), self.state.changes, self._contents()
        )
        self.forks += 1
        self._debt_ns += int(fork.stall_s * 1e9)
        if self.on_fork is not None:
            self.on_fork(fork)

    def save_now(self) -> None:
        """Write a snapshot in the foreground; all clients wait."""
        writing_s = self.used_bytes() / (self.configuration.settings.save_mb_per_s * 1024**2)
        self._debt_ns += int(writing_s * 1e9)
        self.persistence.put_on_disk(self._contents(), self.now_s)
        self.state.changes = 0

    def stop(self, *, graceful: bool = False) -> None:
        """End the process; clients get connection errors until `restart`.

        `graceful` (SIGTERM) saves a snapshot first if there are save points, as Redis does.
        """
        if not self.up:
            return
        self.tick()
        if graceful and self.persistence.save_points:
            self.save_now()
        self.persistence.abort()
        self.cut()
        self.up = False

    def cut(self) -> None:
        """Close every client's connection; a client's next command opens a new connection."""
        for connection in list(self.sockets):
            connection.kill()

    def restart(self, *, lose_data: bool, graceful: bool = False) -> None:
        """End the process and start it again: empty, or with the last finished snapshot.

        Keys that have expired meanwhile are not loaded. All connections are cut.
        """
        self.stop(graceful=graceful)
        if lose_data:
            self.persistence.on_disk = {}
        self.up = True
        self._start(self.configuration.settings)
        self.persistence.last_save_s = self.now_s
        self._load(self.persistence.on_disk)

    def _contents(self) -> Snapshot:
        return {
            number: {
                key: (independent(entry.value), entry.expireat)
                for key in database
                if (entry := database.peek(key)) is not None
            }
            for number, database in self.databases()
        }

    def _load(self, snapshot: Snapshot) -> None:
        for number, contents in snapshot.items():
            database = self.keyspaces[number]
            for key, (value, expireat) in contents.items():
                if expireat is None or expireat > self.now_s:
                    database[key] = _Loaded(independent(value), expireat)
        self.state.changes = 0

    def _forget_changes(self, saved: int) -> None:
        self.state.changes -= saved

    # Watching

    def databases(self) -> Iterable[tuple[int, Keyspace]]:
        """The databases in use, by number."""
        return self.keyspaces.items()

    def stats(self, sorted_sets: Iterable[str] = ()) -> RedisStats:
        """Counters and sizes now; this changes nothing and does not count as a use of a key."""
        return RedisStats(
            used_memory=self.used_bytes() if self.up else 0,
            resident_bytes=self.resident_bytes() if self.up else 0,
            keys=sum(map(len, self.keyspaces.values())) if self.up else 0,
            evicted_keys=self.state.evicted_keys,
            expired_keys=self.state.expired_keys,
            commands=self.commands_processed,
            members={name: self.members(name) for name in sorted_sets},
        )

    def members(self, sorted_set: str) -> int:
        """Members of one sorted set now, 0 if it does not exist; this is no use of the key."""
        return _size(self.keyspaces[0].peek(sorted_set.encode())) if self.up else 0

    def final_keys(self) -> bytes:
        """Every key with its value and expiry, as text that depends only on these.

        Empty while the server is down.
        """
        if not self.up:
            return b""
        hashes: dict[int, tuple[int, str]] = {}

        def shown(value: Any) -> Any:
            """Shows a value; a long text by its hash, computed once for all its keys."""
            if not isinstance(value, bytes) or len(value) <= _LONG_VALUE_BYTES:
                return listing(value)
            if id(value) not in hashes:
                hashes[id(value)] = (len(value), sha256(value).hexdigest())
            return hashes[id(value)]

        lines = [
            f"{number} {key!r} {entry.expireat!r} {shown(entry.value)!r}"
            for number, database in sorted(self.databases())
            for key in sorted(database)
            if (entry := database.peek(key)) is not None
        ]
        return "\n".join(lines).encode()


class _Keyspaces(dict[int, Keyspace]):
    """Databases, each created at its first use."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self[0] = Keyspace(state)

    def __missing__(self, number: int) -> Keyspace:
        database = self[number] = Keyspace(self._state)
        return database


@dataclass(frozen=True, slots=True)
class _Loaded:
    value: Any
    expireat: float | None


def _size(entry: Entry | None) -> int:
    return 0 if entry is None else n_elements(entry.value)
