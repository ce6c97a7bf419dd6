"""A lock that lets in any of those who wait: served in random order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.kernel import Environment, Waiter
    from sim.random_streams import Stream


class UnfairLock:
    """Mutual exclusion without an order, such as a monitor of the JVM under contention."""

    def __init__(self, env: Environment, rng: Stream) -> None:
        self._env = env
        self._rng = rng
        self._held = False
        self._waiting: list[Waiter] = []

    @property
    def waiting(self) -> int:
        """Threads that wait for it."""
        return len(self._waiting)

    def enter(self) -> None:
        """Block the current thread until the lock is its own."""
        if not self._held:
            self._held = True
            return
        waiter = self._env.waiter()
        self._waiting.append(waiter)
        try:
            waiter.wait()
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:
                # Killed just as it was let in: the next one's turn.
                self.leave()
            raise

    def leave(self) -> None:
        """Let the next one in. Called by whoever is in."""
        waiting = self._waiting
        while waiting:
            chosen = self._rng.index(len(waiting))
            waiting[chosen], waiting[-1] = waiting[-1], waiting[chosen]
            if waiting.pop().wake():
                return
        self._held = False
