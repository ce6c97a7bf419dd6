"""Periodic and one-off jobs on one thread.

Jobs run one after another, in the order of their due times, so a long job makes the others late. A
periodic job starts `interval_s` after its last run ended (fixed delay).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from model.clock import Clock
from model.errors import NotFoundError
from model.ports import ExceptionLog, Runtime

LOGGER: Final = "TaskUtils"


class JobRun(NamedTuple):
    """One run of a job. Times in epoch seconds."""

    name: str
    planned_s: float
    started_s: float
    ended_s: float
    error: str | None
    """Class name of the error that the run failed with; None if the run succeeded."""


class _Job(NamedTuple):
    name: str
    work: Callable[[], None]
    interval_s: float | None
    retry_s: float | None


class Scheduler:
    """One thread's jobs.

    Args:
        clock: tells the time that due times are compared with.
        runtime: makes the event that the thread sleeps on.
        log: gets the error of every job that raises, under "TaskUtils".
        listener: called for every run, if given.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        runtime: Runtime,
        log: ExceptionLog,
        listener: Callable[[JobRun], None] | None = None,
    ) -> None:
        self._clock = clock
        self._log = log
        self._listener = listener
        self._woken = runtime.event()
        self._stopped = False
        # Other threads only append to this list; only the scheduler's own thread uses the heap.
        self._incoming: deque[tuple[float, _Job]] = deque()
        self._heap: list[tuple[float, int, _Job]] = []
        self._count = 0

    def every(
        self,
        name: str,
        interval_s: float,
        work: Callable[[], None],
        *,
        retry_s: float | None = None,
    ) -> None:
        """Run `work` now and again `interval_s` after each end, or `retry_s` after a failure."""
        self._submit(self._clock.now(), _Job(name, work, interval_s, retry_s or interval_s))

    def at(
        self, time_s: float, name: str, work: Callable[[], None], *, retry_s: float | None
    ) -> None:
        """Run `work` once at `time_s`, and if given again `retry_s` after each failure."""
        self._submit(time_s, _Job(name, work, None, retry_s))

    def stop(self) -> None:
        """Let the loop end after the job that is running."""
        self._stopped = True
        self._woken.set()

    def run(self) -> None:
        """Run jobs when they are due, until stopped."""
        while True:
            # The event is cleared before the lists are read, so a job added later ends the wait.
            self._woken.clear()
            if self._stopped:
                return
            self._collect()
            pause_s = self._run_due()
            if pause_s != 0.0:
                self._woken.wait(pause_s)

    def _submit(self, due_s: float, job: _Job) -> None:
        self._incoming.append((due_s, job))
        self._woken.set()

    def _collect(self) -> None:
        while self._incoming:
            due_s, job = self._incoming.popleft()
            self._push(due_s, job)

    def _push(self, due_s: float, job: _Job) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due_s, self._count, job))

    def _run_due(self) -> float | None:
        """Run one job if a job is due; return how long to wait for the next job; None: for ever."""
        if not self._heap:
            return None
        due_s, _, job = self._heap[0]
        early_s = due_s - self._clock.now()
        if early_s > 0:
            return early_s
        heapq.heappop(self._heap)
        self._run_job(due_s, job)
        return 0.0

    def _run_job(self, planned_s: float, job: _Job) -> None:
        started_s = self._clock.now()
        error = self._attempt(job)
        ended_s = self._clock.now()
        next_s = _pause_after(job, error)
        if next_s is not None:
            self._push(ended_s + next_s, job)
        if self._listener is not None:
            name = None if error is None else type(error).__name__
            self._listener(JobRun(job.name, planned_s, started_s, ended_s, name))

    def _attempt(self, job: _Job) -> Exception | None:
        try:
            job.work()
        except Exception as error:  # noqa: BLE001 - one failed job must not end the others
            self._log.exception(LOGGER, error)
            return error
        return None


def _pause_after(job: _Job, error: Exception | None) -> float | None:
    # A row that was not found will not be found the next time either.
    if error is None or isinstance(error, NotFoundError):
        return job.interval_s
    return job.retry_s
