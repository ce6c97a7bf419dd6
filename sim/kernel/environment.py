"""Simulated time: SimPy's event queue, with threads that run ordinary blocking code.

A `Thread` is a greenlet. When it blocks (`sleep`, `Waiter.wait`) it drives the event loop itself
until its own wake-up is the next event, or hands over to the thread whose wake-up is. One switch
per wake-up, none when nothing else happens in between, and exactly SimPy's order of events:
(time, priority, order of scheduling).
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import greenlet
import simpy
from simpy.core import EmptySchedule

from sim.kernel.errors import KernelError, ThreadKilled
from sim.kernel.tie_order import Bits, InHeap, shuffled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    Steps = Generator[simpy.Event, Any, None]
    """A SimPy process of the world: a generator that yields the events it waits for."""

_INFINITY: Final = float("inf")
# SimPy's priorities, of which the smaller one goes first.
_URGENT: Final = 0
_NORMAL: Final = 1
# A compiled program finds what is final without a look at the module's names.
_heappop: Final = heapq.heappop
_heappush: Final = heapq.heappush
_FIRST_SWEEP: Final = 4_096
"""Entries of the queue from which on it is worth while to look for entries without effect."""


class Timeout:
    """The type of `TIMEOUT`, which a `Waiter` returns when its deadline passed first."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "TIMEOUT"


TIMEOUT: Final = Timeout()


class Rests(Protocol):
    """The body of a thread that can be parked: an iterator of its pauses, in seconds.

    A generator is one. An object of a class of its own takes less memory.
    """

    def __next__(self) -> float:
        """Go on until the next pause. Raises `StopIteration` at the end."""
        ...

    def throw(self, error: BaseException, /) -> float:
        """Go on with `error`, raised where the body pauses, until the next pause."""
        ...


_Entry = Any
"""An entry of the event queue: SimPy's tuple (time, priority, order, event).

Wake-ups are compared by identity. The type is Any because mypyc would copy a tuple and lose it."""


class Timer:
    """A call in the future that can be cancelled. Its function must not block.

    If the function returns a thread (see `Waiter.resume`), that goes on at once.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self._function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """Never make the call; no effect once it was made."""
        self._function = None

    @property
    def pending(self) -> bool:
        """Whether the call is still to come."""
        return self._function is not None


class Source:
    """A part of the world whose next event often changes: the end of a job on a shared processor.

    The event loop asks for it instead of keeping it in its queue.
    At equal times the queue goes first, then sources in the order in which they were added.
    """

    def __init__(self) -> None:
        self.next_s = _INFINITY
        """Time of the next event; infinity when there is none."""
        self.stale = False
        """Whether `next_s` has to be worked out again, by `refresh`, before time goes on."""

    def refresh(self) -> None:
        """Work out `next_s`."""
        raise NotImplementedError

    def pop(self) -> Thread | None:
        """Let the event happen; return the thread that it resumes, if any.

        That thread is blocked: it drives the event loop itself.
        """
        raise NotImplementedError


class Waiter:
    """One wait of one thread. Any holder of this object can end the wait, once."""

    __slots__ = ("done", "env", "thread")

    def __init__(self, env: Environment, thread: Thread) -> None:
        self.env = env
        self.thread = thread
        self.done = False

    def wait(self) -> Any:
        """Block the thread until `wake` or `fail`; return the value given to `wake`."""
        thread = self.thread
        thread.waiter = self
        return self.env._drive(thread)  # noqa: SLF001 - whoever blocks drives the loop

    def wake(self, value: Any = None) -> bool:
        """End the wait with `value`; false if it had ended already."""
        if self.done:
            return False
        self.done = True
        thread, env = self.thread, self.env
        thread.waiter = None
        # As `schedule_wakeup`, without the call.
        entry: _Entry = (env.now, _NORMAL, env.number(), thread)
        thread.pending = entry
        thread.value = value
        env._ready.append(entry)  # noqa: SLF001
        return True

    def resume(self, value: Any = None) -> Thread | None:
        """End the wait with `value`, at once: for a timer's function to return."""
        if self.done:
            return None
        self.done = True
        thread = self.thread
        thread.waiter = None
        thread.value = value
        return thread

    def fail(self, error: BaseException) -> bool:
        """End the wait by raising `error` in the thread; false if it had ended already."""
        if self.done:
            return False
        self.done = True
        self.thread.waiter = None
        self.env.schedule_wakeup(self.thread, None, error)
        return True


class Aside(Protocol):
    """State of the interpreter that belongs to a thread: put aside while the thread is blocked."""

    def leave(self) -> None:
        """The thread blocks: other threads run."""
        ...

    def enter(self) -> None:
        """The thread goes on."""
        ...


class Thread:
    """A simulated thread: a name and a blocking function that runs on simulated time.

    `label` is an object whose text is the thread's name.

    With `steps` instead of a function the thread is parked at each pause that the generator
    yields: it has no stack until it goes on. Between two pauses it runs and blocks as any thread,
    on a stack that it borrows.
    """

    __slots__ = (
        "_joiners",
        "aside",
        "done",
        "env",
        "error",
        "glet",
        "label",
        "local",
        "pending",
        "started",
        "steps",
        "target",
        "value",
        "waiter",
    )

    def __init__(
        self,
        env: Environment,
        label: object,
        target: Callable[[], None] | None,
        steps: Rests | None = None,
    ) -> None:
        self.env = env
        self.label = label
        self.target = target
        self.steps = steps
        self.started = False
        self.done = False
        self.waiter: Waiter | None = None
        self.pending: _Entry | None = None
        """The queue entry that resumes the thread; None if there is none."""
        self.value: Any = None
        """The value that the blocking call returns when the thread is resumed."""
        self.error: BaseException | None = None
        """The error that the blocking call raises instead."""
        self.local: Any = None
        self.aside: Aside | None = None
        """Of a thread that runs an asyncio loop: the loop. None while the thread is blocked."""
        # A parked thread has no greenlet of its own.
        self.glet: greenlet.greenlet = (
            greenlet.greenlet(self._run, env.hub) if steps is None else env.hub
        )
        self._joiners: list[Waiter] | None = None

    @property
    def name(self) -> str:
        """What messages call the thread."""
        return str(self.label)

    def add_joiner(self, waiter: Waiter) -> None:
        """Wake `waiter` when the thread is over."""
        if self._joiners is None:
            self._joiners = []
        self._joiners.append(waiter)

    def _run(self, _value: object) -> None:
        env = self.env
        self.started = True
        self.pending = None
        try:
            if self.error is not None:
                raise self.error  # noqa: TRY301 - one way to end, however early
            if self.target is not None:
                self.target()
        except (ThreadKilled, greenlet.GreenletExit):
            pass
        except BaseException as error:  # noqa: BLE001 - whatever it is ends the run, in `Environment.run`
            env.fail(error)
        finally:
            self._over()

    def _over(self) -> None:
        self.done = True
        self.env.threads.pop(self, None)
        joiners, self._joiners = self._joiners, None
        for joiner in joiners or ():
            joiner.wake()

    def go_on(self, steps: Rests) -> None:
        """Run until the next pause or the end; for the stack that the thread has borrowed."""
        env = self.env
        self.started = True
        self.pending = None
        try:
            while True:
                error, self.error = self.error, None
                delay_s = next(steps) if error is None else steps.throw(error)
                if env.park(self, delay_s):
                    return
        except (StopIteration, ThreadKilled, greenlet.GreenletExit):
            pass
        except BaseException as error:  # noqa: BLE001 - as in `_run`
            env.fail(error)
        self._over()

    def interrupt(self, error: BaseException) -> bool:
        """Raise `error` inside the thread at its current wait.

        Returns false if the thread is over or was woken already and is about to run: then it is
        past the wait that was to be interrupted.
        """
        if self.done:
            return False
        if self.waiter is not None:
            return self.waiter.fail(error)
        if self.error is None:
            # Asleep, or parked at a source: a failing wake-up takes the other one's place.
            self.env.schedule_wakeup(self, None, error)
            return True
        return False

    def kill(self) -> None:
        """End the thread at its current wait, without a trace."""
        self.interrupt(ThreadKilled())

    def join(self) -> None:
        """Block the current thread until this one is over."""
        if not self.done:
            waiter = self.env.waiter()
            self.add_joiner(waiter)
            waiter.wait()


class Expiring(Protocol):
    """A wait that a deadline can end: a `Waiter`, or any object with `done` and `wake`."""

    done: bool

    def wake(self, value: Any = None, /) -> bool:
        """End it with `TIMEOUT`."""
        ...


class Deadlines:
    """Timeouts of one fixed length, in O(1): they end in the order in which they began."""

    __slots__ = ("_env", "_queue", "_running", "timeout_s")

    def __init__(self, env: Environment, timeout_s: float) -> None:
        self._env = env
        self.timeout_s = timeout_s
        self._queue: deque[tuple[float, Expiring]] = deque()
        self._running = False

    def add(self, waiter: Expiring) -> None:
        """Wake `waiter` with `TIMEOUT` after `timeout_s`, unless its wait ended before."""
        if self.timeout_s == _INFINITY:
            return
        queue = self._queue
        # Waits that are over need no deadline.
        while queue and queue[0][1].done:
            queue.popleft()
        deadline_s = self._env.now + self.timeout_s
        queue.append((deadline_s, waiter))
        if not self._running:
            self._running = True
            self._env.call_at(deadline_s, self._expire)

    def _expire(self) -> None:
        queue = self._queue
        now = self._env.now
        while queue and (queue[0][1].done or queue[0][0] <= now):
            queue.popleft()[1].wake(TIMEOUT)
        if queue:
            self._env.call_at(queue[0][0], self._expire)
        else:
            self._running = False


class Environment:
    """Simulated time for blocking `Thread`s, and for SimPy's processes and events beside them.

    It has what SimPy's `Environment` has. Time in seconds from 0.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """Simulated time; the event loop moves it."""
        self._queue: list[Any] = []
        self._sweep_at = _FIRST_SWEEP
        self._number = 0
        self._ties: Iterator[int] | None = None
        self._active_proc: Any = None
        self.inspect: Callable[[], None] | None = None
        """Called when an event is over, before the next one; must not block."""
        # Wake-ups due at the current time, in order: most are, and need no heap.
        self._ready: deque[_Entry] = deque()
        self.hub = greenlet.getcurrent()
        self.current: Thread | None = None
        self.crash: BaseException | None = None
        self._stopping = False
        self._closed = False
        self._sources: list[Source] = []
        # In order of their start; greenlets are not garbage collected while they are suspended.
        self.threads: dict[Thread, None] = {}
        """Threads that have been spawned and are not over."""
        self._stacks: list[greenlet.greenlet] = []
        """Stacks that no parked thread has borrowed."""

    def shuffle_ties(self, rng: Bits) -> None:
        """Run simultaneous events in a random order of `rng` instead of scheduling order."""
        self._ready = InHeap(self._queue)
        self._ties = shuffled(rng)

    def number(self) -> int:
        """Return the number of the next queue entry; at equal times the smaller one goes first."""
        if self._ties is not None:
            return next(self._ties)
        self._number += 1
        return self._number

    @property
    def events(self) -> int:
        """Entries put into the queue so far: it grows while anything happens."""
        return self._number + len(self._queue)

    def add_source(self, source: Source) -> None:
        """Ask `source` for its events from now on."""
        self._sources.append(source)

    def spawn(self, label: object, target: Callable[[], None]) -> Thread:
        """Start a thread at the current time, after everything already due now."""
        return self._begun(Thread(self, label, target))

    def spawn_steps(self, label: object, steps: Rests) -> Thread:
        """As `spawn`, for a thread that is parked at each pause that `steps` yields."""
        return self._begun(Thread(self, label, None, steps))

    def _begun(self, thread: Thread) -> Thread:
        self.threads[thread] = None
        self.schedule_wakeup(thread, None, None)
        return thread

    def waiter(self) -> Waiter:
        """Return a wait of the current thread, for the code that will end it; then call `wait`."""
        if self.current is None:
            message = "only a thread can wait; a callback of the event loop must not block"
            raise KernelError(message)
        return Waiter(self, self.current)

    def sleep(self, delay_s: float) -> None:
        """Block the current thread for `delay_s` simulated seconds."""
        if delay_s < 0:
            message = f"cannot sleep {delay_s} s: a delay must be 0 or more"
            raise KernelError(message)
        thread = self.current
        if thread is None:
            message = "only a thread can sleep; a callback of the event loop must not block"
            raise KernelError(message)
        if self._closed:
            raise greenlet.GreenletExit
        if thread.error is not None:
            # The thread has interrupted itself: the error is raised at this wait.
            self._drive(thread)
        if not self._passes(thread, delay_s):
            self._drive(thread)

    def park(self, thread: Thread, delay_s: float) -> bool:
        """Let `thread` go on after `delay_s` seconds, as `sleep`; false if that is now."""
        if self._closed:
            thread.error = greenlet.GreenletExit()
            return False
        if delay_s < 0:
            thread.error = KernelError(f"cannot pause {delay_s} s: a delay must be 0 or more")
            return False
        # The wake-up of a thread that has interrupted itself is under way already.
        if thread.error is None and self._passes(thread, delay_s):
            return False
        thread.started = False
        return True

    def _passes(self, thread: Thread, delay_s: float) -> bool:
        """Move the clock by `delay_s` if nothing happens before; else schedule the wake-up."""
        time_s = self.now + delay_s
        queue = self._queue
        next_s: float = queue[0][0] if queue else _INFINITY
        if time_s < next_s and not (self._ready or self._stopping):
            for source in self._sources:
                if source.stale:
                    source.refresh()
                if source.next_s <= time_s:
                    break
            else:
                if self.inspect is not None:
                    self.inspect()
                self.now = time_s
                return True
        entry: _Entry = (time_s, _NORMAL, self.number(), thread)
        thread.pending = entry
        _heappush(queue, entry)
        return False

    def schedule_wakeup(self, thread: Thread, value: Any, error: BaseException | None) -> None:
        """Resume `thread` at the current time, after everything already due now."""
        entry: _Entry = (self.now, _NORMAL, self.number(), thread)
        thread.pending = entry
        thread.value = value
        thread.error = error
        self._ready.append(entry)

    def call_at(self, time_s: float, function: Callable[[], object]) -> Timer:
        """Call `function` at `time_s` (not before now); see `Timer`."""
        if time_s < self.now:
            message = f"cannot call at {time_s} s: it is already {self.now} s"
            raise KernelError(message)
        timer = Timer(function)
        _heappush(self._queue, (time_s, _NORMAL, self.number(), timer))
        if len(self._queue) >= self._sweep_at:
            self._sweep()
        return timer

    def _sweep(self) -> None:
        """Remove cancelled timers and wake-ups that others have replaced: they do nothing.

        Each request cancels a timer or two that are due much later. The order of what is left
        stays: entries are ordered by their numbers. Shuffled ones are not: then a look at the
        queue's first time would draw fewer random numbers.
        """
        queue = self._queue
        if self._ties is None:
            queue[:] = [entry for entry in queue if _has_effect(entry)]
            heapq.heapify(queue)
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(queue))

    def call_in(self, delay_s: float, function: Callable[[], object]) -> Timer:
        """Call `function` after `delay_s` seconds."""
        return self.call_at(self.now + delay_s, function)

    # What SimPy's processes, events and resources ask of their environment.

    def timeout(self, delay: float, value: Any = None) -> simpy.Timeout:
        """Make an event that happens after `delay` seconds, with an optional value.

        It is what `simpy.Timeout` makes of itself, without calls in between.
        """
        if delay < 0:
            message = f"Negative delay {delay}"
            raise ValueError(message)
        event: Any = simpy.Timeout.__new__(simpy.Timeout)
        event.env = self
        event.callbacks = []
        event._value = value  # noqa: SLF001 - as simpy.events.Timeout does
        event._delay = delay  # noqa: SLF001
        event._ok = True  # noqa: SLF001
        _heappush(self._queue, (self.now + delay, _NORMAL, self.number(), event))
        timeout: simpy.Timeout = event
        return timeout

    @property
    def active_process(self) -> simpy.Process | None:
        """The process that runs just now."""
        process: simpy.Process | None = self._active_proc
        return process

    def schedule(self, event: simpy.Event, priority: int = _NORMAL, delay: float = 0.0) -> None:
        """Let `event` happen after `delay` seconds."""
        _heappush(self._queue, (self.now + delay, priority, self.number(), event))

    def event(self) -> simpy.Event:
        """Make an event that happens when `succeed` or `fail` is called."""
        return simpy.Event(_as_simpy(self))

    def process(self, generator: Generator[simpy.Event, Any, Any]) -> simpy.Process:
        """Start a process, which is an event as well: its end."""
        return simpy.Process(_as_simpy(self), generator)

    def all_of(self, events: Iterable[simpy.Event]) -> simpy.AllOf:
        """Make an event that happens when all of `events` have happened."""
        return simpy.AllOf(_as_simpy(self), events)

    def any_of(self, events: Iterable[simpy.Event]) -> simpy.AnyOf:
        """Make an event that happens when the first of `events` has happened."""
        return simpy.AnyOf(_as_simpy(self), events)

    def wait_for(self, event: Any) -> Any:
        """Block the current thread until a SimPy event happened; return its value or raise."""
        waiter = self.waiter()

        def happened(event: Any) -> None:
            # The failure is delivered to the thread that waits, so the run need not end.
            event.defused = True
            waiter.wake()

        if event.callbacks is None:
            happened(event)
        else:
            event.callbacks.append(happened)
        waiter.wait()
        if not event.ok:
            raise event.value
        return event.value

    def fail(self, error: BaseException) -> None:
        """End `run` by raising `error` there."""
        self.crash = error
        self._stopping = True

    def stop(self) -> None:
        """End `run` as soon as the current thread or callback blocks or returns."""
        self._stopping = True

    def run(self, until: float | simpy.Event | None = None) -> Any:
        """Process events until `until` (a time or an event), or until none is left.

        An exception that escapes a thread or a callback is raised here. Events at exactly the
        time `until` are not processed, as in SimPy.
        """
        if self.current is not None:
            message = "run() cannot be called from a thread of the simulation"
            raise KernelError(message)
        self.hub = greenlet.getcurrent()
        self._stopping = False
        stop_event: Any = None
        if isinstance(until, simpy.Event):
            stop_event = until
            if stop_event.callbacks is None:
                return stop_event.value
            stop_event.callbacks.append(self._stop_on)
        elif until is not None:
            if until <= self.now:
                message = f"until ({until}) must be greater than the current time ({self.now})"
                raise ValueError(message)
            stop_event = self.event()
            stop_event._ok = True  # noqa: SLF001 - as simpy.core.Environment.run does
            stop_event._value = None  # noqa: SLF001
            stop_event.callbacks = [self._stop_on]
            _heappush(self._queue, (float(until), _URGENT, self.number(), stop_event))
        try:
            self._drive(None)
        finally:
            self._stopping = False
        if self.crash is not None:
            crash, self.crash = self.crash, None
            raise crash
        if stop_event is not None and stop_event.callbacks is None:
            if not stop_event.ok:
                stop_event.defused = True
                raise stop_event.value
            return stop_event.value
        return None

    def _stop_on(self, _event: simpy.Event) -> None:
        self._stopping = True

    def close(self) -> None:
        """End every thread where it waits, without any more simulated time."""
        self._closed = True
        self._queue.clear()
        self._ready.clear()
        threads, self.threads = list(self.threads), {}
        for thread in threads:
            # What the thread does at its end must find itself in its own thread.
            self.current = thread
            if thread.steps is not None and not thread.started:
                thread.error = greenlet.GreenletExit()
                thread.go_on(thread.steps)
            elif thread.glet:
                thread.glet.throw(greenlet.GreenletExit)
        self.current = None
        stacks, self._stacks = self._stacks, []
        for stack in stacks:
            stack.throw(greenlet.GreenletExit)

    def step(self) -> None:
        """Process the next event only. Raises SimPy's `EmptySchedule` when there is none."""
        self.hub = greenlet.getcurrent()
        thread = self._next()
        if thread is not None:
            # Once it blocks, the thread gives control back here instead of driving on.
            self._stopping = True
            self.current = thread
            self._begin(thread)
            self.current = None
            self._stopping = False
        if self.crash is not None:
            crash, self.crash = self.crash, None
            raise crash

    def peek(self) -> float:
        """Return the time of the next event, infinity if there is none."""
        if self._ready:
            return self.now
        time_s: float = self._queue[0][0] if self._queue else _INFINITY
        source = self._first_source(time_s)
        return time_s if source is None else source.next_s

    def _first_source(self, time_s: float) -> Source | None:
        """The source whose event comes next, if that is before `time_s`."""
        first = None
        for source in self._sources:
            if source.stale:
                source.refresh()
            if source.next_s < time_s:
                time_s = source.next_s
                first = source
        return first

    def _next(self) -> Thread | None:
        """Let the next event happen; return the thread that it resumes, if any."""
        queue, ready = self._queue, self._ready
        if self.inspect is not None:
            self.inspect()
        if ready and (not queue or ready[0] < queue[0]):
            entry = ready.popleft()
        else:
            source = self._first_source(queue[0][0] if queue else _INFINITY)
            if source is not None:
                self.now = source.next_s
                return source.pop()
            if not queue:
                raise EmptySchedule
            entry = _heappop(queue)
            self.now = entry[0]
        what = entry[3]
        if not isinstance(what, Thread):
            return self._process(what, None)
        return what if what.pending is entry and not what.done else None

    def _process(self, what: Any, me: Thread | None) -> Thread | None:
        """Let a timer or a SimPy event happen; return the thread that it resumes.

        It must not block; a failure ends the run.
        """
        self.current = None
        resumed: object = None
        try:
            if isinstance(what, Timer):
                function, what._function = what._function, None  # noqa: SLF001 - its owner
                if function is not None:
                    resumed = function()
            else:
                callbacks: list[Any] = what.callbacks
                what.callbacks = None
                for callback in callbacks:
                    callback(what)
                if not what._ok and not hasattr(what, "_defused"):  # noqa: SLF001 - as in simpy
                    self.fail(what._value)  # noqa: SLF001
        except BaseException as error:  # noqa: BLE001 - raised again by `run`
            self.fail(error)
        self.current = me
        return resumed if isinstance(resumed, Thread) else None

    def _drive(self, me: Thread | None) -> Any:  # noqa: C901, PLR0912, PLR0915 - calls would cost more
        """Process events until `me` is woken; with `me` None (the hub), until the run is over."""
        if self._closed:
            raise greenlet.GreenletExit
        if me is not None and me.aside is not None:
            return self._drive_aside(me, me.aside)
        queue, ready, sources = self._queue, self._ready, self._sources
        entry: _Entry
        what: Any
        thread: Thread | None
        while True:
            if self.inspect is not None and not self._stopping:
                self.inspect()
            time_s: float = queue[0][0] if queue else _INFINITY
            if self._stopping:
                thread = None
            # Ready threads are due now; the order matters only if the heap's first is due now too.
            elif ready and (time_s > self.now or ready[0] < queue[0]):
                entry = ready.popleft()
                woken: Thread = entry[3]
                if woken.pending is not entry or woken.done:
                    continue
                thread = woken
            else:
                first: Source | None = None
                for source in sources:
                    if source.stale:
                        source.refresh()
                    if source.next_s < time_s:
                        time_s = source.next_s
                        first = source
                if first is not None:
                    self.now = time_s
                    thread = first.pop()
                    if thread is None:
                        continue
                elif queue:
                    entry = _heappop(queue)
                    self.now = time_s
                    what = entry[3]
                    if isinstance(what, Thread):
                        if what.pending is not entry or what.done:
                            continue
                        thread = what
                    else:
                        thread = self._process(what, me)
                        if thread is None:
                            continue
                else:
                    thread = None
            # Values passed to another thread must not be kept alive while this thread is blocked.
            entry = what = None
            if thread is me:
                if me is None:
                    return None
            elif me is not None and thread is not None and thread.started:
                self.current = thread
                thread.glet.switch(None)
                self.current = me
            else:
                self._hand_over(thread, me)
                if me is None:
                    continue
            me.pending = None
            if me.error is not None:
                error, me.error = me.error, None
                raise error
            value, me.value = me.value, None
            return value

    def _drive_aside(self, me: Thread, aside: Aside) -> Any:
        """As `_drive`, for a thread that may block inside a nested greenlet (SQLAlchemy's)."""
        outer = me.glet
        me.aside = None
        me.glet = greenlet.getcurrent()
        aside.leave()
        try:
            return self._drive(me)
        finally:
            aside.enter()
            me.glet = outer
            me.aside = aside

    def _hand_over(self, thread: Thread | None, me: Thread | None) -> None:
        """Switch to `thread` (None: to the hub) until `me` is resumed."""
        self.current = thread
        start: Thread | None
        if thread is None or (me is not None and not thread.started):
            # The hub starts threads: one started here would inherit this one's recursion depth,
            # and a chain of starts would run into Python's limit.
            start = self.hub.switch(thread)
        else:
            start = self._begin(thread)
        while start is not None:
            start = self._begin(start)
        self.current = me

    def _begin(self, thread: Thread) -> Any:
        """Switch to `thread`, which may be parked; return what the hub is told."""
        if thread.steps is None or thread.started:
            return thread.glet.switch(None)
        if self._stacks:
            thread.glet = self._stacks.pop()
        else:
            thread.glet = greenlet.greenlet(self._lend, self.hub)
        return thread.glet.switch(thread)

    def _lend(self, thread: Thread) -> None:
        """Be the stack of one thread after the other, each until it is parked or over."""
        stack = greenlet.getcurrent()
        while True:
            steps = thread.steps
            assert steps is not None  # noqa: S101 - only these threads borrow a stack
            thread.go_on(steps)
            thread.glet = self.hub
            if self._closed:
                return
            self._stacks.append(stack)
            # Kept, the thread could not be freed while the stack is idle.
            del thread
            thread = self.hub.switch(None)


def _has_effect(entry: _Entry) -> bool:
    what = entry[3]
    if isinstance(what, Thread):
        return what.pending is entry and not what.done
    return not isinstance(what, Timer) or what.pending


def _as_simpy(env: Environment) -> Any:
    """SimPy's types want an instance of SimPy's class; its code wants what that has."""
    return env


__all__ = [
    "TIMEOUT",
    "Deadlines",
    "Environment",
    "KernelError",
    "Thread",
    "ThreadKilled",
    "Timer",
    "Waiter",
]
