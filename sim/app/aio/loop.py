"""asyncio's own event loop, with simulated time in place of the selector.

Tasks, timeouts, locks, queues and task groups are asyncio's. The loop runs in one simulated thread.
Where the real loop would wait for sockets, that thread waits for simulated time or for a wake-up.
Blocking work of the simulator (a statement, a Redis command) runs in `IoThreads`, and the coroutine
awaits its future.

The processor time of a coroutine is charged where it begins to wait. The charge blocks the loop's
thread, as computing blocks a real loop.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.events
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sim.app.aio.blocking import BLOCKED
from sim.app.seams.clock import BOOT_S, REAL
from sim.app.seams.runtime import CURRENT, RUNTIME, foreign_modules
from sim.app.segments import ApplicationTask
from sim.kernel.environment import TIMEOUT
from sim.kernel.errors import ThreadKilled
from sim.service.costs import Factor

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

    from sim.kernel.environment import Waiter

_set_running_loop: Final[Any] = asyncio.events._set_running_loop
_new_event_loop: Final = asyncio.events.new_event_loop
_thread_time_ns: Final = REAL["thread_time_ns"]
_PLAIN: Final = Factor(1.0, 1.0, 1.0)


class _MeasuredHandle(asyncio.Handle):
    """A callback of the loop whose processor time is added to the segment of its request."""

    __slots__ = ()

    def _run(self) -> None:
        context: Any = self._context  # type: ignore[attr-defined]  # of every handle
        task = context.get(CURRENT)
        if task is None:
            super()._run()
            return
        task.began_ns = _thread_time_ns()
        super()._run()
        task.spent_ns += _thread_time_ns() - task.began_ns


class SimulatedLoop(asyncio.base_events.BaseEventLoop):
    """An event loop on simulated time; `asyncio.new_event_loop` makes it during a run."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self._waiter: Waiter | None = None
        self._asked = False
        self.killed = False
        self._measures = RUNTIME.measures
        self.io = IoThreads(self)
        RUNTIME.loops.append(self)

    def __del__(self) -> None:
        """Say nothing of a loop that a run has left open."""

    # Time and waiting

    def time(self) -> float:
        """Seconds of the monotonic clock."""
        assert RUNTIME.env is not None  # noqa: S101 - a loop belongs to a run
        return BOOT_S + RUNTIME.env.now

    def select(self, timeout: float | None) -> tuple[()]:
        """Wait until `timeout` seconds have passed, or another thread has work for the loop."""
        if self.killed or RUNTIME.has_refused or RUNTIME.env is None:
            raise ThreadKilled
        if BLOCKED.since:
            BLOCKED.over()
        if self._asked or (timeout is not None and timeout <= 0.0):
            self._asked = False
            return ()
        env = RUNTIME.env
        waiter = self._waiter = env.waiter()
        timer = None if timeout is None else env.call_in(timeout, lambda: waiter.resume(TIMEOUT))
        try:
            waiter.wait()
        finally:
            self._waiter, self._asked = None, False
            if timer is not None:
                timer.cancel()
        return ()

    def _process_events(self, _events: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        if self._waiter is not None:
            self._waiter.wake()
        else:
            self._asked = True

    def run_forever(self) -> None:
        """Run until `stop`."""
        self._check_closed()  # type: ignore[attr-defined]  # of every BaseEventLoop
        self._check_running()  # type: ignore[attr-defined]
        thread = RUNTIME.thread
        if thread is None:
            raise RuntimeError("an event loop of a run runs in its simulated threads only")
        untyped: Any = self
        untyped._thread_id = asyncio.base_events.threading.get_ident()  # type: ignore[attr-defined]
        thread.aside = self
        _set_running_loop(self)
        try:
            while not untyped._stopping:
                untyped._run_once()
        finally:
            untyped._stopping, untyped._thread_id = False, None
            thread.aside = None
            _set_running_loop(None)

    def leave(self) -> None:
        """The loop's thread blocks: code of other threads must not find this loop running."""
        _set_running_loop(None)

    def enter(self) -> None:
        """The loop's thread goes on."""
        _set_running_loop(self)

    # Charges

    def _call_soon(self, callback: Any, args: Any, context: Any) -> asyncio.Handle:
        if not self._measures:
            made: asyncio.Handle = super()._call_soon(callback, args, context)  # type: ignore[misc]
            return made
        handle = _MeasuredHandle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]  # of every BaseEventLoop
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future: the coroutine is about to wait, so its segment of code ends."""
        if CURRENT.get() is not None:
            RUNTIME.wait(f"await {sys._getframe(1).f_code.co_name}", blocks=False)
        return asyncio.Future(loop=self)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Run a function in a simulated thread, for the request under way."""
        return super().run_in_executor(executor, in_thread(func), *args)

    # Ends

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """As asyncio; nothing is said of tasks that the end of a run or of a process cuts off."""
        if not self.killed and RUNTIME.thread is not None:
            super().call_exception_handler(context)

    def kill(self) -> None:
        """End the loop with its process: no callback runs any more."""
        self.killed = True
        untyped: Any = self
        for handle in [*untyped._ready, *untyped._scheduled]:
            handle.cancel()
        self.io.kill()

    def abandon(self) -> None:
        """Close the coroutines that the end of the run has left waiting, without a word of them."""
        self.killed = True
        closed: set[asyncio.Task[Any]] = set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # The `finally` clauses of the application's coroutines may want to wait, and may begin
            # tasks: a shielded release of a connection, for instance.
            while left := asyncio.all_tasks(self) - closed:
                closed |= left
                for task in left:
                    untyped: Any = task
                    untyped._log_destroy_pending = False
                    with suppress(BaseException):
                        untyped.get_coro().close()
        # anyio keeps what is a loop's own until the loop's main task is done, which it never is.
        kept = getattr(sys.modules.get("anyio.lowlevel"), "_run_vars", None)
        if kept is not None:
            kept.pop(self, None)

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:  # type: ignore[override]
        """Do nothing: no signal comes."""

    def remove_signal_handler(self, sig: int) -> bool:  # noqa: ARG002 - asyncio's
        """Return false: there is none."""
        return False


class IoThreads:
    """Simulated threads that wait where a socket would: statements and commands under way."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self._idle: list[Waiter] = []
        self._threads: list[Any] = []

    def future(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Begin blocking work; the future gets its result or error."""
        assert RUNTIME.env is not None  # noqa: S101 - a loop belongs to a run
        future: asyncio.Future[Any] = asyncio.Future(loop=self._loop)
        owner = CURRENT.get()
        if owner is None:
            thread = RUNTIME.thread
            owner = None if thread is None else thread.local
        factor, worker = (_PLAIN, None) if owner is None else (owner.factor, owner.worker)
        task = ApplicationTask("io" if owner is None else owner.label, factor, worker, owner=owner)
        if self._idle:
            self._idle.pop().wake((work, future, task))
        else:
            name = f"io-{len(self._threads) + 1}"
            new = RUNTIME.env.spawn(name, lambda: self._serve(work, future, task))
            self._threads.append(new)
        return future

    def _serve(self, work: Callable[[], Any], future: asyncio.Future[Any], task: Any) -> None:
        thread, env, loop = RUNTIME.thread, RUNTIME.env, self._loop
        assert thread is not None  # noqa: S101 - this is its function
        assert env is not None  # noqa: S101 - likewise
        while True:
            thread.local = task
            try:
                result = work()
            except ThreadKilled:
                raise
            except BaseException as error:  # noqa: BLE001 - the coroutine gets it
                loop.call_soon(_fail, future, error)
            else:
                loop.call_soon(_succeed, future, result)
            thread.local = None
            loop._write_to_self()
            waiter = env.waiter()
            self._idle.append(waiter)
            work, future, task = waiter.wait()

    def kill(self) -> None:
        """End the threads."""
        for thread in self._threads:
            if thread.local is not None:
                thread.local.killed = True
            thread.kill()
        self._threads.clear()
        self._idle.clear()


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
        # A coroutine that was cancelled in the meantime does not look at it.
        future._log_traceback = False


def in_thread(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for another thread, as work on the request of the current coroutine."""
    task = CURRENT.get()
    if task is None:
        return function

    def run(*args: Any, **options: Any) -> Any:
        token = CURRENT.set(task)
        try:
            RUNTIME.go_on()
            return function(*args, **options)
        finally:
            RUNTIME.wait("thread ends")
            CURRENT.reset(token)

    return run


def spinning(roots: tuple[str, ...]) -> str:
    """Line of the application in a coroutine that is due again at once; or nothing."""
    for loop in RUNTIME.loops:
        for task in asyncio.all_tasks(loop):
            untyped: Any = task
            if untyped._fut_waiter is not None:
                continue
            found = ""
            waits: Any = task.get_coro()
            while waits is not None:
                frame = getattr(waits, "cr_frame", None)
                if frame is not None and frame.f_code.co_filename.startswith(roots):
                    found = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
                waits = getattr(waits, "cr_await", None)
            if found:
                return found
    return ""


def context_of(task: Any) -> Context:
    """A context in which the task is the request under way."""
    from contextvars import Context as New  # noqa: PLC0415 - beside the type's name

    context = New()
    context.run(CURRENT.set, task)
    return context


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Stand in for `asyncio.new_event_loop`."""
    return SimulatedLoop() if RUNTIME.simulates else _new_event_loop()


def install() -> None:
    """Let new event loops of simulated threads be simulated ones, permanently."""
    for name, module in foreign_modules():
        if name.partition(".")[0] == "sim":
            continue
        if getattr(module, "__dict__", {}).get("new_event_loop") is _new_event_loop:
            untyped: Any = module
            untyped.new_event_loop = new_event_loop
