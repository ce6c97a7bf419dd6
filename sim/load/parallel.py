"""Several loads at once, each with its own start, as k6 runs several scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    import simpy

    from sim.kernel.environment import Environment
    from sim.load.executor import Executor


class Scheduled(NamedTuple):
    """An executor, and how long after the first one it starts."""

    after_s: float
    executor: Executor


class ParallelLoads:
    """Starts every executor at its time; counts and ends are those of all together."""

    def __init__(self, env: Environment, parts: Sequence[Scheduled]) -> None:
        self._env = env
        self._parts = parts
        self._start_s = env.now
        self.all_done: simpy.Event = env.all_of([part.executor.all_done for part in parts])

    def start(self) -> None:
        """Schedule everything from the current time on; does not block."""
        self._start_s = self._env.now
        for after_s, executor in self._parts:
            if after_s > 0.0:
                self._env.call_in(after_s, executor.start)
            else:
                executor.start()

    @property
    def end_s(self) -> float:
        """The latest simulated time at which all is over."""
        return self._start_s + max(
            after_s + executor.longest_s for after_s, executor in self._parts
        )

    @property
    def active_vus(self) -> int:
        """Users that iterate or finish their last iteration."""
        return sum(executor.active_vus for _, executor in self._parts)

    @property
    def allocated_vus(self) -> int:
        """Users initialised, active or not: each load has its own."""
        return sum(executor.allocated_vus for _, executor in self._parts)

    @property
    def interrupted_iterations(self) -> int:
        """Iterations cut off by the end of a graceful period."""
        return sum(executor.interrupted_iterations for _, executor in self._parts)

    @property
    def dropped_iterations(self) -> int:
        """Iterations not started, for want of users or time."""
        return sum(executor.dropped_iterations for _, executor in self._parts)
