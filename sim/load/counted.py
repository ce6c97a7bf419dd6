"""per-vu-iterations and shared-iterations: a given number of iterations, then the user leaves."""

from __future__ import annotations

from abc import abstractmethod

from sim.kernel.environment import Environment
from sim.load.executor import Executor, Iterate
from sim.load.settings import PerVUIterations, SharedIterations
from sim.load.virtual_user import LoadHooks, VirtualUser


class CountedIterations(Executor):
    """All users start at once; each leaves when nothing is left for it or the time is up."""

    def __init__(
        self,
        env: Environment,
        settings: PerVUIterations | SharedIterations,
        iterate: Iterate,
        hooks: LoadHooks,
        first_id: int = 0,
    ) -> None:
        longest_s = settings.max_duration_s + settings.graceful_stop_s
        super().__init__(env, iterate, hooks, longest_s, first_id)
        self._max_duration_s = settings.max_duration_s
        self._users = [self._new_user(number) for number in range(settings.vus)]
        self.allocated_vus = settings.vus

    def _start(self) -> None:
        self._timer = self.env.call_at(self.end_s, self._cut_off)
        for vu in self._users:
            self._activate(vu)

    def _cut_off(self) -> None:
        for vu in self._users:
            if vu.active:
                self._cancel(vu)

    def goes_on(self, vu: VirtualUser) -> bool:
        """See `Executor.goes_on`."""
        in_time = self.env.now < self.start_s + self._max_duration_s
        return in_time and not vu.stopped and self._take_one(vu)

    @abstractmethod
    def _take_one(self, vu: VirtualUser) -> bool:
        """Whether there is an iteration left for this user; it is gone then."""


class IterationsEach(CountedIterations):
    """per-vu-iterations."""

    def __init__(
        self,
        env: Environment,
        settings: PerVUIterations,
        iterate: Iterate,
        hooks: LoadHooks,
        first_id: int = 0,
    ) -> None:
        super().__init__(env, settings, iterate, hooks, first_id)
        self._each = settings.iterations

    def _take_one(self, vu: VirtualUser) -> bool:
        return vu.iteration + 1 < self._each

    def _left(self, vu: VirtualUser) -> None:
        remaining = self._each - (vu.iteration + 1)
        if remaining > 0:
            self._drop(remaining)
        super()._left(vu)


class IterationsShared(CountedIterations):
    """shared-iterations."""

    def __init__(
        self,
        env: Environment,
        settings: SharedIterations,
        iterate: Iterate,
        hooks: LoadHooks,
        first_id: int = 0,
    ) -> None:
        super().__init__(env, settings, iterate, hooks, first_id)
        self._remaining = settings.iterations

    def _take_one(self, vu: VirtualUser) -> bool:  # noqa: ARG002 - first come, first served
        if self._remaining == 0:
            return False
        self._remaining -= 1
        return True

    def _left(self, vu: VirtualUser) -> None:
        super()._left(vu)
        if self.active_vus == 0 and self._remaining > 0:
            self._drop(self._remaining)
            self._remaining = 0
