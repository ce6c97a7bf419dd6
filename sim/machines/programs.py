"""The programs of a run on their machines: their memory, which is killed, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.kernel.environment import Environment
    from sim.load.generator import Generator
    from sim.machines.host import Host
    from sim.measure.events import Events
    from sim.redis.persistence import Fork
    from sim.service.host import Server
    from sim.world import World

_MB: Final = 1e6


class Programs:
    """Service, database, broker, Redis and load generator, each on its machine.

    `end` ends the run early, with the reason that the result reports.
    """

    def __init__(
        self,
        env: Environment,
        world: World,
        server: Server,
        generator: Generator,
        generator_host: Host,
        events: Events,
        end: Callable[[str], None],
    ) -> None:
        self._env = env
        self._world = world
        self._server = server
        self._events = events
        self._end = end
        self.host = server.host
        self.redis = server.redis_process
        self._hosts = list(dict.fromkeys((self.host, generator_host)))
        memory = world.memory
        self._place_service()
        self.host.add("database", lambda: memory.database_mb, lambda: self._end_by("database"))
        self.host.add("broker", lambda: memory.broker_mb, self._broker_killed)
        self._place_redis()
        generator_host.add("generator", generator.resident_mb, lambda: self._end_by("generator"))
        self._listen()

    def _listen(self) -> None:
        redis = self.redis
        redis.on_start = self._redis_up
        redis.server.on_evict = self._events.evicted
        redis.server.on_refuse = self._events.refused_command
        redis.server.on_fork = self._forked

    def start(self) -> None:
        """Look after memory from now on."""
        for host in self._hosts:
            host.start(lambda: self._end("memory_exhausted"))

    def restart_redis(self, after_s: float, *, lose_data: bool) -> None:
        """Kill Redis and start it again `after_s` seconds later."""
        self._events.note("Redis was killed")
        self._events.redis_kills += 1
        self._stop_redis()
        self.redis.start_after(after_s, lose_data=lose_data)

    def gauges(self) -> dict[str, Callable[[], float]]:
        """Memory of each process in MB, for the time series; 0 while the process is not running."""
        host = self.host
        return {
            f"{name}_memory_mb": lambda name=name: host.held_mb(name)
            for name in ("service", "database", "broker", "redis")
        } | {
            "other_memory_mb": lambda: sum(
                host.held_mb(name) for name in host.names if name.startswith("host_memory_hog")
            ),
            "killed_processes": lambda: sum(len(each.killed) for each in self._hosts),
        }

    def _note_killed(self, name: str) -> None:
        host = next(each for each in self._hosts if each.killed and each.killed[-1].name == name)
        killed = host.killed[-1]
        self._events.note(
            f"the kernel killed the largest process, {name} ({killed.held_mb:,.0f} MB): "
            f"{killed.demand_mb:,.0f} MB were needed, {killed.limit_mb:,.0f} MB there"
        )

    # The service

    def _place_service(self) -> None:
        self.host.add("service", self._server.resident_mb, self._service_killed)

    def _service_killed(self) -> None:
        self._note_killed("service")
        self._server.kill()
        after_s = self._world.service.restart_after_s
        if after_s is not None:
            self._env.call_in(after_s, self._start_service)

    def _start_service(self) -> None:
        self._server.restart()
        self._place_service()
        self._events.note("the service is up again")

    # Redis

    def _place_redis(self) -> None:
        self.host.add(
            "redis", lambda: self.redis.server.stats().resident_bytes / _MB, self._redis_killed
        )

    def _redis_killed(self) -> None:
        self._note_killed("redis")
        self._events.redis_kills += 1
        self.redis.kill()
        settings = self._world.redis
        if settings.restart_after_s is not None:
            self.redis.start_after(settings.restart_after_s, lose_data=settings.restart_loses_data)

    def _stop_redis(self) -> None:
        self.host.remove("redis")
        self.redis.kill()

    def _redis_up(self) -> None:
        self._place_redis()
        keys = self.redis.server.stats().keys
        self._events.note(f"Redis is up again, with {keys:,} keys")

    def _forked(self, fork: Fork) -> None:
        self._events.forked(fork)
        # Redis is in the middle of a command: the kernel looks as soon as that is over.
        self._env.call_in(0.0, self.host.look)

    # The others

    def _broker_killed(self) -> None:
        self._note_killed("broker")
        self._server.broker.available = False

    def _end_by(self, name: str) -> None:
        self._note_killed(name)
        self._end(f"{name}_killed")
