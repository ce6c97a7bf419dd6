"""The common part of all executors: activate users, run iterations, count, notice the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sim.kernel.environment import Environment, KernelError, Timer
from sim.load.parked_run import ParkedRun
from sim.load.virtual_user import IterationInterrupted, LoadHooks, VirtualUser

if TYPE_CHECKING:
    from sim.load.parked_run import SteppedIterations

Iterate = Callable[[VirtualUser], None]

MOST_ITERATIONS_AT_ONE_INSTANT: Final = 1_000


class TimelessLoopError(KernelError):
    """A user iterates on and on while simulated time stands still."""


class Executor(ABC):
    """Starts and stops virtual users and their iterations: one run of one load.

    Attributes:
        start_s: simulated time of its start; until `start` is called, when it was made.
        active_vus: k6's `vus`: users that iterate or finish their last iteration; with arrival
            rates only those within an iteration.
        allocated_vus: k6's `vus_max`: users initialised, active or not.
        iterations: complete ones, also those whose script failed; not those of spinning users.
        interrupted_iterations: those cut off by the end of a graceful period.
        dropped_iterations: those not started, for want of users or time.
        longest_s: how long it takes at most, graceful periods included.
        steps: iterations whose pauses park the thread, instead of `iterate`; None: it blocks.
        min_iteration_s: k6's minIterationDuration: a user waits after a shorter iteration.
        all_done: a SimPy event that happens when the last user has left for good.
    """

    def __init__(
        self,
        env: Environment,
        iterate: Iterate,
        hooks: LoadHooks,
        longest_s: float,
        first_id: int = 0,
    ) -> None:
        self.env = env
        self.hooks = hooks
        self.start_s = env.now
        self.active_vus = 0
        self.allocated_vus = 0
        self.iterations = 0
        self.interrupted_iterations = 0
        self.dropped_iterations = 0
        self.all_done = env.event()
        self._iterate = iterate
        self.longest_s = longest_s
        self._first_id = first_id
        self.min_iteration_s = 0.0
        self.steps: SteppedIterations | None = None
        # Interrupts users that never leave; cancelled when all have left.
        self._timer: Timer | None = None

    @property
    def end_s(self) -> float:
        """The latest simulated time at which all is over, graceful periods included."""
        return self.start_s + self.longest_s

    def start(self) -> None:
        """Schedule everything from the current time on; does not block. To be called once."""
        self.start_s = self.env.now
        self._start()

    def _new_user(self, number: int) -> VirtualUser:
        """Make the user of a number from 0; its id counts on from those of other loads."""
        return VirtualUser(self._first_id + number + 1)

    @abstractmethod
    def _start(self) -> None:
        """Schedule everything."""

    @abstractmethod
    def goes_on(self, vu: VirtualUser) -> bool:
        """Whether an active user begins an iteration now; else it leaves. May block its thread."""

    def _left(self, vu: VirtualUser) -> None:
        """Take back a user that has left, and tell the world."""
        self.hooks.vu_stopped(vu)

    def _is_over(self) -> bool:
        """Whether no user will become active any more; asked when no user is."""
        return True

    def _activate(self, vu: VirtualUser) -> None:
        """Tell the world, and give the user a thread, which lives until the user leaves."""
        self.hooks.vu_started(vu)
        self._launch(vu)

    def _launch(self, vu: VirtualUser) -> None:
        vu.active = True
        vu.cancelled = False
        vu.begun = False
        self.active_vus += 1
        if self.steps is not None:
            vu.thread = self.env.spawn_steps(vu, ParkedRun(self, self.steps, vu))
            return
        # Not a partial: a call through C takes half a kilobyte more of stack for each user.
        vu.thread = self.env.spawn(vu, lambda: self.run_blocking(vu))

    def run_blocking(self, vu: VirtualUser) -> None:
        """Run the iterations of an active user until it leaves; blocks its thread."""
        vu.begun = True
        goes_on = self.goes_on(vu)
        while goes_on:
            begin_s = self.begin_iteration(vu)
            try:
                self.hooks.iteration_started(vu)
                self._iterate(vu)
            except IterationInterrupted as interrupted:
                interrupted.let_go()
                vu.cancelled = True
            except (KernelError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 - a script may fail in any way; the load goes on
                self.hooks.script_failed(vu, error)
            self.end_iteration(vu, begin_s)
            goes_on = self.goes_on(vu)
        self.leave(vu)

    def leave(self, vu: VirtualUser) -> None:
        """An active user is not active any more."""
        vu.active = False
        self.active_vus -= 1
        self._left(vu)
        self._settle()

    def _settle(self) -> None:
        """Announce the end, if this is it."""
        if self.active_vus == 0 and self._is_over() and not self.all_done.triggered:
            self.all_done.succeed()
            if self._timer is not None:
                self._timer.cancel()

    def _cancel(self, vu: VirtualUser) -> None:
        """Make an active user leave at once, interrupting its iteration."""
        vu.cancelled = True
        self._interrupt(vu)

    def _interrupt(self, vu: VirtualUser) -> None:
        """Raise `IterationInterrupted` where an active user is blocked."""
        # Before its first step the thread is blocked nowhere; it will look before it iterates.
        if vu.begun and vu.thread is not None:
            vu.thread.interrupt(IterationInterrupted())

    def begin_iteration(self, vu: VirtualUser) -> float:
        """Note that an iteration of the customer function begins; return when."""
        self._watch_clock(vu)
        vu.iteration += 1
        return self.env.now

    def end_iteration(self, vu: VirtualUser, begin_s: float) -> None:
        """Count an iteration that is over."""
        if vu.cancelled:
            self.interrupted_iterations += 1
        else:
            self.iterations += 1
        duration_s = self.env.now - begin_s
        self.hooks.iteration_ended(vu, duration_s, interrupted=vu.cancelled)
        if duration_s < self.min_iteration_s and not vu.cancelled:
            self._wait_after(vu, self.min_iteration_s - duration_s)

    def _wait_after(self, vu: VirtualUser, wait_s: float) -> None:
        try:
            self.env.sleep(wait_s)
        except IterationInterrupted:
            vu.cancelled = True

    def _watch_clock(self, vu: VirtualUser) -> None:
        """Refuse to begin iteration after iteration without any time passing."""
        now_s = self.env.now
        if now_s > vu.clock_s:
            vu.clock_s = now_s
            vu.iterations_at_clock = 0
        vu.iterations_at_clock += 1
        if vu.iterations_at_clock > MOST_ITERATIONS_AT_ONE_INSTANT:
            raise TimelessLoopError(
                f"virtual user {vu.id} began {vu.iterations_at_clock:,} iterations at {now_s} s; "
                "an iteration must take simulated time: charge the generator's processor in "
                "LoadHooks.iteration_started, or let the customer function spin or stop"
            )

    def _drop(self, count: int) -> None:
        self.dropped_iterations += count
        self.hooks.dropped(count)
