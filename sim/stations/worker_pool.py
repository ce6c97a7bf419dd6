"""Threads that take jobs from one first-in-first-out queue."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from sim.kernel.environment import Environment, Thread, Waiter

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
        self._jobs: dict[Thread, Job | None] = {}
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
            waiter = self._idle.pop()
            self._jobs[waiter.thread] = job
            waiter.wake(job)
        elif self.started < self.size:
            self.started += 1
            self.busy += 1
            thread = self._env.spawn(f"{self._name}-{self.started}", lambda: self._serve(job))
            self._jobs[thread] = job
        else:
            self._queue.append(job)

    def kill(self) -> list[Job]:
        """End every thread where it is; return the jobs begun and queued, which are lost."""
        jobs = [job for job in self._jobs.values() if job is not None]
        jobs += self._queue
        self._queue.clear()
        self._idle.clear()
        for thread in self.threads:
            thread.kill()
        return jobs

    @property
    def threads(self) -> list[Thread]:
        """The threads started so far."""
        return list(self._jobs)

    def _serve(self, job: Job) -> None:
        env = self._env
        thread = env.current
        assert thread is not None  # noqa: S101 - this is the thread's own function
        while True:
            self._work(job)
            if self._queue:
                job = self._queue.popleft()
                self._jobs[thread] = job
            else:
                self.busy -= 1
                self._jobs[thread] = None
                waiter = env.waiter()
                self._idle.append(waiter)
                job = waiter.wait()
