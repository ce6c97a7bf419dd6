"""Independent replications, here or over a pool of processes, with the same result either way.

Ctrl-C asks every running replication to stop where it is; what it has measured is kept, marked as
interrupted. A second Ctrl-C ends the program at once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any

from experiments.cluster import Cluster
from sim.result import RunResult
from sim.run import Progress, simulate
from sim.world import World

_PATIENCE_S = 0.2
Report = Callable[[int, Progress], None]
"""Called with the number of a replication and how far it is."""
Workers = int | str | None
"""Processes to use, or the address of a Dask cluster; None: as many as there are cores and tasks.
"""
Finished = Callable[[int, RunResult], bool]
"""Called with the number of a replication and its result; true when no further one may begin."""


def seed_of(seed: int, replication: int) -> int:
    """The seed of a replication (0 upwards); the first one has the config's own seed."""
    if replication == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/{replication}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


@dataclasses.dataclass(frozen=True)
class Task:
    """One replication to run."""

    replication: int
    world: World
    seed: int
    scale: float

    def simulate(self, hear: Callable[[Progress], bool]) -> RunResult:
        """Run it here; `hear` is told how far it is and says whether to stop."""
        return simulate(self.world, self.seed, scale=self.scale, progress=hear)


class _Local:
    """Runs tasks one after another in this process."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._stop = False

    def stop(self) -> None:
        self._stop = True

    @property
    def stopped(self) -> bool:
        return self._stop

    def run(self, tasks: Sequence[Task], finished: Finished) -> None:
        for task in tasks:
            if self._stop or finished(task.replication, task.simulate(self._heard(task))):
                break

    def _heard(self, task: Task) -> Callable[[Progress], bool]:
        def hear(progress: Progress) -> bool:
            self._report(task.replication, progress)
            return self._stop

        return hear


class _Worker:
    """What a worker process keeps between tasks: where it reports to and what stops it."""

    reports: Any = None
    stop: Any = None

    @classmethod
    def begin(cls, reports: Any, stop: Any) -> None:
        """Take over the channels."""
        cls.reports, cls.stop = reports, stop

    @classmethod
    def run(cls, task: Task) -> RunResult | None:
        """Run a task unless the user has already asked to stop."""
        if cls.stop.is_set():
            return None

        def hear(progress: Progress) -> bool:
            cls.reports.put((task.replication, progress))
            return bool(cls.stop.is_set())

        return task.simulate(hear)


class _Pool:
    """Runs tasks in worker processes, each started afresh."""

    def __init__(self, workers: int, report: Report) -> None:
        self._workers = workers
        self._report = report
        context = multiprocessing.get_context("spawn")
        self._context = context
        self._reports = context.Queue()
        self._stop = context.Event()

    def stop(self) -> None:
        self._stop.set()

    @property
    def stopped(self) -> bool:
        return bool(self._stop.is_set())

    def run(self, tasks: Sequence[Task], finished: Finished) -> None:
        done = threading.Event()
        listener = threading.Thread(target=self._listen, args=(done,), daemon=True)
        listener.start()
        try:
            with ProcessPoolExecutor(
                self._workers, self._context, _Worker.begin, (self._reports, self._stop)
            ) as pool:
                with _interrupts_blocked():
                    futures = {pool.submit(_Worker.run, task): task.replication for task in tasks}
                self._gather(futures, finished)
        finally:
            done.set()
            # A worker that was killed in the middle of a report must not hold us up.
            listener.join(timeout=2 * _PATIENCE_S)

    @staticmethod
    def _gather(futures: Mapping[Future[RunResult | None], int], finished: Finished) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=_PATIENCE_S, return_when=FIRST_COMPLETED)
            for future in done:
                result = None if future.cancelled() else future.result()
                if result is not None and finished(futures[future], result):
                    for waiting in pending:
                        waiting.cancel()

    def _listen(self, done: threading.Event) -> None:
        while not done.is_set():
            try:
                message = self._reports.get(timeout=_PATIENCE_S)
            except queue.Empty:
                continue
            self._report(*message)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes that Ctrl-C never reaches, not even while they are starting.

    The mask is inherited; an interrupt that comes meanwhile is delivered to us afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _stopping_on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C into a call of `stop`; the second has its usual effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        stop()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_replications(
    tasks: Sequence[Task], workers: Workers, report: Report
) -> dict[int, RunResult]:
    """Run tasks and return replication -> result, in order of replication.

    Args:
        tasks: what to run.
        workers: where to run them.
        report: hears how far each replication is.

    A replication that the user's Ctrl-C kept from starting is absent; one that it stopped is
    marked as interrupted.
    """
    results: dict[int, RunResult] = {}

    def keep(replication: int, result: RunResult) -> bool:
        results[replication] = result
        return False

    stream_replications(tasks, workers, report, keep)
    return dict(sorted(results.items()))


def stream_replications(
    tasks: Sequence[Task], workers: Workers, report: Report, finished: Finished
) -> bool:
    """Run tasks and hand over each result as soon as it is there, in any order.

    Args:
        tasks: what to run; their numbers tell them apart.
        workers: where to run them.
        report: hears how far each one is.
        finished: takes the results; says whether to begin no further one. Those under way then
            still end and are handed over.

    After Ctrl-C nothing further begins and what is under way is handed over as interrupted.

    Returns:
        whether there was a Ctrl-C.
    """
    runner = _runner(len(tasks), workers, report)
    with _stopping_on_interrupt(runner.stop):
        runner.run(tasks, finished)
    return runner.stopped


def _runner(tasks: int, workers: Workers, report: Report) -> _Local | _Pool | Cluster:
    if isinstance(workers, str):
        return Cluster(workers)
    count = min(workers or os.cpu_count() or 1, tasks)
    return _Pool(count, report) if count > 1 else _Local(report)
