"""One virtual user as customer functions see it, and the hooks that executors call."""

from __future__ import annotations

from typing import Any, Protocol

from sim.kernel.environment import Thread


class IterationInterrupted(BaseException):
    """The graceful period is over: raised at the blocking call where an iteration is.

    Not an `Exception`, so that a customer's `except Exception` does not swallow it.
    """

    def let_go(self) -> None:
        """Forget the frames that it went through, once it has been dealt with.

        Some of them know the error. They and the error would keep each other until the garbage
        collector comes, a kilobyte for everybody who is interrupted at the end of a load.
        """
        self.__traceback__ = None


class VirtualUser:
    """One of k6's virtual users.

    It keeps its `state` for the whole run, also when it is ramped down and started again later.

    Attributes:
        id: from 1, k6's `__VU`.
        iteration: number of the current iteration, from 0, k6's `__ITER`; -1 before the first.
        state: whatever the customer function keeps across iterations; None at first.
        spinning: set by the customer function when all its further iterations would return at
            once. Executors whose users loop then call `LoadHooks.spin` once instead of iterating;
            others go on iterating, so the function must still return at once when called.
        stopped: `stop` was called.
        active: whether k6 would count it as active now.
        thread: the simulated thread it runs in; the last one if it is not active.

    The executors keep these here as well:
        begun: the thread has made its first step.
        place: where it takes part, from 0.
        wanted: it may begin iterations.
        idling: it is active but in no iteration: it spins, or it stopped.
        cancelled: its graceful period is over.
        clock_s, iterations_at_clock: when it last began an iteration, and how many just then.
    """

    __slots__ = (
        "active",
        "begun",
        "cancelled",
        "clock_s",
        "id",
        "idling",
        "iteration",
        "iterations_at_clock",
        "place",
        "spinning",
        "state",
        "stopped",
        "thread",
        "wanted",
    )

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.iteration = -1
        self.state: Any = None
        self.spinning = False
        self.stopped = False
        self.active = False
        self.thread: Thread | None = None
        self.begun = False
        self.place = -1
        self.wanted = False
        self.idling = False
        self.cancelled = False
        self.clock_s = -1.0
        self.iterations_at_clock = 0

    def stop(self) -> None:
        """Make no iterations after the current one, for good.

        With ramping-vus and constant-vus the user stays active, like a k6 user that sleeps to the
        end, but leaves at once when it is ramped down or the load ends, and no iteration counts
        as interrupted. With per-vu-iterations and shared-iterations it leaves after the current
        iteration (its remaining ones are dropped, or left to the others). With arrival rates it
        stays allocated but gets no further iteration.
        """
        self.stopped = True

    def __str__(self) -> str:
        """The name of the user's thread, made when it is asked for: there are many users."""
        return f"vu-{self.id}"

    def __repr__(self) -> str:
        return f"VirtualUser({self.id}, iteration={self.iteration}, active={self.active})"


class LoadHooks(Protocol):
    """The actions of the world when users come, iterate and leave.

    Only `iteration_started`, `spin` and `initialise` may block.
    """

    def vu_started(self, vu: VirtualUser) -> None:
        """The user was activated; its thread has not run yet."""

    def vu_stopped(self, vu: VirtualUser) -> None:
        """The user was deactivated; it may be activated again later."""

    def iteration_started(self, vu: VirtualUser) -> None:
        """An iteration begins; runs in the user's thread, as part of the iteration.

        The place to charge the script's own processor time.
        """

    def iteration_ended(self, vu: VirtualUser, duration_s: float, *, interrupted: bool) -> None:
        """An iteration is over; k6 emits no iteration metrics for an interrupted one."""

    def script_failed(self, vu: VirtualUser, error: Exception) -> None:
        """The customer function raised; k6 prints the stack trace and counts the iteration."""

    def spin(self, vu: VirtualUser) -> None:
        """Block while a spinning user makes empty iterations, and account for them.

        Ended by `IterationInterrupted` when the user is to leave. May return after setting
        `vu.spinning` to false; then the user iterates again.
        """

    def initialise(self, vu: VirtualUser) -> None:
        """Block for as long as it takes to initialise a user while the test is running.

        Only arrival rates do that, when max_vus is more than pre_allocated_vus.
        """

    def dropped(self, count: int) -> None:
        """`count` iterations did not start, for want of users or time."""
