"""Runs tasks in this process, in a pool of processes or on a cluster, with the same results.

Ctrl-C or SIGTERM asks every running replication to stop where it is; what it has measured is kept,
marked as interrupted. A second one ends the program at once. A worker process that is killed is
replaced, and what it was running runs again, with the same result.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from types import FrameType
from typing import Any

from experiments.errors import TicketsimError
from experiments.runs.display import Report
from experiments.runs.options import Workers
from experiments.runs.workers.cluster import Cluster
from experiments.runs.workers.worker import Task, Worker
from sim.result import RunResult
from sim.run import Progress

_PATIENCE_S = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MOST_DEATHS = 3
"""Pools that may break one after the other without any run coming to its end."""
Finished = Callable[[int, RunResult], bool]
"""Called with the number of a replication and its result; true when no further one may begin."""
Needless = Callable[[int], bool]
"""Called with the number of a replication that has not begun: whether it may be left out by now."""


def seed_of(seed: int, replication: int) -> int:
    """The seed of a replication (0 upwards); the first one has the config's own seed."""
    if replication == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/{replication}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def _always_needed(_number: int) -> bool:
    return False


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

    def run(self, tasks: Sequence[Task], finished: Finished, needless: Needless) -> None:
        for task in tasks:
            if needless(task.replication):
                continue
            if self._stop or finished(task.replication, self._simulated(task)):
                break

    def _simulated(self, task: Task) -> RunResult:
        return task.simulate(self._heard(task), lambda: self._stop)

    def _heard(self, task: Task) -> Callable[[Progress], bool]:
        def hear(progress: Progress) -> bool:
            self._report(task.replication, progress)
            return self._stop

        return hear


class LostWorkersError(TicketsimError):
    """Worker processes are killed again and again, so that no run comes to its end."""


class _Channels:
    """From and to the workers of one pool; a worker that was killed may leave them locked."""

    def __init__(self, context: SpawnContext) -> None:
        self.reports: Any = context.Queue()
        self.stop = context.Event()


class _Pool:
    """Runs tasks in worker processes, each started afresh."""

    def __init__(self, workers: int, report: Report) -> None:
        self._workers = workers
        self._report = report
        self._context = multiprocessing.get_context("spawn")
        self._channels = _Channels(self._context)
        self._stopped = False
        self._enough = False

    def stop(self) -> None:
        self._stopped = True
        self._channels.stop.set()

    @property
    def stopped(self) -> bool:
        return self._stopped

    def run(self, tasks: Sequence[Task], finished: Finished, needless: Needless) -> None:
        left = {task.replication: task for task in tasks}
        deaths = 0
        while left and not self._stopped and not self._enough:
            before = len(left)
            try:
                self._run_pool(left, finished, needless)
            except BrokenProcessPool:
                deaths = deaths + 1 if len(left) == before else 1
                if deaths == _MOST_DEATHS:
                    raise LostWorkersError(
                        f"worker processes were killed {deaths} times, and no run ended between; "
                        "allowed: fewer --workers, if memory is short"
                    ) from None
                self._channels = _Channels(self._context)
            else:
                return

    def _run_pool(self, left: dict[int, Task], finished: Finished, needless: Needless) -> None:
        """Run what is left in one pool, and take out what has ended."""
        done = threading.Event()
        channels = self._channels
        others = set(multiprocessing.active_children())
        listener = threading.Thread(target=self._listen, args=(channels, done), daemon=True)
        listener.start()
        try:
            with ProcessPoolExecutor(
                min(self._workers, len(left)),
                self._context,
                Worker.begin,
                (channels.reports, channels.stop),
            ) as pool:
                try:
                    with _interrupts_blocked():
                        futures = {
                            pool.submit(Worker.run, task): number for number, task in left.items()
                        }
                    self._gather(futures, left, finished, needless)
                except BrokenProcessPool:
                    # The pool sends its other workers SIGTERM, which they do not hear, and waits.
                    for child in set(multiprocessing.active_children()) - others:
                        child.kill()
                    raise
                except BaseException:
                    # Nobody waits for what is still under way, and the pool closes only after it.
                    channels.stop.set()
                    raise
        finally:
            done.set()
            # A worker that was killed in the middle of a report must not hold us up.
            listener.join(timeout=2 * _PATIENCE_S)

    def _gather(
        self,
        futures: Mapping[Future[RunResult | None], int],
        left: dict[int, Task],
        finished: Finished,
        needless: Needless,
    ) -> None:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=_PATIENCE_S, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=_is_broken):
                result = None if future.cancelled() else future.result()
                del left[futures[future]]
                if result is not None and finished(futures[future], result):
                    self._enough = True
            for waiting in pending if done else ():
                if self._enough or needless(futures[waiting]):
                    # Does nothing to what has begun.
                    waiting.cancel()

    def _listen(self, channels: _Channels, done: threading.Event) -> None:
        while not done.is_set():
            try:
                message = channels.reports.get(timeout=_PATIENCE_S)
            except queue.Empty:
                continue
            self._report(*message)


def _is_broken(future: Future[Any]) -> bool:
    """Whether its worker was killed; what has come to its end is handed over before."""
    return not future.cancelled() and future.exception() is not None


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes that Ctrl-C never reaches, not even while they are starting.

    The mask is inherited; an interrupt that comes meanwhile is delivered to us afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _stopping_on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into a call of `stop`; the second has its usual effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def usual() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        stop()
        usual()

    for number in _SIGNALS:
        signal.signal(number, interrupted)
    try:
        yield
    finally:
        usual()


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
    tasks: Sequence[Task],
    workers: Workers,
    report: Report,
    finished: Finished,
    needless: Needless = _always_needed,
) -> bool:
    """Run tasks and hand over each result as soon as it is there, in any order.

    Args:
        tasks: what to run; their numbers tell them apart.
        workers: where to run them.
        report: hears how far each one is.
        finished: takes the results; says whether to begin no further one. Those under way then
            still end and are handed over.
        needless: says which ones need not begin any more; a cluster makes them all the same.

    After Ctrl-C nothing further begins and what is under way is handed over as interrupted.

    Returns:
        whether there was a Ctrl-C.
    """
    runner = _runner(len(tasks), workers, report)
    with _stopping_on_interrupt(runner.stop):
        runner.run(tasks, finished, needless)
    return runner.stopped


def processes_here(workers: Workers, tasks: int) -> int:
    """How many processes of this machine run so many tasks; none for those of a cluster."""
    return 0 if isinstance(workers, str) else min(workers or os.cpu_count() or 1, tasks)


def _runner(tasks: int, workers: Workers, report: Report) -> _Local | _Pool | Cluster:
    if isinstance(workers, str):
        return Cluster(workers)
    count = processes_here(workers, tasks)
    return _Pool(count, report) if count > 1 else _Local(report)
