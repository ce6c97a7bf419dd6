"""One server, one customer at a time, first come first served."""

from __future__ import annotations

from collections import deque

from sim.kernel import Environment, Waiter


class SingleServer:
    """Mutual exclusion in order of arrival: a single-threaded program such as Redis."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._busy = False
        self._queue: deque[Waiter] = deque()

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
            raise

    def leave(self) -> None:
        """Let the next one in. Called by whoever is in."""
        while self._queue:
            if self._queue.popleft().wake():
                return
        self._busy = False
