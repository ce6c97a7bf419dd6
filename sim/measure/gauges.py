"""The columns of a run's time series: what is read off the world once per simulated second."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from sim.measure.redis_keys import key_columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.load.executors import Executor
    from sim.load.generator import Generator
    from sim.load.parallel import ParallelLoads
    from sim.machines.programs import Programs
    from sim.measure.invariants import Watch
    from sim.measure.requests import RequestLog
    from sim.service.host import Server

_MS: Final = 1e3


class Durations:
    """Median and p95 in milliseconds of the requests that ended since the last look."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._seen = 0
        self._p95_ms = math.nan

    def median_ms(self) -> float:
        """Look again, and return the median; NaN without a request."""
        durations_s = self._log.durations_since(self._seen)
        self._seen = self._log.requests
        if not len(durations_s):
            self._p95_ms = math.nan
            return math.nan
        # By nearest rank: numpy's percentiles take longer than all other columns together.
        durations_s.sort()
        most = len(durations_s) - 1
        self._p95_ms = float(durations_s[round(0.95 * most)]) * _MS
        return float(durations_s[most // 2]) * _MS

    def p95_ms(self) -> float:
        """The p95 at the last look."""
        return self._p95_ms


def gauges(
    log: RequestLog,
    watch: Watch,
    server: Server,
    generator: Generator,
    executor: Executor | ParallelLoads,
    programs: Programs,
) -> dict[str, Callable[[], float]]:
    """Return column -> its current value; memory in MB, times in seconds."""
    host, redis = server.host, server.redis
    durations = Durations(log)
    return {
        "vus": lambda: executor.active_vus,
        "http_reqs": lambda: log.requests,
        "http_req_failed": lambda: log.failed,
        "duration_median_ms": durations.median_ms,
        "duration_p95_ms": durations.p95_ms,
        "passed": watch.passed,
        "waiting": watch.waiting,
        # Not by `redis.stats`, which reads everything for each of these.
        "redis_used_bytes": lambda: redis.used_bytes() if redis.up else 0,
        "redis_keys": lambda: sum(map(len, redis.keyspaces.values())) if redis.up else 0,
        "redis_evicted_keys": lambda: redis.state.evicted_keys,
        "redis_expired_keys": lambda: redis.state.expired_keys,
        "redis_refused_commands": lambda: redis.refused_commands,
        "pool_active": lambda: server.pool.active,
        "pool_pending": lambda: server.pool.pending,
        "pool_timeouts": lambda: server.pool.timeouts,
        "threads_busy": lambda: server.workers.busy,
        "requests_queued": lambda: server.workers.queued,
        "connections": lambda: server.connector.accepted,
        "connection_backlog": lambda: server.connector.backlog,
        "host_memory_mb": lambda: host.demand_mb,
        "generator_memory_mb": generator.resident_mb,
        "spinning_vus": lambda: generator.spinning,
        "host_slowdown": lambda: host.slowdown,
        "service_cpu_s": lambda: server.used_s,
        "database_cpu_s": lambda: server.database_process.used_s,
        "redis_cpu_s": lambda: server.redis_process.process.used_s,
        "generator_cpu_s": lambda: generator.process.used_s + generator.process.background_s,
        **programs.gauges(),
    }


def tallies(log: RequestLog, server: Server) -> dict[str, float]:
    """Return what has been counted so far by names that are known only once something happens."""
    exceptions = server.charges.exception_counts()
    logged = {f"exception:{name}": float(count) for name, count in exceptions.items()}
    return log.tallies() | logged | key_columns(server.redis)
