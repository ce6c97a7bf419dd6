"""constant-arrival-rate and ramping-arrival-rate: iterations start on time, if a user is free."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sim.kernel.environment import Environment
from sim.load.executor import Executor, Iterate
from sim.load.virtual_user import LoadHooks, VirtualUser


class Arrivals(Executor):
    """Every arrival goes to the user that has been free longest; without one it is dropped.

    A dropped arrival makes k6 initialise one more user in the background, as long as there may
    be more and it is not already doing so. That user serves later arrivals.
    """

    def __init__(
        self,
        env: Environment,
        times: Iterator[float],
        regular_s: float,
        graceful_stop_s: float,
        users: tuple[int, int],
        iterate: Iterate,
        hooks: LoadHooks,
        first_id: int = 0,
    ) -> None:
        super().__init__(env, iterate, hooks, regular_s + graceful_stop_s, first_id)
        self.allocated_vus, self._most = users
        self._times = times
        self._regular_s = regular_s
        self._users = [self._new_user(number) for number in range(self.allocated_vus)]
        self._free: deque[VirtualUser] = deque()
        self._initialising = False
        self._over = False

    def _start(self) -> None:
        for vu in self._users:
            self._admit(vu)
        self._await_arrival()

    def _admit(self, vu: VirtualUser) -> None:
        self.hooks.vu_started(vu)
        self._free.append(vu)

    def _await_arrival(self) -> None:
        at_s = next(self._times, None)
        if at_s is None:
            self.env.call_at(self.start_s + self._regular_s, self._close)
        else:
            self.env.call_at(self.start_s + at_s, self._arrive)

    def _arrive(self) -> None:
        if self._free:
            vu = self._free.popleft()
            vu.wanted = True
            self._launch(vu)
        else:
            self._drop(1)
            self._ask_for_another()
        self._await_arrival()

    def _ask_for_another(self) -> None:
        if not self._initialising and self.allocated_vus < self._most:
            self._initialising = True
            self.env.spawn("vu-initialiser", self._add_user)

    def _add_user(self) -> None:
        vu = self._new_user(len(self._users))
        self.hooks.initialise(vu)
        self._initialising = False
        self._users.append(vu)
        self.allocated_vus += 1
        if not self._over:
            self._admit(vu)

    def goes_on(self, vu: VirtualUser) -> bool:
        """See `Executor.goes_on`."""
        # Wanted for one iteration at each arrival.
        wanted, vu.wanted = vu.wanted, False
        return wanted and not vu.cancelled

    def _left(self, vu: VirtualUser) -> None:
        if self._over:
            self.hooks.vu_stopped(vu)
        elif not vu.stopped:
            self._free.append(vu)

    def _close(self) -> None:
        """The regular time is over: only iterations that have begun go on."""
        self._over = True
        self._timer = self.env.call_at(self.end_s, self._cut_off)
        for vu in self._users:
            if not vu.active:
                self.hooks.vu_stopped(vu)
        self._free.clear()
        self._settle()

    def _cut_off(self) -> None:
        for vu in self._users:
            if vu.active:
                self._cancel(vu)

    def _is_over(self) -> bool:
        return self._over
