"""`threading` on simulated threads: locks wait on simulated time, started threads are simulated.

Only locks, identities and starts of threads are replaced. Condition, Event, Semaphore, Barrier,
Timer, Queue and the executors of concurrent.futures then work unchanged.
"""

from __future__ import annotations

import _thread
import _threading_local
import queue
import threading
from collections import deque
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from sim.app.seams.runtime import RUNTIME, foreign_modules, real_ident
from sim.kernel.environment import TIMEOUT
from sim.kernel.errors import KernelError

if TYPE_CHECKING:
    from sim.kernel.environment import Thread, Waiter

_LOCK: Final = _thread.allocate_lock
_RLOCK: Final = threading.RLock
_CURRENT: Final = threading.current_thread
_START: Final = threading.Thread.start
_JOIN: Final = threading.Thread.join
_IS_ALIVE: Final = threading.Thread.is_alive
_numbers = count(1_000_000)


class WouldBlockError(KernelError):
    """Code outside every simulated thread would wait for a simulated thread."""


class SimulatedLock:
    """threading.Lock; as in CPython, the first thread that asks gets a released lock."""

    __slots__ = ("__weakref__", "_locked", "_waiting")

    def __init__(self) -> None:
        self._locked = False
        self._waiting: deque[Waiter] | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; false if it could not be taken."""
        if not self._locked:
            self._locked = True
            return True
        return self._wait(timeout) if blocking else False

    def _wait(self, timeout: float) -> bool:
        if RUNTIME.thread is None or RUNTIME.env is None:
            raise WouldBlockError(
                "a lock is held by a simulated thread; nothing outside one can wait for it"
            )
        env = RUNTIME.env
        RUNTIME.wait("lock")
        if self._waiting is None:
            self._waiting = deque()
        deadline_s = None if timeout < 0 else env.now + timeout
        while self._locked:
            waiter = env.waiter()
            self._waiting.append(waiter)
            timer = None
            if deadline_s is not None:
                timer = env.call_at(max(env.now, deadline_s), partial(waiter.wake, TIMEOUT))
            try:
                outcome = waiter.wait()
            except BaseException:
                waiter.done = True
                self._wake_next()
                raise
            finally:
                if timer is not None:
                    timer.cancel()
            if outcome is TIMEOUT:
                RUNTIME.go_on()
                return False
        self._locked = True
        RUNTIME.go_on()
        return True

    def _wake_next(self) -> None:
        waiting = self._waiting
        while waiting and not self._locked:
            if waiting.popleft().wake():
                return

    def release(self) -> None:
        """Give it back."""
        if not self._locked:
            raise RuntimeError("release unlocked lock")
        self._locked = False
        if self._waiting:
            self._wake_next()

    def locked(self) -> bool:
        """Whether a thread holds the lock."""
        return self._locked

    def _at_fork_reinit(self) -> None:
        self._locked, self._waiting = False, None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class SimulatedRLock:
    """threading.RLock."""

    __slots__ = ("__weakref__", "_count", "_lock", "_owner")

    def __init__(self) -> None:
        self._lock = SimulatedLock()
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; a thread that holds the lock takes it once more."""
        me = get_ident()
        if self._owner == me:
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._count = me, 1
        return True

    def release(self) -> None:
        """Release the lock once; it is free after as many releases as takes."""
        if self._owner != get_ident():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self._owner == get_ident()

    def _recursion_count(self) -> int:
        return self._count if self._is_owned() else 0

    def _release_save(self) -> tuple[int, int | None]:
        state, self._count, self._owner = (self._count, self._owner), 0, None
        self._lock.release()
        return state

    def _acquire_restore(self, state: tuple[int, int | None]) -> None:
        self._lock.acquire()
        self._count, self._owner = state

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()
        self._owner, self._count = None, 0


class make_lock:  # noqa: N801 - replaces a function
    """A class: `lock_class = threading.Lock` in a class body must not become a method."""

    def __new__(cls) -> Any:
        """Make a lock."""
        return SimulatedLock() if RUNTIME.simulates else _LOCK()


class make_rlock:  # noqa: N801 - likewise
    """As `make_lock`."""

    def __new__(cls) -> Any:
        """Make a lock."""
        return SimulatedRLock() if RUNTIME.simulates else _RLOCK()


class _Handle(threading.Thread):
    """threading.current_thread() of a simulated thread that the application has not made."""

    def __init__(self, name: str, number: int) -> None:  # not Thread's: nothing is started
        self.__dict__.update(
            _name=name,
            _ident=number,
            _native_id=number,
            _daemonic=True,
            _target=None,
            _args=(),
            _kwargs={},
            _initialized=True,
            _context=None,
        )

    def is_alive(self) -> bool:
        """It runs."""
        return True


def _handle_of(thread: Thread) -> Any:
    held = thread.glet.__dict__
    handle = held.get("handle")
    if handle is None:
        handle = held["handle"] = _Handle(thread.name, next(_numbers))
    return handle


def current_thread() -> threading.Thread:
    """Stand in for `threading.current_thread`."""
    thread = RUNTIME.thread
    if thread is None:
        return _CURRENT()
    found: threading.Thread = _handle_of(thread)
    return found


def get_ident() -> int:
    """Stand in for `threading.get_ident`."""
    thread = RUNTIME.thread
    if thread is None:
        return real_ident()
    number: int = _handle_of(thread)._ident
    return number


def _start(self: Any) -> None:
    if not RUNTIME.simulates or RUNTIME.env is None:
        _START(self)
        return
    if getattr(self, "_simulated", None) is not None:
        raise RuntimeError("threads can only be started once")

    def target() -> None:
        try:
            self.run()
        except Exception as error:  # noqa: BLE001 - as threading: told, and the thread is over
            threading.excepthook(
                threading.ExceptHookArgs((type(error), error, error.__traceback__, self))
            )

    thread = RUNTIME.env.spawn(self._name, target)
    self._simulated = thread
    self._ident = self._native_id = next(_numbers)
    self._started.set()
    thread.glet.__dict__["handle"] = self
    if RUNTIME.on_thread is not None:
        RUNTIME.on_thread(thread)


def _join(self: Any, timeout: float | None = None) -> None:
    thread = getattr(self, "_simulated", None)
    if thread is None:
        _JOIN(self, timeout)
        return
    if thread.done or RUNTIME.env is None or RUNTIME.thread is None:
        return
    env = RUNTIME.env
    RUNTIME.wait("join")
    if thread.done:
        # The thread ended while the current thread was charged for its own work.
        return
    waiter = env.waiter()
    thread.add_joiner(waiter)
    timer = (
        None if timeout is None else env.call_in(max(0.0, timeout), lambda: waiter.wake(TIMEOUT))
    )
    waiter.wait()
    if timer is not None:
        timer.cancel()
    RUNTIME.go_on()


def _is_alive(self: Any) -> bool:
    thread = getattr(self, "_simulated", None)
    return _IS_ALIVE(self) if thread is None else not thread.done


def install() -> None:
    """Replace the primitives of this process permanently."""
    threading_: Any = threading
    low: Any = _thread
    threading_.Lock = threading_._allocate_lock = low.allocate_lock = low.allocate = make_lock
    threading_.RLock = low.RLock = make_rlock
    threading_.get_ident = low.get_ident = get_ident
    threading_.current_thread = current_thread
    locals_: Any = _threading_local
    locals_.current_thread = current_thread
    real_local = threading_.local
    threading_.local = low._local = locals_.local
    threading_.Thread.start = _start
    threading_.Thread.join = _join
    threading_.Thread.is_alive = _is_alive
    queue_: Any = queue
    real_queue = queue_.SimpleQueue
    queue_.SimpleQueue = queue_._PySimpleQueue
    _sweep(
        {
            id(_LOCK): make_lock,
            id(_RLOCK): make_rlock,
            id(_CURRENT): current_thread,
            id(real_ident): get_ident,
            id(real_local): locals_.local,
            id(real_queue): queue_._PySimpleQueue,
            **_early_locals(real_local),
        }
    )


def _early_locals(real: Any) -> dict[int, Any]:
    """Thread locals that libraries have made at their import, before this: id -> stand-in."""
    found: dict[int, Any] = {}
    for _, module in foreign_modules():
        for value in list(getattr(module, "__dict__", {}).values()):
            if type(value) is real and id(value) not in found:
                found[id(value)] = _threading_local.local()
                found[id(value)].__dict__.update(value.__dict__)
    return found


def _sweep(by_id: dict[int, Any]) -> None:
    for name, module in foreign_modules():
        if name in {"threading", "_thread", "_threading_local", "queue", "_queue"}:
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in by_id:
                setattr(module, attribute, by_id[id(value)])
