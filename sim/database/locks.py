"""Row locks as InnoDB has them: shared and exclusive, first come first served, with deadlocks.

A request waits for every other transaction that holds the row in a conflicting mode, and for every
earlier conflicting request. This is also true of a request that raises its own shared lock to an
exclusive lock. Locks end with their transaction. A wait that closes a circle of waits is a
deadlock. The transaction in the circle with the smallest `LockOwner.weight` is rolled back at once;
among equal weights, the requesting transaction. Gaps between rows are not locked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from model.errors import DeadlockError, LockTimeoutError
from sim.kernel.environment import TIMEOUT, Deadlines, Environment, Waiter


class LockOwner(ABC):
    """A transaction as the lock table sees it."""

    __slots__ = ("held", "waiting")

    def __init__(self) -> None:
        self.held: dict[Hashable, _Lock] = {}
        self.waiting: _Request | None = None

    @property
    @abstractmethod
    def weight(self) -> int:
        """Number of changed rows and locks that a rollback would discard."""

    @abstractmethod
    def abort(self) -> None:
        """Undo every change and release every lock, now, while the owner waits for a lock."""


class _Lock:
    """The lock of one row: its holders (true: exclusive) and its waiting requests, in order."""

    __slots__ = ("first", "holders", "last")

    def __init__(self, owner: LockOwner, exclusive: bool) -> None:
        self.holders: dict[LockOwner, bool] = {owner: exclusive}
        self.first: _Request | None = None
        self.last: _Request | None = None

    def refuses(self, owner: LockOwner, exclusive: bool) -> bool:
        """Whether a new request of `owner` has to wait."""
        if self.held_against(owner, exclusive):
            return True
        request = self.first
        while request is not None:
            if request.owner is not owner and (exclusive or request.exclusive):
                return True
            request = request.after
        return False

    def held_against(self, owner: LockOwner, exclusive: bool) -> bool:
        """Whether another transaction holds the row in a conflicting mode."""
        for holder, held in self.holders.items():
            if holder is not owner and (exclusive or held):
                return True
        return False

    def append(self, request: _Request) -> None:
        """Put a request at the end of the queue."""
        request.before = self.last
        if self.last is None:
            self.first = request
        else:
            self.last.after = request
        self.last = request

    def remove(self, request: _Request) -> None:
        """Take a waiting request out of the queue."""
        if request.before is None:
            self.first = request.after
        else:
            request.before.after = request.after
        if request.after is None:
            self.last = request.before
        else:
            request.after.before = request.before
        request.before = request.after = None

    def grant(self) -> None:
        """Grant the lock to waiting requests, in order, while they are compatible."""
        while (request := self.first) is not None:
            owner = request.owner
            if self.held_against(owner, request.exclusive):
                return
            self.remove(request)
            self.holders[owner] = request.exclusive or self.holders.get(owner, False)
            owner.held[request.key] = self
            owner.waiting = None
            request.granted = True
            if request.waiter is not None:
                request.waiter.wake()


class _Request:
    """A transaction's wait for one row."""

    __slots__ = (
        "after",
        "before",
        "exclusive",
        "granted",
        "key",
        "lock",
        "owner",
        "waiter",
    )

    def __init__(self, key: Hashable, lock: _Lock, owner: LockOwner, exclusive: bool) -> None:
        self.key = key
        self.lock = lock
        self.owner = owner
        self.exclusive = exclusive
        self.granted = False
        self.waiter: Waiter | None = None
        self.before: _Request | None = None
        self.after: _Request | None = None

    def blockers(self) -> Iterator[LockOwner]:
        """Transactions that must end first, without those that another blocker waits for.

        An exclusive request also waits for every transaction that a shared request before it waits
        for.
        """
        request = self.before
        while request is not None:
            if request.exclusive:
                # An exclusive request conflicts with all earlier requests, so it waits for all of
                # them.
                yield request.owner
                return
            request = request.before
        for holder, held in self.lock.holders.items():
            if holder is not self.owner and (self.exclusive or held):
                yield holder


class LockTable:
    """Every row lock of one database.

    Args:
        env: the kernel.
        timeout_s: the longest wait for one lock.
        raises_at_once: a holder that raises its lock waits for the other holders only, not for
            those that wait already (PostgreSQL).
        deadlock_timeout_s: a request looks for a circle of waits once, after this time, and is
            then the one that is rolled back (PostgreSQL); None: at once (InnoDB).
    """

    def __init__(
        self,
        env: Environment,
        timeout_s: float,
        *,
        raises_at_once: bool = False,
        deadlock_timeout_s: float | None = None,
    ) -> None:
        self._env = env
        self._looks: Deadlines | None = None
        if deadlock_timeout_s is not None:
            self._looks = Deadlines(env, deadlock_timeout_s)
        self._raises_at_once = raises_at_once
        self._locks: dict[Hashable, _Lock] = {}
        self._deadlines: Final = Deadlines(env, timeout_s)
        self.waits = 0
        self.timeouts = 0
        self.deadlocks = 0
        self.waiting = 0

    def __len__(self) -> int:
        return len(self._locks)

    def acquire(self, owner: LockOwner, key: Hashable, *, exclusive: bool) -> bool:
        """Lock `key` until the owner's transaction ends; true if the owner had to wait.

        Raises:
            LockTimeoutError: not granted within the timeout; the owner keeps its other locks.
            DeadlockError: the owner was chosen to resolve a deadlock and has been aborted.
        """
        lock = self._locks.get(key)
        if lock is None:
            owner.held[key] = self._locks[key] = _Lock(owner, exclusive)
            return False
        held = lock.holders.get(owner)
        if held is not None and (held or not exclusive):
            return False
        if not self._refuses(lock, owner, exclusive, held):
            lock.holders[owner] = exclusive
            owner.held[key] = lock
            return False
        self._wait(_Request(key, lock, owner, exclusive))
        return True

    def is_free(self, owner: LockOwner, key: Hashable, *, exclusive: bool) -> bool:
        """Whether `owner` would get the lock without a wait; takes no lock."""
        lock = self._locks.get(key)
        if lock is None:
            return True
        held = lock.holders.get(owner)
        if held is not None and (held or not exclusive):
            return True
        return not self._refuses(lock, owner, exclusive, held)

    def _refuses(self, lock: _Lock, owner: LockOwner, exclusive: bool, held: bool | None) -> bool:
        if held is not None and self._raises_at_once:
            return lock.held_against(owner, exclusive)
        return lock.refuses(owner, exclusive)

    def release_all(self, owner: LockOwner) -> None:
        """Release every lock of `owner` and grant each lock to the next request."""
        for key, lock in owner.held.items():
            del lock.holders[owner]
            lock.grant()
            if not lock.holders:
                del self._locks[key]
        owner.held.clear()

    def release(self, owner: LockOwner, key: Hashable) -> None:
        """Release one lock of `owner`."""
        lock = owner.held.pop(key)
        del lock.holders[owner]
        lock.grant()
        if not lock.holders:
            del self._locks[key]

    def release_newest(self, owner: LockOwner, kept: int) -> None:
        """Release the locks of `owner`, except the first `kept` locks that it took."""
        for key in list(owner.held)[kept:]:
            self.release(owner, key)

    def withdraw(self, owner: LockOwner) -> None:
        """Withdraw the request that `owner` waits for, if any."""
        request, owner.waiting = owner.waiting, None
        if request is not None:
            request.lock.remove(request)
            request.lock.grant()

    def _wait(self, request: _Request) -> None:
        owner, lock = request.owner, request.lock
        lock.append(request)
        owner.waiting = request
        self.waits += 1
        if self._looks is None:
            self._resolve_deadlocks(owner)
        if request.granted:
            return
        self.waiting += 1
        try:
            outcome = self._wait_once(request, self._looks or self._deadlines)
            if outcome is TIMEOUT and self._looks is not None and not request.granted:
                if self._circle(owner):
                    self.deadlocks += 1
                    self.withdraw(owner)
                    owner.abort()
                    raise DeadlockError("deadlock detected")
                outcome = self._wait_once(request, self._deadlines)
        finally:
            self.waiting -= 1
        if outcome is TIMEOUT and not request.granted:
            self.timeouts += 1
            self.withdraw(owner)
            raise LockTimeoutError(
                f"Lock wait timeout exceeded: {request.key} not free "
                f"within {self._deadlines.timeout_s:g} s"
            )

    def _wait_once(self, request: _Request, deadlines: Deadlines) -> object:
        request.waiter = waiter = self._env.waiter()
        deadlines.add(waiter)
        try:
            return waiter.wait()
        except BaseException:
            waiter.done = True
            if not request.granted:
                self.withdraw(request.owner)
            raise

    def _resolve_deadlocks(self, owner: LockOwner) -> None:
        """Roll back transactions until `owner` is in no circle of waits."""
        while circle := self._circle(owner):
            self.deadlocks += 1
            victim = min(circle, key=lambda member: (member.weight, member is not owner))
            request = victim.waiting
            error = DeadlockError("Deadlock found when trying to get lock")
            self.withdraw(victim)
            victim.abort()
            if victim is owner:
                raise error
            if request is not None and request.waiter is not None:
                request.waiter.fail(error)

    @staticmethod
    def _circle(owner: LockOwner) -> list[LockOwner]:
        """The transactions of one circle of waits through `owner`; empty if there is no circle."""
        if all(lock.first is None for lock in owner.held.values()):
            # No transaction waits for `owner`; its new request is the last of its queue.
            return []
        came_from: dict[LockOwner, LockOwner] = {}
        open_ends = [owner]
        while open_ends:
            member = open_ends.pop()
            if member.waiting is None:
                continue
            for blocker in member.waiting.blockers():
                if blocker is owner:
                    circle = [member]
                    while circle[-1] is not owner:
                        circle.append(came_from[circle[-1]])
                    return circle
                if blocker not in came_from:
                    came_from[blocker] = member
                    open_ends.append(blocker)
        return []


class OutsideTransaction(LockOwner):
    """A transaction of another session that locks rows, and changes none of them."""

    __slots__ = ("_locks",)

    def __init__(self, locks: LockTable) -> None:
        super().__init__()
        self._locks = locks

    @property
    def weight(self) -> int:
        """Heavier than all others: a deadlock with it rolls the other transaction back."""
        return 1_000_000_000

    def abort(self) -> None:
        """Give up, as a deadlock's victim."""
        self._locks.release_all(self)

    def hold(self, env: Environment, keys: Iterable[Hashable], for_s: float) -> None:
        """Lock rows, one after another, for a while. Blocks the current thread.

        Raises:
            LockTimeoutError: the transaction waited too long for a row itself.
        """
        try:
            for key in keys:
                self._locks.acquire(self, key, exclusive=True)
            env.sleep(for_s)
        finally:
            self._locks.release_all(self)
