"""How Go's scheduler shares one processor between users that spin and users at work.

k6 runs every user in a goroutine. Finished users whose function returns at once are never asleep,
and still they do not share the processor evenly with the others. What decides (Go 1.26,
runtime/proc.go; k6 1.8, internal/output/manager.go; logrus 1.9, entry.go):

- Each iteration sends its samples through one channel to one goroutine, the output manager. The
  first send makes the manager runnable *next*. The user goes on until the channel is full, the
  manager empties it and makes that user runnable next: the two play ping-pong and inherit one time
  slice, while all others wait in the local queue (`ready`, `runqput`: a `runnext` that is replaced
  goes to the tail; `findRunnable`: `inheritTime` leaves `schedtick` as it is).
- It ends when the monitor thread, which looks every 10 ms, has seen the same tick for 10 ms
  (`retake`): the user goes to the *global* queue. Or when another goroutine is made runnable next:
  the manager loses its place to it and goes to the local queue's tail. Then everyone before it has
  a turn, a short one: the channel is full, each blocks at once.
- The global queue is looked at on every 61st tick, one goroutine a time, and when the local queue
  is empty. An answer that has come in is noticed by the monitor thread, 10 ms after the last look
  (`sysmon`: netpoll), and its goroutine is put there. With an idle processor it is noticed at once.
- A user that sleeps is woken as soon as the processor looks for work: timers go first.
- Console lines are written under one mutex. A user that is preempted while it holds the mutex
  waits in the global queue, and everybody with a line to write waits for it.

The local queue has room for 256; half of a full one moves to the global queue (`runqputslow`).
Nothing here is estimated from what users experienced: the costs of an iteration are, and how much
of one is spent under the mutex.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Waiter
    from sim.kernel.random_streams import Stream
    from sim.machines.cpu import Process

_LOOK_S: Final = 0.0101
"""Longest sleep of the monitor thread, and a goroutine's time slice (forcePreemptNS)."""
_FLUSH_S: Final = 0.050
"""k6's metrics engine wakes up this often (internal/metrics/engine/ingester.go: collectRate)."""
_GLOBAL_EVERY: Final = 61.0
_LOCAL_SIZE: Final = 256.0
_CHANNEL_SIZE: Final = 1_000.0
"""k6's metricSamplesBufferSize (internal/cmd/options.go)."""
_SAMPLES: Final = 2
"""Sends of one iteration (internal/js/runner.go: runFn)."""


class _Task:
    """A goroutine of a user at work: what it has to do, and the thread that waits for it."""

    __slots__ = ("hands_over", "waiter", "work_s", "writes")

    def __init__(self, waiter: Waiter, work_s: float, *, hands_over: bool) -> None:
        self.waiter = waiter
        self.work_s = work_s
        self.writes = False
        """Whether it waited for the log's mutex, and releases it."""
        self.hands_over = hands_over
        """Whether it makes another goroutine runnable as it ends: a reader or a writer."""


class _Spinners:
    """Some spinning users in a row."""

    __slots__ = ("count", "holds_lock")

    def __init__(self, count: int, *, holds_lock: bool = False) -> None:
        self.count = count
        self.holds_lock = holds_lock


class _Manager:
    """The output manager."""

    __slots__ = ()


_MANAGER: Final = _Manager()
_Item = _Task | _Spinners | _Manager


class _Queue:
    """Goroutines in order; spinning users one after the other are kept as their number."""

    __slots__ = ("items", "size")

    def __init__(self) -> None:
        self.items: deque[_Item] = deque()
        self.size = 0

    def add(self, item: _Item) -> None:
        if isinstance(item, _Spinners):
            self.size += item.count
            last = self.items[-1] if self.items else None
            if isinstance(last, _Spinners) and not (last.holds_lock or item.holds_lock):
                last.count += item.count
                return
            self.items.append(_Spinners(item.count, holds_lock=item.holds_lock))
        else:
            self.size += 1
            self.items.append(item)

    def take(self, most: int = 1) -> _Item:
        """Take the first goroutine; of spinning users as many as there are in a row, or `most`."""
        first = self.items[0]
        if isinstance(first, _Spinners) and first.count > most:
            first.count -= most
            self.size -= most
            return _Spinners(most)
        self.items.popleft()
        self.size -= first.count if isinstance(first, _Spinners) else 1
        return first

    def __bool__(self) -> bool:
        return bool(self.items)


class GoScheduler:
    """One processor of a Go program (a P): its queues, and the thread that runs what is in them.

    `size` is the scale of the world: queues and channel are as much smaller as there are fewer
    users. `iteration_s` is the work of one spinning iteration in all, `lock_share` the share of it
    under the log's mutex (0: it writes no line).
    """

    def __init__(
        self,
        env: Environment,
        process: Process,
        rng: Stream,
        iteration_s: float,
        lock_share: float,
        size: float = 1.0,
    ) -> None:
        self._env = env
        self._process = process
        self._rng = rng
        self._iteration_s = iteration_s
        self._lock_share = lock_share
        self._global_every = max(1, round(_GLOBAL_EVERY * size))
        self._local_size = max(2, round(_LOCAL_SIZE * size))
        self._channel_size = max(_SAMPLES, round(_CHANNEL_SIZE * size))
        self.spinning = 0
        """Users that spin now."""
        self.iterations = 0.0
        """Iterations of spinning users so far."""
        self._leaving = 0
        self._next: _Item | None = None
        self._current: _Task | None = None
        self._local = _Queue()
        self._global = _Queue()
        self._senders = _Queue()
        self._lines = _Queue()
        self._lock_held = False
        self._in_channel = 0
        self._manager_parked = True
        self._tick = 1
        self._seen_tick = 0
        self._seen_s = 0.0
        self._look_s = env.now + _LOOK_S
        self._flush_s = env.now + _FLUSH_S
        self._arrived: deque[tuple[float, _Task]] = deque()
        self._sleeping: Waiter | None = None
        self._started = False

    # What users ask for

    def add_spinner(self) -> None:
        """Add a spinning user."""
        self.spinning += 1
        if self._leaving:
            self._leaving -= 1
        else:
            self._local.add(_Spinners(1))
        self._go()

    def remove_spinner(self) -> None:
        """Remove a spinning user; it does not matter which of them."""
        self.spinning -= 1
        self._leaving += 1

    def work(self, work_s: float, *, hands_over: bool = False) -> None:
        """Let the current thread, which runs or was woken by a timer, do so much work."""
        task = self._task(work_s, hands_over=hands_over)
        if self._current is not None and self._current.waiter.thread is task.waiter.thread:
            self._current = task
        else:
            self._make_next(task)
        self._go()
        task.waiter.wait()

    def receive(self, work_s: float) -> None:
        """Let the current thread, for which an answer has come in, do so much work."""
        task = self._task(work_s, hands_over=True)
        self._arrived.append((self._env.now, task))
        self._go()
        task.waiter.wait()

    def send_sample(self) -> None:
        """Send the samples of a request; blocks the current thread while the channel is full."""
        if self._in_channel < self._channel_size:
            self._put(1)
            return
        task = self._task(0.0, hands_over=False)
        self._senders.add(task)
        self._go()
        task.waiter.wait()

    def write_line(self) -> None:
        """Write a console line; blocks the current thread while the mutex is held."""
        if self._lock_held:
            task = self._task(0.0, hands_over=False)
            task.writes = True
            self._lines.add(task)
            self._go()
            task.waiter.wait()
        else:
            self._pass_lock(1)

    def _task(self, work_s: float, *, hands_over: bool) -> _Task:
        return _Task(self._env.waiter(), work_s, hands_over=hands_over)

    # The processor

    def _go(self) -> None:
        if not self._started:
            self._started = True
            self._env.spawn("generator-p", self._run)
        elif self._sleeping is not None:
            sleeping, self._sleeping = self._sleeping, None
            sleeping.wake()

    def _run(self) -> None:
        while True:
            self._look()
            item = self._find()
            if item is None:
                self._sleeping = self._env.waiter()
                self._sleeping.wait()
            elif isinstance(item, _Task):
                self._run_task(item)
            elif isinstance(item, _Spinners):
                self._run_spinners(item)
            else:
                self._run_manager()

    def _look(self) -> None:
        """The work of the monitor thread and of the timers since the last call."""
        now = self._env.now
        while self._look_s <= now:
            look_s = self._look_s
            self._look_s = max(look_s + _LOOK_S, now - _LOOK_S)
            while self._arrived and self._arrived[0][0] <= look_s:
                self._global.add(self._arrived.popleft()[1])
            if self._tick != self._seen_tick:
                self._seen_tick = self._tick
                self._seen_s = look_s
        if self._flush_s <= now:
            self._flush_s = now + _FLUSH_S
            self._displace()

    def _preempted_s(self) -> float:
        """When the monitor thread preempts what runs now, if it still runs then."""
        if self._tick == self._seen_tick:
            return self._seen_s + _LOOK_S
        return self._look_s + _LOOK_S

    def _displace(self) -> None:
        """Another goroutine was made runnable next, and is over at once."""
        if self._next is not None:
            self._to_local(self._next)
            self._next = None

    def _make_next(self, item: _Item) -> None:
        self._displace()
        self._next = item

    def _to_local(self, item: _Item) -> None:
        local = self._local
        local.add(item)
        if local.size > self._local_size:
            half = self._local_size // 2
            while half > 0:
                moved = local.take(half)
                half -= moved.count if isinstance(moved, _Spinners) else 1
                self._global.add(moved)

    def _find(self) -> _Item | None:
        """`findRunnable`: what runs now."""
        if self._current is not None:
            task, self._current = self._current, None
            return task
        every = self._global_every
        if self._global and self._tick % every == 0:
            self._tick += 1
            return self._global.take()
        if self._next is not None:
            item, self._next = self._next, None
            return item
        if not self._local:
            batch = min(self._global.size, self._local_size // 2)
            while batch > 0:
                moved = self._global.take(batch)
                batch -= moved.count if isinstance(moved, _Spinners) else 1
                self._local.add(moved)
        while not self._local and self._arrived:
            self._local.add(self._arrived.popleft()[1])
        if not self._local:
            return None
        item = self._local.take(every - self._tick % every)
        self._tick += item.count if isinstance(item, _Spinners) else 1
        return item

    def _run_task(self, task: _Task) -> None:
        if task.waiter.done:
            # Its user has left.
            if task.writes and not self._lock_held:
                self._pass_lock(1)
            return
        self._process.compute(task.work_s)
        if task.hands_over:
            self._displace()
        if task.writes:
            if self._lock_held:
                # Someone else took it and was preempted: it waits again.
                self._lines.add(task)
                return
            self._pass_lock(1)
        self._current = task
        task.waiter.wake()
        # The thread goes on, and perhaps has more to do.
        self._env.sleep(0.0)
        if self._current is task:
            self._current = None

    def _run_manager(self) -> None:
        """Empty the channel; everybody who waited for room is runnable."""
        self._in_channel = 0
        self._manager_parked = True
        senders = self._senders
        self._senders = _Queue()
        while senders:
            item = senders.take(max(1, senders.size - 1))
            self._make_next(item)
        last = self._next
        if isinstance(last, _Spinners) and last.count > 1:
            self._to_local(_Spinners(last.count - 1))
            self._next = _Spinners(1)

    def _put(self, samples: int) -> None:
        self._in_channel += samples
        if self._manager_parked:
            self._manager_parked = False
            self._make_next(_MANAGER)

    def _run_spinners(self, spinners: _Spinners) -> None:
        if spinners.holds_lock:
            self._lock_held = False
        gone = min(spinners.count, self._leaving)
        self._leaving -= gone
        count = spinners.count - gone
        if count == 0:
            return
        if self._lock_held:
            self._compute(count)
            self._lines.add(_Spinners(count))
        elif self._in_channel >= self._channel_size:
            self._compute(count)
            self._senders.add(_Spinners(count))
            self._pass_lock(count)
        else:
            if count > 1:
                # Only the first finds room.
                self._tick -= count - 1
                self._put_back(count - 1)
            self._pass_lock(1)
            self._fill()

    def _put_back(self, count: int) -> None:
        first = self._local.items[0] if self._local else None
        self._local.size += count
        if isinstance(first, _Spinners) and not first.holds_lock:
            first.count += count
        else:
            self._local.items.appendleft(_Spinners(count))

    def _pass_lock(self, times: int) -> None:
        """The mutex was released so many times: as many of those who wait have their turn."""
        while times > 0 and self._lines:
            item = self._lines.take(times)
            times -= item.count if isinstance(item, _Spinners) else 1
            self._make_next(item)

    def _compute(self, iterations: float) -> None:
        self.iterations += iterations
        self._process.compute(iterations * self._iteration_s)

    def _fill(self) -> None:
        """One spinning user goes on until the channel is full, or it is preempted."""
        room = self._channel_size - self._in_channel
        wanted = (room + _SAMPLES - 1) // _SAMPLES
        self._put(0)
        left_s = self._preempted_s() - self._env.now
        in_time = max(1.0, left_s / self._iteration_s)
        if wanted <= in_time:
            self._compute(wanted)
            self._in_channel = self._channel_size
            self._senders.add(_Spinners(1))
            return
        self._compute(in_time)
        self._in_channel = min(self._channel_size, self._in_channel + round(in_time * _SAMPLES))
        holds = self._rng.bernoulli(self._lock_share) if self._lock_share else False
        self._lock_held |= holds
        self._global.add(_Spinners(1, holds_lock=holds))
