"""constant-vus and ramping-vus: users iterate for as long as a plan wants them."""

from __future__ import annotations

from collections import deque

from sim.kernel.environment import Environment, KernelError
from sim.load.executor import Executor, Iterate
from sim.load.plan import Plan
from sim.load.virtual_user import IterationInterrupted, LoadHooks, VirtualUser


class LoopingUsers(Executor):
    """Follows a plan of how many users are wanted, and how many may still finish an iteration.

    As in k6 there are numbered places; the lowest are taken first and vacated last. A place is
    taken by the user that has been idle longest, at first in the order of their ids. A place
    wanted again while its user still finishes an iteration keeps that user.
    """

    def __init__(
        self,
        env: Environment,
        plan: Plan,
        iterate: Iterate,
        hooks: LoadHooks,
        first_id: int = 0,
    ) -> None:
        super().__init__(env, iterate, hooks, plan.end_s, first_id)
        self.allocated_vus = plan.most
        self._last = plan.wanted[-1]
        self._over = False
        self._steps = plan.in_order()
        self._next = next(self._steps, None)
        self._wanted = 0
        self._allowed = 0
        self._places: list[VirtualUser | None] = [None] * plan.most
        self._idle = deque(self._new_user(number) for number in range(plan.most))

    def _start(self) -> None:
        self._follow()

    def _follow(self) -> None:
        """Carry out the steps that are due, and come back for the next."""
        while self._next is not None:
            step, is_wanted = self._next
            at_s = self.start_s + step.at_s
            if at_s > self.env.now:
                self._timer = self.env.call_at(at_s, self._follow)
                return
            self._next = next(self._steps, None)
            if is_wanted:
                self._want(step.vus)
                if step is self._last:
                    self._over = True
                    self._settle()
            else:
                self._allow(step.vus)

    def _want(self, vus: int) -> None:
        for place in range(self._wanted, vus):
            self._take(place)
        for place in reversed(range(vus, self._wanted)):
            self._vacate(place)
        self._wanted = vus

    def _take(self, place: int) -> None:
        vu = self._places[place]
        if vu is None:
            if not self._idle:
                raise KernelError(
                    f"place {place} has no user: one that was interrupted is still blocked; "
                    "a customer function must not block after IterationInterrupted"
                )
            vu = self._idle.popleft()
            vu.place = place
            self._places[place] = vu
            self._activate(vu)
        vu.wanted = True

    def _vacate(self, place: int) -> None:
        vu = self._places[place]
        if vu is not None:
            vu.wanted = False
            if vu.idling:
                self._interrupt(vu)

    def _allow(self, vus: int) -> None:
        for place in reversed(range(vus, self._allowed)):
            vu = self._places[place]
            if vu is not None:
                self._places[place] = None
                vu.wanted = False
                self._cancel(vu)
        self._allowed = vus

    def goes_on(self, vu: VirtualUser) -> bool:
        """See `Executor.goes_on`."""
        while vu.wanted and (vu.stopped or vu.spinning):
            self._idle_on(vu)
        return vu.wanted

    def _idle_on(self, vu: VirtualUser) -> None:
        """Spend the time of a user that makes no iterations of its own."""
        vu.idling = True
        try:
            if vu.stopped:
                self.env.waiter().wait()
            else:
                self._watch_clock(vu)
                self.hooks.spin(vu)
        except IterationInterrupted:
            pass
        finally:
            vu.idling = False

    def _left(self, vu: VirtualUser) -> None:
        if self._places[vu.place] is vu:
            self._places[vu.place] = None
        self._idle.append(vu)
        super()._left(vu)

    def _is_over(self) -> bool:
        return self._over
