"""A pool of connections with a first-come-first-served queue and a timeout."""

from __future__ import annotations

from collections import deque

from model.errors import PoolTimeoutError
from sim.kernel import TIMEOUT, Deadlines, Environment, Waiter


class ConnectionPool:
    """`size` connections; who finds none waits at most `timeout_s`, then fails.

    A borrow is a point where other threads run, also when a connection is free. `slowdown` keeps
    a returned connection away for (slowdown - 1) times as long as it was out: a pool of a scaled
    world that would need less than one connection.
    """

    def __init__(
        self, env: Environment, size: int, timeout_s: float, slowdown: float = 1.0
    ) -> None:
        self._env = env
        self.size = size
        self.idle = size
        self.timeout_s = timeout_s
        self._slowdown = slowdown
        self._queue: deque[Waiter] = deque()
        self._deadlines = Deadlines(env, timeout_s)
        self._waiting = 0
        self.acquired = 0
        self.timeouts = 0
        self.max_wait_s = 0.0

    @property
    def active(self) -> int:
        """Connections that are out."""
        return self.size - self.idle

    @property
    def pending(self) -> int:
        """Threads that wait for a connection."""
        return self._waiting

    def acquire(self) -> float:
        """Borrow a connection; return the time of the borrow. Raises `PoolTimeoutError`."""
        env = self._env
        if self.idle and not self._queue:
            self.idle -= 1
            self.acquired += 1
            # Whoever is due now runs before this thread goes on.
            env.sleep(0.0)
            return env.now
        began_s = env.now
        waiter = env.waiter()
        self._queue.append(waiter)
        self._deadlines.add(waiter)
        self._waiting += 1
        try:
            outcome = waiter.wait()
        except BaseException:
            self._waiting -= 1
            waiter.done = True
            raise
        self._waiting -= 1
        waited_s = env.now - began_s
        self.max_wait_s = max(self.max_wait_s, waited_s)
        if outcome is TIMEOUT:
            self.timeouts += 1
            raise PoolTimeoutError(
                f"Connection is not available, request timed out after {waited_s * 1e3:.0f}ms "
                f"(total={self.size}, active={self.active}, idle={self.idle}, "
                f"waiting={self._waiting})"
            )
        self.acquired += 1
        return env.now

    def release(self, borrowed_s: float) -> None:
        """Return the connection borrowed at `borrowed_s`."""
        if self._slowdown > 1.0:
            away_s = (self._env.now - borrowed_s) * (self._slowdown - 1.0)
            if away_s > 0.0:
                self._env.call_in(away_s, self._hand_over)
                return
        self._hand_over()

    def _hand_over(self) -> None:
        queue = self._queue
        while queue:
            waiter = queue.popleft()
            if waiter.wake():
                return
        self.idle += 1
