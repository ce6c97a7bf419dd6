"""The keys of Redis over time, as an operator looks at them: members, bytes and time to live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.redis.keys.keyspace import Entry
    from sim.redis.server import RedisServer

_MOST_KEYS: Final = 200
"""Keys looked at; those of the queue are the oldest, so they are among them."""
NO_TTL: Final = -1.0
"""As Redis's TTL command answers."""


def key_columns(redis: RedisServer) -> dict[str, float]:
    """Return "redis_members:KEY", "redis_bytes:KEY" and "redis_ttl_s:KEY" of what is there now.

    KEY ends with the type in brackets. Keys that differ only in a number at the end count as one
    (`lock:seat:*`): members and bytes are sums, the time to live is the shortest. What is not
    there has no column now; a key without an expiry has `NO_TTL`.
    """
    if not redis.up:
        return {}
    found: dict[str, float] = {}
    now_s = redis.now_s
    for key, entry in redis.keyspaces[0].oldest(_MOST_KEYS):
        if entry.expireat is None or entry.expireat >= now_s:
            _add(found, _name(key, entry), entry, now_s)
    return found


def _add(found: dict[str, float], name: str, entry: Entry, now_s: float) -> None:
    members, size = f"redis_members:{name}", f"redis_bytes:{name}"
    found[members] = found.get(members, 0.0) + _members(entry.value)
    found[size] = found.get(size, 0.0) + entry.n_bytes
    ttl = f"redis_ttl_s:{name}"
    ttl_s = NO_TTL if entry.expireat is None else max(0.0, entry.expireat - now_s)
    found[ttl] = min(found.get(ttl, ttl_s), ttl_s)


def _members(value: object) -> int:
    return 1 if isinstance(value, bytes) else len(value)  # type: ignore[arg-type]  # a collection


def _name(key: bytes, entry: Entry) -> str:
    text = key.decode(errors="replace")
    head, _, last = text.rpartition(":")
    if head and any(character.isdigit() for character in last):
        text = f"{head}:*"
    return f"{text} ({_kind(entry.value)})"


def _kind(value: object) -> str:
    name = type(value).__name__.lower()
    if isinstance(value, bytes):
        return "string"
    if "zset" in name:
        return "zset"
    return next((kind for kind in ("hash", "list", "stream", "set") if kind in name), name)
