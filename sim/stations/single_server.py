"""One server, one customer at a time, first come first served."""

from __future__ import annotations

from collections import deque

from sim.kernel.environment import Environment, Waiter


class SingleServer:
    """Mutual exclusion in order of arrival: a single-threaded program such as Redis."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._busy = False
        self._queue: deque[Waiter] = deque()
        self._chosen: Waiter | None = None

    @property
    def busy(self) -> bool:
        """Whether somebody is in."""
        return self._busy

    @property
    def queued(self) -> int:
        """Customers that wait for their turn."""
        return len(self._queue)

    def enter(self) -> None:
        """Block the current thread until it is its turn."""
        if not self._busy:
            self._busy = True
            return
        waiter = self._env.waiter()
        self._queue.append(waiter)
        try:
            waiter.wait()
        except BaseException:
            waiter.done = True
            if waiter is self._chosen:
                # Killed just as its turn had come: the next one's turn.
                self.leave()
            raise

    def leave(self) -> None:
        """Let the next one in. Called by whoever is in."""
        while self._queue:
            waiter = self._queue.popleft()
            if waiter.wake():
                self._chosen = waiter
                return
        self._busy = False
