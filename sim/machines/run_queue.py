"""One core whose threads run one at a time, in the order of Linux's scheduler.

`Cpu` shares a core evenly at every instant. Linux does so only over many time slices: a thread runs
alone until it waits or has used up its slice, and one that is woken waits for a turn. So code that
often waits for an answer spends most of its time waiting for turns, and a thread that holds a lock
when its slice is used up keeps the lock for as long as all other threads take a turn.

The order is EEVDF's, with equal weights (Linux 6.6 and later, kernel/sched/fair.c):

- A thread's virtual run time is what it has run; `avg_vruntime` is the mean over the queue. Who has
  run no more than the mean is eligible, and of these the earliest deadline is next (`pick_eevdf`).
- A deadline is one slice of virtual run time after a thread came or used up its slice
  (`update_deadline`).
- A thread that has slept comes back as far before the mean as it was when it fell asleep
  (`place_entity`). Who falls asleep after the mean stays in the queue, counted in the mean, until
  its turn comes and it leaves the queue; it comes back at the mean. If it is woken before, it keeps
  its place and its deadline, or begins anew at the mean if the mean has passed it (`DELAY_DEQUEUE`
  and `requeue_delayed_entity` of Linux 6.12).
- A thread that is woken runs at once if it is next and the running one is after the mean: only who
  is not after the mean keeps its slice (`check_preempt_wakeup_fair`, `pick_eevdf`: eligible first,
  then `RUN_TO_PARITY`). The interrupted one may have been about to sleep; then it is still in the
  queue when its answer comes, and goes on in its old turn.
- Whether the running thread has used up its slice is looked at when another thread is woken and at
  clock ticks (`update_curr`, from `enqueue_entity` and `entity_tick`).

How often real threads lose a connection to those that are quicker:
`tools/thread_races/BorrowRace.java`, `tests/analytic/test_borrow_race.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from sim.kernel.environment import KernelError
from sim.machines.cpu import Cpu, Process

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Thread

TICK_S: Final = 0.004
"""Clock ticks of Linux with the usual 250 Hz."""
_INFINITY: Final = float("inf")
_ROUNDING_S: Final = 1e-10


class _Entity:
    """One thread of one program, as the scheduler knows it. Times in seconds of running."""

    __slots__ = ("asleep", "deadline_s", "lag_s", "queued", "ran_s", "thread", "work_s")

    def __init__(self) -> None:
        self.ran_s = 0.0
        """Virtual run time."""
        self.lag_s = 0.0
        """How far before the mean it was when it left the queue."""
        self.deadline_s = 0.0
        self.queued = False
        self.asleep = False
        """Asleep and still in the queue, until its turn comes or it is woken."""
        self.work_s = 0.0
        """Work left, in seconds of a core at speed 1."""
        self.thread: Thread | None = None
        """Blocked until the work is done; None: nothing to do at the moment."""


class RunQueue(Cpu):
    """One core and its queue of runnable threads.

    `slice_s` is the scheduler's base slice in seconds.
    """

    def __init__(self, env: Environment, speed: float, slice_s: float) -> None:
        super().__init__(env, 1.0, speed)
        self._slice_s = slice_s
        self._queue: list[_Entity] = []
        self._running: _Entity | None = None
        self._sum_s = 0.0
        """Of the virtual run times in the queue."""
        self._mean_s = 0.0
        self._woken: list[_Entity] = []
        """Threads woken while the running one was between two pieces of work."""

    def process(self, threads: float = _INFINITY) -> Process:
        """A program of any number of threads."""
        if threads != _INFINITY:
            raise KernelError("a run queue has no room for a process with a limit of threads")
        return QueuedProcess(self)

    @property
    def runnable(self) -> float:
        """Threads that compute or would."""
        return float(sum(entity.thread is not None for entity in self._queue))

    def turns_s(self, slice_s: float) -> float:  # noqa: ARG002 - it has the slice already
        """Zero: a thread that is woken asks for its turn by computing."""
        return 0.0

    def set_cores(self, cores: float) -> None:
        """Refuse: there is one core. Raises `KernelError`."""
        raise KernelError(f"a run queue has one core, not {cores:g}")

    def advance(self) -> None:
        """Bring the running thread's work and times up to now."""
        now_s = self.env.now
        elapsed_s = now_s - self._last_s
        if elapsed_s <= 0.0:
            return
        self._last_s = now_s
        running = self._running
        if running is not None and running.thread is not None:
            running.ran_s += elapsed_s
            self._sum_s += elapsed_s
            running.work_s -= elapsed_s * self._speed
            self.busy_core_s += elapsed_s

    def start(self, entity: _Entity, work_s: float, thread: Thread) -> None:
        """Let `thread` have work; it runs on if it is the running one, else it is woken.

        Raises `KernelError` if another thread waits for work of `entity`: it would never be woken.
        """
        if entity.thread is not None:
            raise KernelError("a thread of a program works for one caller at a time")
        self.advance()
        entity.work_s = work_s
        entity.thread = thread
        if not entity.queued:
            self._enqueue(entity)
        elif entity.asleep:
            self._requeue(entity)
        elif self._woken:
            for woken in self._woken:
                self._reconsider(woken)
            self._woken.clear()
        self.stale = True

    def drop(self, entity: _Entity) -> None:
        """Forget the work of a thread that was interrupted."""
        self.advance()
        entity.thread = None
        if entity.queued:
            self._dequeue(entity)
            if self._running is entity:
                self._pick()
        self.stale = True

    def refresh(self) -> None:
        """Work out when the running thread has done its work, or is looked at next."""
        self.stale = False
        self.advance()
        now_s = self.env.now
        running = self._running
        if running is None:
            self.next_s = _INFINITY
        elif running.thread is None:
            # Whatever it does at this instant comes first: perhaps it goes on.
            self.next_s = now_s
        else:
            self.next_s = now_s + max(0.0, running.work_s) / self._speed
            if len(self._queue) > 1:
                self.next_s = min(self.next_s, self._next_look_s(running, now_s))

    def _next_look_s(self, running: _Entity, now_s: float) -> float:
        """The first tick at which the slice is used up."""
        used_up_s = now_s + max(0.0, running.deadline_s - running.ran_s)
        ticks = math.ceil(used_up_s / TICK_S - _ROUNDING_S)
        tick_s = ticks * TICK_S
        return tick_s if tick_s > now_s else tick_s + TICK_S

    def pop(self) -> Thread | None:
        """End the running thread's work, its turn, or its time in the queue."""
        self.advance()
        self.stale = True
        running = self._running
        if running is None:
            return None
        thread = running.thread
        if thread is None:
            for woken in self._woken:
                if self._gives_way(running, woken):
                    # It was to sleep next, and still is when its turn comes.
                    self._running = woken
                    self._woken.clear()
                    return None
            if running.ran_s > self._mean() + _ROUNDING_S and not running.asleep:
                running.asleep = True
            else:
                self._dequeue(running)
            self._pick()
            return None
        if running.work_s <= _ROUNDING_S:
            running.thread = None
            return thread
        self._reconsider()
        return None

    def _mean(self) -> float:
        if self._queue:
            self._mean_s = self._sum_s / len(self._queue)
        return self._mean_s

    def _enqueue(self, entity: _Entity) -> None:
        mean_s = self._mean()
        entity.ran_s = mean_s - entity.lag_s
        entity.deadline_s = entity.ran_s + self._slice_s
        entity.queued = True
        self._queue.append(entity)
        self._sum_s += entity.ran_s
        self._wake(entity)

    def _requeue(self, entity: _Entity) -> None:
        """Wake a thread that is still in the queue; if the mean has passed it, it comes anew."""
        entity.asleep = False
        if entity.ran_s < self._mean():
            entity.asleep = True
            self._dequeue(entity)
            self._enqueue(entity)
        else:
            self._wake(entity)

    def _wake(self, entity: _Entity) -> None:
        if self._running is None:
            self._running = entity
        elif self._running.thread is None:
            self._woken.append(entity)
        else:
            self._reconsider(entity)

    def _dequeue(self, entity: _Entity) -> None:
        lag_s = self._mean() - entity.ran_s
        most_s = max(2.0 * self._slice_s, TICK_S)
        # Who was after the mean as it fell asleep gains nothing by having slept.
        entity.lag_s = 0.0 if entity.asleep else max(-most_s, min(most_s, lag_s))
        entity.asleep = False
        self._queue.remove(entity)
        self._sum_s -= entity.ran_s
        entity.queued = False
        if not self._queue:
            self._sum_s = 0.0

    def _reconsider(self, woken: _Entity | None = None) -> None:
        """Let another thread run if the running one has used up its slice.

        A thread that was just `woken`, and is next, runs also if the running one is after the mean.
        """
        running = self._running
        if running is None:
            return
        if running.ran_s >= running.deadline_s - _ROUNDING_S:
            running.deadline_s = running.ran_s + self._slice_s
            self._pick()
        elif woken is not None and self._gives_way(running, woken):
            self._running = woken

    def _gives_way(self, running: _Entity, woken: _Entity) -> bool:
        return running.ran_s > self._mean() + _ROUNDING_S and self._next() is woken

    def _pick(self) -> None:
        self._running = self._next()
        self._woken.clear()

    def _next(self) -> _Entity | None:
        """Of those that have run no more than the mean, the earliest deadline."""
        limit_s = self._mean() + 1e-9
        best: _Entity | None = None
        least: _Entity | None = None
        for entity in self._queue:
            if least is None or entity.ran_s < least.ran_s:
                least = entity
            if entity.ran_s <= limit_s and (best is None or entity.deadline_s < best.deadline_s):
                best = entity
        return least if best is None else best


class QueuedProcess(Process):
    """A program on a `RunQueue`; each thread that computes in it is one of its threads."""

    __slots__ = ("_entities", "_run_queue")

    def __init__(self, queue: RunQueue) -> None:
        super().__init__(queue, queue._open)  # noqa: SLF001 - a part of the queue
        self._run_queue = queue
        self._entities: dict[Thread | int, _Entity] = {}

    def compute(self, work_s: float, worker: int | None = None) -> None:
        """Block the current thread until `work_s` of work are done in turns of this program.

        The turns are those of `worker`, a thread that works for one caller at a time; None: of a
        thread of the caller's own.
        """
        if work_s <= 0.0:
            return
        self.used_s += work_s
        queue = self._run_queue
        env = queue.env
        thread = env.current
        if thread is None:
            raise KernelError("only a thread can compute; a callback must not block")
        key: Thread | int = thread if worker is None else worker
        entity = self._entities.get(key)
        if entity is None:
            entity = self._entities[key] = _Entity()
        queue.start(entity, work_s, thread)
        try:
            env._drive(thread)  # noqa: SLF001 - whoever blocks drives the loop
        except BaseException:
            queue.drop(entity)
            raise

    def set_background(self, weight: float) -> None:
        """Refuse endless jobs. Raises `KernelError`."""
        if weight:
            raise KernelError("a run queue has no endless jobs")

    @property
    def background_s(self) -> float:
        """Work done for endless jobs: none."""
        return 0.0


__all__ = ["TICK_S", "QueuedProcess", "RunQueue"]
