"""Makes the faults of a world happen at their times."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, assert_never

import redis

from sim.faults.settings import Fault, HostMemoryHog, RedisMemoryHog, RedisRestart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.kernel import Environment
    from sim.measure.events import Events
    from sim.processes import Processes


class Faults:
    """The faults of one run, on the processes of its machines."""

    def __init__(
        self, env: Environment, faults: Sequence[Fault], processes: Processes, events: Events
    ) -> None:
        self._env = env
        self._faults = faults
        self._processes = processes
        self._events = events

    def start(self) -> None:
        """Begin to count the time: the load begins now."""
        for number, fault in enumerate(self._faults, start=1):
            name = f"{fault.kind}-{number}"
            self._env.spawn(name, partial(self._happen, fault, name))

    def _happen(self, fault: Fault, name: str) -> None:
        self._env.sleep(fault.at_s)
        match fault:
            case RedisRestart():
                self._processes.restart_redis(fault.restart_after_s, lose_data=fault.lose_data)
            case RedisMemoryHog():
                self._fill_redis(fault, name)
            case HostMemoryHog():
                self._fill_host(fault, name)
            case _:
                assert_never(fault)

    def _fill_redis(self, fault: RedisMemoryHog, name: str) -> None:
        server = self._processes.redis
        client = server.server.client(lambda _command, cost_ns: server.serve(cost_ns))
        value = b"x" * fault.value_bytes
        ttl_ms = int(1000 * fault.ttl_s) or None
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
        self._events.note(
            f"another program wrote {written:,} of {fault.keys:,} keys of "
            f"{fault.value_bytes:,} bytes into Redis"
        )

    def _fill_host(self, fault: HostMemoryHog, name: str) -> None:
        began_s = self._env.now

        def held_mb() -> float:
            elapsed_s = self._env.now - began_s
            return fault.memory_mb * min(1.0, elapsed_s / fault.over_s if fault.over_s else 1.0)

        self._processes.host.add(name, held_mb, lambda: None)
