"""A machine: cores and memory shared by the processes that run on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.stations.cpu import Cpu

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.kernel import Environment
    from sim.world import Host as HostSettings


class Host:
    """Cores as a processor-sharing station; memory as the sum of what its processes hold.

    Memory is looked at once a second. Demand beyond memory slows every core down
    (`swap_slowdown`); demand beyond memory and swap, or beyond memory where there is no swapping,
    kills the largest process.
    """

    def __init__(self, env: Environment, settings: HostSettings) -> None:
        self.settings = settings
        self.cpu = Cpu(env, settings.cores, settings.speed)
        self._env = env
        self._resident_mb: dict[str, Callable[[], float]] = {}
        self._on_kill: dict[str, Callable[[], None]] = {}
        self._on_end: Callable[[], None] | None = None
        self.demand_mb = settings.system_mb
        self.slowdown = 1.0
        self.killed: list[tuple[float, str]] = []
        """(time, process) of every process that the kernel killed."""

    def add(self, name: str, resident_mb: Callable[[], float], on_kill: Callable[[], None]) -> None:
        """Put a process on this machine: how much it holds, and what happens when it is killed."""
        self._resident_mb[name] = resident_mb
        self._on_kill[name] = on_kill

    def start(self, on_memory_exhausted: Callable[[], None]) -> None:
        """Look after memory from now on; the callback is the operator's end of the run."""
        self._on_end = on_memory_exhausted
        self._look()

    def resident_mb(self, name: str) -> float:
        """Return what one process holds now."""
        return self._resident_mb[name]()

    def _look(self) -> None:
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
        self._env.call_in(1.0, self._look)

    def _kill_largest(self, resident: dict[str, float]) -> None:
        victim = max(resident, key=lambda name: (resident[name], name))
        self.killed.append((self._env.now, victim))
        on_kill = self._on_kill[victim]
        del self._resident_mb[victim], self._on_kill[victim]
        on_kill()
