"""The lock of a Python interpreter: one thread of a process computes at a time.

In order: the thread that has waited longest is next, at once. As CPython does: releasing the lock
wakes the thread that has waited longest, but leaves the lock free until that thread runs. A thread
that asks meanwhile has it, and the other waits again, behind all others (CPython: ceval_gil.c,
take_gil and drop_gil). `wake_s` says how long a woken thread takes to run.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from sim.stations.single_server import SingleServer

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Waiter
    from sim.machines.host import Host

_DUE_FIRST: Final = 0.5
"""Share of the runnable threads that run before one that was woken."""


def wake_s(host: Host) -> float:
    """How long a thread that was woken waits for a core.

    When all cores are busy, half of the runnable threads have their turns first (Linux 6.6 and
    later: EEVDF places a woken thread at the average).
    """
    cpu = host.cpu
    if cpu.runnable < cpu.cores:
        return 0.0
    return _DUE_FIRST * cpu.turns_s(host.settings.slice_s)


class WakingLock:
    """The lock as CPython has it; the interface of `SingleServer`."""

    def __init__(self, env: Environment, host: Host, wake_idle_s: float) -> None:
        self._env = env
        self._host = host
        self._wake_idle_s = wake_idle_s
        self._busy = False
        self._waiting: deque[Waiter] = deque()

    @property
    def busy(self) -> bool:
        """Whether a thread has the lock."""
        return self._busy

    @property
    def queued(self) -> int:
        """Threads that wait and were not woken."""
        return len(self._waiting)

    def enter(self) -> None:
        """Block the current thread until it has the lock."""
        while self.busy:
            waiter = self._env.waiter()
            self._waiting.append(waiter)
            try:
                waiter.wait()
                self._env.sleep(self._wake_idle_s + wake_s(self._host))
            except BaseException:
                waiter.done = True
                self._wake_if_free()
                raise
        self._busy = True

    def leave(self) -> None:
        """Release the lock."""
        self._busy = False
        self._wake_next()

    def _wake_if_free(self) -> None:
        """The woken thread was killed: another has to be woken."""
        if not self._busy:
            self._wake_next()

    def _wake_next(self) -> None:
        while self._waiting:
            if self._waiting.popleft().wake():
                return


def interpreter_lock(
    env: Environment, host: Host, wake_idle_s: float | None
) -> SingleServer | WakingLock:
    """The lock of one worker process; in order where no time to wake up is given."""
    return SingleServer(env) if wake_idle_s is None else WakingLock(env, host, wake_idle_s)
