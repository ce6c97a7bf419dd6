"""A lock of java.util.concurrent that is not fair: a queue in order, and barging.

A thread that asks while the lock is free gets it, also before threads that wait. A thread that
finds the lock taken goes to the end of the queue. A thread that leaves frees the lock and wakes the
first of the queue. That first thread keeps its place until it has the lock: if another thread was
quicker during the wake-up, the first one sleeps on in its place (OpenJDK 17,
java.util.concurrent.locks: ReentrantLock.NonfairSync, AbstractQueuedSynchronizer.acquire). So
barging makes all waiting threads wait longer, and none of them loses its place.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.kernel.environment import Environment, Waiter


def _at_once() -> None:
    pass


class ReentrantLock:
    """Mutual exclusion; `wake_up` is what a woken thread does until it runs."""

    def __init__(self, env: Environment, wake_up: Callable[[], None] = _at_once) -> None:
        self._env = env
        self._wake_up = wake_up
        self._held = False
        self._queue: deque[Waiter] = deque()
        self._waking = False
        """Whether the first of the queue has been told that the lock is free, and not yet run."""

    @property
    def waiting(self) -> int:
        """Threads that wait for it."""
        return len(self._queue)

    def enter(self) -> None:
        """Block the current thread until the lock is its own."""
        if self._take():
            return
        waiter = self._env.waiter()
        self._queue.append(waiter)
        while True:
            try:
                waiter.wait()
                self._wake_up()
            except BaseException:
                self._give_up(waiter)
                raise
            self._waking = False
            if self._take():
                self._queue.popleft()
                return
            waiter = self._queue[0] = self._env.waiter()

    def _take(self) -> bool:
        """Have it if it is free; return whether it was."""
        free = not self._held
        self._held = True
        return free

    def _give_up(self, waiter: Waiter) -> None:
        """Leave the queue; if it was its turn, it is the next one's."""
        first = self._queue[0] is waiter
        self._queue.remove(waiter)
        if first and self._waking:
            self._waking = False
            if not self._held:
                self._wake_first()

    def leave(self) -> None:
        """Free it, and wake the first of those that wait. Called by whoever is in."""
        self._held = False
        self._wake_first()

    def _wake_first(self) -> None:
        if self._queue and not self._waking:
            self._waking = True
            self._queue[0].wake()
