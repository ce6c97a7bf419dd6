"""Threads that take jobs from one first-in-first-out queue."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from sim.kernel import Environment, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

Job = TypeVar("Job")


class WorkerPool(Generic[Job]):
    """At most `size` threads, started when first needed, and an unbounded queue before them."""

    def __init__(self, env: Environment, name: str, size: int, work: Callable[[Job], None]) -> None:
        self._env = env
        self._name = name
        self.size = size
        self._work = work
        self._queue: deque[Job] = deque()
        self._idle: list[Waiter] = []
        self.started = 0
        self.busy = 0

    @property
    def queued(self) -> int:
        """Jobs that no thread has begun."""
        return len(self._queue)

    def submit(self, job: Job) -> None:
        """Queue a job; an idle thread begins it at once. Does not block."""
        if self._idle:
            self.busy += 1
            self._idle.pop().wake(job)
        elif self.started < self.size:
            self.started += 1
            self.busy += 1
            self._env.spawn(f"{self._name}-{self.started}", lambda: self._serve(job))
        else:
            self._queue.append(job)

    def clear(self) -> list[Job]:
        """Take every job back that no thread has begun."""
        jobs = list(self._queue)
        self._queue.clear()
        return jobs

    def _serve(self, job: Job) -> None:
        env = self._env
        while True:
            self._work(job)
            if self._queue:
                job = self._queue.popleft()
            else:
                self.busy -= 1
                waiter = env.waiter()
                self._idle.append(waiter)
                job = waiter.wait()
