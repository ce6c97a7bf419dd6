"""A pool of connections with a queue and a timeout.

There are two ways to hand over a returned connection. In order: the thread that has waited longest
gets the connection. With barging, as HikariCP does it: the thread that has waited longest is told
of the connection, but a thread that asks before that one runs takes it. That is often the thread
that has just returned the connection and needs another one. The thread that was told then goes to
the end of the queue, and its timeout runs on, even if another connection is idle, of which another
thread has been told (com.zaxxer.hikari.util.ConcurrentBag:
`requite` marks the entry as not in use before it hands it over, and a `borrow` that finds the entry
in use again polls again). So requests that borrow several times in a row keep their connection, and
a few of those that wait are unlucky again and again, up to the timeout.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from model.errors import PoolTimeoutError
from sim.kernel.environment import TIMEOUT, Deadlines, Environment, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable


def _at_once() -> None:
    pass


class _Offer:
    """An idle connection. The first thread that takes it has it, told of it or not."""

    __slots__ = ("taken",)

    def __init__(self) -> None:
        self.taken = False


class _Turn:
    """The time that a borrower still waits; it may last over several waits."""

    __slots__ = ("done", "expired", "waiter")

    def __init__(self) -> None:
        self.waiter: Waiter | None = None
        self.done = False
        self.expired = False

    def wake(self, value: object = None, /) -> bool:
        """Run out."""
        self.expired = True
        return self.waiter is not None and self.waiter.wake(value)


class ConnectionPool:
    """`size` connections. A thread that finds none waits at most `timeout_s`, then fails.

    `wake_up` is what a thread that was told of a connection (with `barging`) does until it runs,
    `tell` what it takes a thread that returns one to tell another thread of it.
    A borrow is a point where other threads run, also when a connection is free. `slowdown` keeps
    a returned connection away for (slowdown - 1) times as long as it was out: a pool of a scaled
    world that would need less than one connection.
    """

    def __init__(
        self,
        env: Environment,
        size: int,
        timeout_s: float,
        slowdown: float = 1.0,
        *,
        barging: bool = False,
        wake_up: Callable[[], None] = _at_once,
        tell: Callable[[], None] = _at_once,
    ) -> None:
        self._env = env
        self.size = size
        self.wanted = size / slowdown
        """`size`, and below one the share of a connection that the slower one has."""
        self._offers: deque[_Offer] = deque(_Offer() for _ in range(size))
        self.timeout_s = timeout_s
        self._slowdown = slowdown
        self._barging = barging
        self._wake_up = wake_up
        self._tell = tell
        self._queue: deque[Waiter] = deque()
        self._deadlines = Deadlines(env, timeout_s)
        self._waiting = 0
        self.returning = 0
        """Connections given back that are still away (see `slowdown`)."""
        self._surplus = 0
        """Connections that are out and closed once they come back: the pool was made smaller."""
        self.acquired = 0
        self.timeouts = 0
        self.told = 0
        """Connections that a waiting thread was told of (with `barging`)."""
        self.told_in_vain = 0
        """Those that another thread had taken before the one that was told ran."""
        self.max_wait_s = 0.0

    @property
    def idle(self) -> int:
        """Connections that no thread has, also those that a waiting thread was told of."""
        return len(self._offers)

    @property
    def active(self) -> int:
        """Connections that are out."""
        return self.size + self._surplus - self.idle - self.returning

    @property
    def pending(self) -> int:
        """Threads that wait for a connection."""
        return self._waiting

    def take_over_counts(self, other: ConnectionPool) -> None:
        """Go on counting where another pool, whose process is gone, stopped."""
        self.acquired, self.timeouts = other.acquired, other.timeouts
        self.max_wait_s = other.max_wait_s

    def resize(self, wanted: float) -> None:
        """Have so many connections from now on: new ones at once, old ones end as they come back.

        Less than one, in a scaled world, is one that is away for longer (see `slowdown`).
        """
        self.wanted = wanted
        self._slowdown = max(1.0, 1.0 / wanted)
        size = max(1, round(wanted))
        more = size - self.size
        self.size = size
        while more > 0:
            more -= 1
            if self._surplus:
                self._surplus -= 1
            else:
                self._hand_over()
        while more < 0:
            more += 1
            if self._offers:
                self._take(self._offers[-1])
            else:
                self._surplus += 1

    def acquire(self) -> float:
        """Borrow a connection; return the time of the borrow. Raises `PoolTimeoutError`."""
        env = self._env
        if self._offers and (self._barging or not self._queue):
            self._take(self._offers[0])
            self.acquired += 1
            try:
                # Whoever is due now runs before this thread goes on.
                env.sleep(0.0)
            except BaseException:
                self._hand_over()
                raise
            return env.now
        began_s = env.now
        turn = _Turn()
        self._deadlines.add(turn)
        self._waiting += 1
        try:
            outcome = self._wait(turn)
        finally:
            self._waiting -= 1
            turn.done = True
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

    def _wait(self, turn: _Turn) -> object:
        """Wait for a connection and take it; return `TIMEOUT` if there was none in time."""
        while True:
            waiter = turn.waiter = self._env.waiter()
            self._queue.append(waiter)
            try:
                outcome = waiter.wait()
            except BaseException:
                told, waiter.done = waiter.done, True
                if told and self._offers:
                    # It will not take what it was told of: the next one's chance.
                    self._tell_next(self._offers[0])
                raise
            if not isinstance(outcome, _Offer):
                return outcome
            if not self._barging:
                return outcome
            self._wake_up()
            self.told += 1
            if not outcome.taken:
                self._take(outcome)
                return outcome
            self.told_in_vain += 1
            if turn.expired:
                return TIMEOUT
            # Someone else was quicker: wait again, behind all others.

    def _take(self, offer: _Offer) -> None:
        offer.taken = True
        self._offers.remove(offer)

    def _tell_next(self, offer: _Offer) -> bool:
        queue = self._queue
        while queue:
            if queue.popleft().wake(offer):
                return True
        return False

    def release(self, borrowed_s: float) -> None:
        """Return the connection borrowed at `borrowed_s`."""
        if self._slowdown > 1.0:
            away_s = (self._env.now - borrowed_s) * (self._slowdown - 1.0)
            if away_s > 0.0:
                self.returning += 1
                self._env.call_in(away_s, self._come_back)
                return
        if self._hand_over():
            self._tell()

    def _come_back(self) -> None:
        self.returning -= 1
        self._hand_over()

    def _hand_over(self) -> bool:
        """Return whether a waiting thread was told."""
        if self._surplus:
            self._surplus -= 1
            return False
        offer = _Offer()
        if self._barging:
            self._offers.append(offer)
            return self._tell_next(offer)
        told = self._tell_next(offer)
        if not told:
            self._offers.append(offer)
        return told
