"""Makes the faults of a world happen at their times."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, assert_never

import redis

from sim.database import SimulatedDatabase
from sim.faults.database import FullDisk, RolledBack, hold_rows
from sim.faults.settings import (
    ClockSkew,
    DatabaseDeadlock,
    DatabaseDiskFull,
    DatabasePause,
    DatabaseRowsLocked,
    Fault,
    GeneratorStarved,
    HostMemoryHog,
    JvmPause,
    NetworkLoss,
    RedisConnectionsDropped,
    RedisLatency,
    RedisMemoryHog,
    RedisPause,
    RedisRestart,
    SecondInstance,
    ServicePause,
)
from sim.network.link import Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.kernel.environment import Environment
    from sim.kernel.random_streams import Stream, Streams
    from sim.machines.host import Host
    from sim.machines.programs import Programs
    from sim.measure.events import Events
    from sim.service.host import Server

_MOST_NOTES: Final = 12
"""Of one fault that happens again and again."""


class Faults:
    """The faults of one run, and the programs and machines that they act on."""

    def __init__(
        self,
        env: Environment,
        faults: Sequence[Fault],
        server: Server,
        programs: Programs,
        generator_host: Host,
        events: Events,
        streams: Streams,
    ) -> None:
        self._env = env
        self._faults = faults
        self._server = server
        self._programs = programs
        self._events = events
        self._streams = streams
        self._full_disk = FullDisk(env)
        self._rolled_back = RolledBack()
        self._cut_until_s = 0.0
        self._cut: RedisConnectionsDropped | None = None
        self._cut_rng = streams.stream("fault: connections to Redis")
        self._starving_threads = 0.0
        if faults:
            self._open_links(generator_host)

    def _open_links(self, generator_host: Host) -> None:
        """Put links and obstacles between the programs, for the faults to act on."""
        env, server, streams = self._env, self._server, self._streams
        self._links = {
            name: Link(env, streams.stream(f"fault: {name}"))
            for name in ("generator-service", "service-redis", "service-database", "jvm")
        }
        server.link = server.connector.link = self._links["generator-service"]
        server.redis_turn.link = self._links["service-redis"]
        server.charges.database_link = self._links["service-database"]
        server.charges.holds = (*server.charges.holds, self._stand_still)
        self._links["service-redis"].on_arrival = self._drop_before
        server.redis.after_command.append(self._drop_after)
        server.database.obstacles.extend([self._full_disk, self._rolled_back])
        # Room for another program on the generator's machine.
        self._neighbour = generator_host.cpu.process()

    def _stand_still(self) -> None:
        self._links["jvm"].travel()

    def start(self) -> None:
        """Begin to count the time: the load begins now."""
        for number, fault in enumerate(self._faults, start=1):
            name = f"{fault.kind}-{number}"
            rng = self._streams.stream("fault", number)
            self._env.spawn(name, partial(self._repeat, fault, name, rng))

    def _repeat(self, fault: Fault, name: str, rng: Stream) -> None:
        """Let a fault happen whenever its time has come."""
        self._env.sleep(fault.at_s)
        notes = 0
        while True:
            if fault.mean_interval_s > 0.0:
                self._env.sleep(rng.exponential(fault.mean_interval_s))
            if rng.bernoulli(fault.probability):
                told = self._happen(fault, name)
                notes += 1
                if told and notes <= _MOST_NOTES:
                    self._events.note(told)
            if fault.mean_interval_s == 0.0:
                return

    def _happen(self, fault: Fault, name: str) -> str:
        """Make the fault happen; return the remark about it, empty if it is written elsewhere."""
        match fault:
            case RedisRestart() | RedisPause() | RedisLatency() | RedisConnectionsDropped():
                return self._disturb_redis(fault)
            case DatabasePause() | DatabaseDeadlock() | DatabaseRowsLocked() | DatabaseDiskFull():
                return self._disturb_database(fault)
            case JvmPause() | ServicePause() | ClockSkew() | SecondInstance():
                return self._disturb_service(fault)
            case RedisMemoryHog():
                return self._fill_redis(fault, name)
            case HostMemoryHog():
                return self._fill_host(fault, name)
            case NetworkLoss() | GeneratorStarved():
                return self._disturb_surroundings(fault)
            case _:
                assert_never(fault)

    # Redis

    def _disturb_redis(
        self, fault: RedisRestart | RedisPause | RedisLatency | RedisConnectionsDropped
    ) -> str:
        link = self._links["service-redis"]
        match fault:
            case RedisRestart():
                self._programs.restart_redis(fault.restart_after_s, lose_data=fault.lose_data)
                return ""
            case RedisPause():
                link.close(fault.for_s)
                return f"Redis stood still for {fault.for_s:g} s"
            case RedisLatency():
                link.slow_down(fault.extra_s, fault.for_s)
                return f"commands to Redis took {fault.extra_s:g} s more for {fault.for_s:g} s"
            case RedisConnectionsDropped():
                self._cut_connections(fault)
                return f"connections to Redis were cut, for {fault.for_s:g} s"

    def _cut_connections(self, fault: RedisConnectionsDropped) -> None:
        self._programs.redis.cut()
        self._cut = fault
        self._cut_until_s = self._env.now + fault.for_s

    def _drop_before(self) -> None:
        """A command has arrived at Redis."""
        if self._cut is not None and not self._cut.after_command:
            self._drop(self._cut)

    def _drop_after(self, _name: str, _args: object) -> None:
        """A command has run."""
        if self._cut is not None and self._cut.after_command:
            self._drop(self._cut)

    def _drop(self, fault: RedisConnectionsDropped) -> None:
        """Lose the connection of the command that is under way, if it is one of the share."""
        if self._env.now >= self._cut_until_s:
            return
        if self._cut_rng.bernoulli(fault.share):
            self._programs.redis.server.cut()
            raise redis.ConnectionError("Connection reset by peer")

    def _fill_redis(self, fault: RedisMemoryHog, name: str) -> str:
        server = self._programs.redis
        client = server.server.client(lambda _command, cost_ns: server.serve(cost_ns))
        value = b"x" * fault.value_bytes
        ttl_ms = max(1, int(1000 * fault.ttl_s)) if fault.ttl_s else None
        written = 0
        for number in range(fault.keys):
            try:
                client.set(f"other:{name}:{number}", value, px=ttl_ms)
                written += 1
            except redis.RedisError:
                # Refused or gone; like any other client it goes on with its next key.
                pass
            self._env.sleep(fault.over_s / fault.keys)
        client.close()
        return (
            f"another program wrote {written:,} of {fault.keys:,} keys of "
            f"{fault.value_bytes:,} bytes into Redis"
        )

    # The database

    def _disturb_database(
        self, fault: DatabasePause | DatabaseDeadlock | DatabaseRowsLocked | DatabaseDiskFull
    ) -> str:
        match fault:
            case DatabasePause():
                self._links["service-database"].close(fault.for_s)
                return f"the database stood still for {fault.for_s:g} s"
            case DatabaseDeadlock():
                self._rolled_back.transactions += fault.transactions
                return f"{fault.transactions:,} transactions were chosen as victims of deadlocks"
            case DatabaseRowsLocked():
                rows = self._hold_rows(fault.table, fault.for_s)
                return f"{rows:,} rows of {fault.table} were locked for {fault.for_s:g} s"
            case DatabaseDiskFull():
                self._full_disk.fill(fault.for_s)
                return f"the database's disk was full for {fault.for_s:g} s"

    def _hold_rows(self, table: str, for_s: float) -> int:
        # An application's databases are of another kind.
        database: Any = self._server.database
        if isinstance(database, SimulatedDatabase):
            return hold_rows(database, self._env, table, for_s)
        held: int = database.hold_rows(table, for_s)
        return held

    # The service

    def _disturb_service(self, fault: JvmPause | ServicePause | ClockSkew | SecondInstance) -> str:
        match fault:
            case JvmPause() | ServicePause():
                self._links["jvm"].close(fault.for_s)
                return f"the service stood still for {fault.for_s:g} s"
            case ClockSkew():
                clock = self._server.clock
                clock.step(fault.offset_s)
                if fault.for_s > 0.0:
                    self._env.call_in(fault.for_s, lambda: clock.step(-fault.offset_s))
                return f"the service's clock stepped by {fault.offset_s:+g} s"
            case SecondInstance():
                if not self._server.start_second(takes_requests=fault.takes_requests):
                    return "a second instance was running already"
                return "a second instance of the service started"

    # Machines and what is between them

    def _disturb_surroundings(self, fault: NetworkLoss | GeneratorStarved) -> str:
        for_s = fault.for_s
        if isinstance(fault, NetworkLoss):
            self._links[fault.between].lose(fault.share, for_s)
            return f"{fault.share:.0%} of the messages {fault.between} were lost for {for_s:g} s"
        threads = fault.threads
        self._starve(threads)
        self._env.call_in(for_s, lambda: self._starve(-threads))
        return f"{threads:g} threads ran beside the load generator for {for_s:g} s"

    def _starve(self, threads: float) -> None:
        self._starving_threads += threads
        self._neighbour.set_background(self._starving_threads)

    def _fill_host(self, fault: HostMemoryHog, name: str) -> str:
        began_s = self._env.now

        def held_mb() -> float:
            elapsed_s = self._env.now - began_s
            return fault.memory_mb * min(1.0, elapsed_s / fault.over_s if fault.over_s else 1.0)

        self._programs.host.add(name, held_mb, lambda: None)
        return ""
