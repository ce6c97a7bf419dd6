"""Commands about the server and its keys: INFO, CONFIG, MEMORY, OBJECT, DEBUG.

fakeredis has none of them. Their signatures are in `plans`, beside those of fakeredis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fakeredis._helpers import OK, SimpleError, SimpleString, compile_pattern

from sim.redis.commands.info import info_text
from sim.redis.keys.eviction import idle_s
from sim.redis.keys.keyspace import Entry, Keyspace

if TYPE_CHECKING:
    from sim.redis.engine import RedisEngine

_SHARED_REFCOUNT: Final = 2**31 - 1
"""OBJ_SHARED_REFCOUNT."""
_NO_SUCH_KEY: Final = "ERR no such key"


class IntrospectionCommands:
    """Mixed into a connection of the server."""

    server: RedisEngine
    _db: Keyspace

    def info_(self, *sections: bytes) -> bytes:
        """INFO [section ...]."""
        wanted = {section.decode().lower() for section in sections}
        return info_text(self.server, wanted).encode()

    def config_get(self, *patterns: bytes) -> dict[bytes, bytes]:
        """CONFIG GET pattern ...: those settings that this server has."""
        regexes = [compile_pattern(pattern.lower()) for pattern in patterns]
        return {
            name.encode(): value.encode()
            for name, value in self.server.configuration.values().items()
            if any(regex.match(name.encode()) for regex in regexes)
        }

    def config_set(self, *args: bytes) -> SimpleString:
        """CONFIG SET name value ...: refuses what Redis refuses, in its words."""
        if len(args) % 2:
            raise SimpleError("ERR wrong number of arguments for 'config|set' command")
        pairs = zip(args[::2], args[1::2], strict=True)
        self.server.configuration.change(
            {name.decode().lower(): value.decode() for name, value in pairs}
        )
        return OK

    def config_resetstat(self) -> SimpleString:
        """CONFIG RESETSTAT."""
        self.server.reset_stats()
        return OK

    def memory_usage(self, key: bytes, *args: bytes) -> int | None:
        """MEMORY USAGE key [SAMPLES n]: always the sum over all members."""
        if len(args) not in {0, 2} or (args and args[0].lower() != b"samples"):
            raise SimpleError("ERR syntax error")
        entry = self._peek(key)
        if entry is None:
            return None
        # MEMORY USAGE counts 24 bytes per hash table entry, and not the allocated size.
        state = self.server.state
        layout = state.layout
        ttl_bytes = layout.entry_bytes if entry.ttl_at >= 0 else 0
        rounding = (layout.entry_bytes - 24) * (1 + state.sizer.hash_table_entries(entry.value))
        shared = state.sizer.shared_bytes(entry.value)
        return entry.n_bytes - ttl_bytes - rounding + shared

    def object_encoding(self, key: bytes) -> bytes | None:
        """OBJECT ENCODING key."""
        entry = self._peek(key)
        return None if entry is None else self.server.state.sizer.encoding_of(entry.value).encode()

    def object_refcount(self, key: bytes) -> int | None:
        """OBJECT REFCOUNT key: 1, or INT_MAX for a shared integer."""
        entry = self._peek(key)
        if entry is None:
            return None
        return _SHARED_REFCOUNT if self.server.state.sizer.shared_bytes(entry.value) else 1

    def object_idletime(self, key: bytes) -> int | None:
        """OBJECT IDLETIME key: seconds."""
        entry = self._peek(key)
        if self.server.evictor.counts_frequency:
            raise SimpleError(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that "
                "when switching between policies at runtime LRU and LFU data will take some time "
                "to adjust."
            )
        return None if entry is None else idle_s(entry.access, int(self._db.time))

    def object_freq(self, key: bytes) -> int | None:
        """OBJECT FREQ key: the LFU counter, decayed."""
        entry = self._peek(key)
        if not self.server.evictor.counts_frequency:
            raise SimpleError(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
                "note that when switching between policies at runtime LRU and LFU data will take "
                "some time to adjust."
            )
        return None if entry is None else self.server.frequency.count(entry.access)

    def debug_object(self, key: bytes) -> SimpleString:
        """DEBUG OBJECT key: encoding and idle time are meaningful, the rest is filler."""
        entry = self._peek(key)
        if entry is None:
            raise SimpleError(_NO_SUCH_KEY)
        idle = idle_s(entry.access, int(self._db.time))
        return SimpleString(
            f"Value at:0x0 refcount:1 encoding:{self.server.state.sizer.encoding_of(entry.value)} "
            f"serializedlength:{entry.n_bytes} lru:{entry.access} lru_seconds_idle:{idle}".encode()
        )

    def _peek(self, key: bytes) -> Entry | None:
        entry = self._db.peek(key)
        if entry is None or entry.expireat is None or entry.expireat >= self._db.time:
            return entry
        self._db.expire(key)
        return None
