"""A machine: cores and memory shared by the processes that run on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sim.machines.cpu import Cpu
from sim.machines.run_queue import RunQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.kernel.environment import Environment, Steps
    from sim.world import Host as HostSettings

_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Killed:
    """A process that the kernel killed, and why."""

    time_s: float
    name: str
    held_mb: float
    demand_mb: float
    limit_mb: float


def _cpu(env: Environment, settings: HostSettings) -> Cpu:
    if settings.run_queue:
        return RunQueue(env, settings.speed * min(1.0, settings.cores), settings.slice_s)
    return Cpu(env, settings.cores, settings.speed)


class Host:
    """Cores as a processor-sharing station; memory as the sum of what its processes hold.

    Memory is looked at once a second. Demand beyond memory slows every core down
    (`swap_slowdown`); demand beyond memory and swap, or beyond memory where there is no swapping,
    kills the largest process.
    """

    def __init__(self, env: Environment, settings: HostSettings) -> None:
        self.settings = settings
        self.cpu = _cpu(env, settings)
        self._env = env
        self._resident_mb: dict[str, Callable[[], float]] = {}
        self._on_kill: dict[str, Callable[[], None]] = {}
        self._on_end: Callable[[], None] | None = None
        self.demand_mb = settings.system_mb
        self.slowdown = 1.0
        self.killed: list[Killed] = []
        """Every process that the kernel killed, in order."""

    def add(self, name: str, resident_mb: Callable[[], float], on_kill: Callable[[], None]) -> None:
        """Put a process on this machine: how much it holds, and what happens when it is killed."""
        self._resident_mb[name] = resident_mb
        self._on_kill[name] = on_kill

    def start(self, on_memory_exhausted: Callable[[], None]) -> None:
        """Look after memory from now on; the callback is the operator's end of the run."""
        self._on_end = on_memory_exhausted
        self._env.process(self._look_again_and_again())

    def remove(self, name: str) -> None:
        """Take a process that has ended off this machine; no effect if it is not there."""
        self._resident_mb.pop(name, None)
        self._on_kill.pop(name, None)

    @property
    def names(self) -> list[str]:
        """The processes that run here."""
        return list(self._resident_mb)

    def held_mb(self, name: str) -> float:
        """Return what one process holds now; 0 if it does not run."""
        measure = self._resident_mb.get(name)
        return 0.0 if measure is None else measure()

    def _look_again_and_again(self) -> Steps:
        while True:
            self.look()
            yield self._env.timeout(_LOOK_S)

    def look(self) -> None:
        """Compare what is needed with what there is, and act on it. Does not block."""
        settings = self.settings
        resident = {name: measure() for name, measure in self._resident_mb.items()}
        self.demand_mb = settings.system_mb + sum(resident.values())
        over_mb = self.demand_mb - settings.memory_mb
        slowdown = 1.0
        if over_mb > 0.0:
            if settings.on_memory_exhausted == "end_run":
                if self._on_end is not None:
                    self._on_end()
                return
            if settings.on_memory_exhausted == "kill" or over_mb > settings.swap_mb:
                self._kill_largest(resident)
            else:
                slowdown += (settings.swap_slowdown - 1.0) * over_mb / self.demand_mb
        if slowdown != self.slowdown:
            self.slowdown = slowdown
            self.cpu.set_slowdown(slowdown)

    def _kill_largest(self, resident: dict[str, float]) -> None:
        if not resident:
            return
        victim = max(resident, key=lambda name: (resident[name], name))
        settings = self.settings
        swap_mb = settings.swap_mb if settings.on_memory_exhausted == "swap" else 0.0
        limit_mb = settings.memory_mb + swap_mb
        self.killed.append(
            Killed(self._env.now, victim, resident[victim], self.demand_mb, limit_mb)
        )
        on_kill = self._on_kill[victim]
        self.remove(victim)
        self.demand_mb -= resident[victim]
        on_kill()
