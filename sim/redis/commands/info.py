"""The text of INFO, with the sections and lines that the simulation can fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.redis.engine import RedisEngine

_KB = 1024


def info_text(server: RedisEngine, wanted: set[str]) -> str:
    """INFO for the `wanted` sections (empty, or with "all" or "default": all sections)."""
    everything = not wanted or wanted & {"all", "default", "everything"}
    parts = []
    for name, lines in _sections(server).items():
        if everything or name.lower() in wanted:
            body = "".join(f"{key}:{value}\r\n" for key, value in lines.items())
            parts.append(f"# {name}\r\n{body}")
    return "\r\n".join(parts)


def _sections(server: RedisEngine) -> dict[str, dict[str, object]]:
    return {
        "Server": _server(server),
        "Clients": {"connected_clients": server.connected_clients, "blocked_clients": 0},
        "Memory": _memory(server),
        "Persistence": _persistence(server),
        "Stats": _stats(server),
        "Keyspace": _keyspace(server),
    }


def _server(server: RedisEngine) -> dict[str, object]:
    settings = server.configuration.settings
    return {
        "redis_version": settings.version,
        "redis_mode": "standalone",
        "arch_bits": 64,
        "uptime_in_seconds": int(server.now_s - server.started_s),
        "uptime_in_days": int(server.now_s - server.started_s) // 86_400,
        "hz": settings.hz,
        "configured_hz": settings.hz,
        "lru_clock": int(server.now_s) & 0xFFFFFF,
    }


def _memory(server: RedisEngine) -> dict[str, object]:
    used = server.used_bytes()
    settings = server.configuration.settings
    overhead = used - server.state.data_bytes
    return {
        "used_memory": used,
        "used_memory_human": _human(used),
        "used_memory_peak": server.peak_bytes,
        "used_memory_peak_human": _human(server.peak_bytes),
        "used_memory_overhead": overhead,
        "used_memory_startup": server.state.layout.startup_bytes,
        "used_memory_dataset": used - overhead,
        "used_memory_rss": server.resident_bytes(),
        "maxmemory": settings.maxmemory_bytes,
        "maxmemory_human": _human(settings.maxmemory_bytes),
        "maxmemory_policy": settings.maxmemory_policy,
        "mem_clients_normal": server.client_bytes(),
        "mem_not_counted_for_evict": 0,
        "mem_allocator": "jemalloc-5.3.0",
    }


def _persistence(server: RedisEngine) -> dict[str, object]:
    persistence = server.persistence
    last = persistence.last_fork
    return {
        "loading": 0,
        "rdb_changes_since_last_save": server.state.changes,
        "rdb_bgsave_in_progress": int(persistence.running is not None),
        "rdb_last_save_time": int(persistence.last_save_s),
        "rdb_last_bgsave_status": "ok",
        "rdb_saves": persistence.saves,
        "rdb_last_cow_size": last.copied_bytes if last else 0,
        "aof_enabled": 0,
    }


def _stats(server: RedisEngine) -> dict[str, object]:
    state = server.state
    last = server.persistence.last_fork
    return {
        "total_connections_received": server.connections_received,
        "total_commands_processed": server.commands_processed,
        "expired_keys": state.expired_keys,
        "expired_stale_perc": f"{100 * server.expiry.stale_share:.2f}",
        "expired_time_cap_reached_count": server.expiry.cap_reached,
        "evicted_keys": state.evicted_keys,
        "keyspace_hits": state.keyspace_hits,
        "keyspace_misses": state.keyspace_misses,
        "latest_fork_usec": int(last.stall_s * 1e6) if last else 0,
        "total_forks": server.forks,
    }


def _keyspace(server: RedisEngine) -> dict[str, object]:
    return {
        f"db{number}": f"keys={len(db)},expires={len(db.names_with_ttl.keys)},avg_ttl=0"
        for number, db in sorted(server.databases())
        if len(db)
    }


def _human(n_bytes: int) -> str:
    if n_bytes < _KB:
        return f"{n_bytes}B"
    power = min(3, (n_bytes.bit_length() - 1) // 10)
    return f"{n_bytes / _KB**power:.2f}{'BKMG'[power]}"
