"""One run as a task, and the worker process. It imports little, so that it starts quickly."""

from __future__ import annotations

import dataclasses
import multiprocessing
import multiprocessing.util
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.runs.huge_pages import HugePages
from experiments.runs.limits import HopelessWatch, Limits
from experiments.runs.memory import MemoryWatch
from experiments.runs.workers.watchdog import StuckCodeWatchdog
from sim.kernel.environment import Environment
from sim.measure.watched import NOTHING, Watched
from sim.progress import OnProgress, Progress
from sim.result import INTERRUPTED, RunResult
from sim.run import simulate
from sim.world import World


def whole(run: RunResult) -> RunResult:
    """All of a result."""
    return run


@dataclasses.dataclass(frozen=True)
class Task:
    """One run to make; it is sent to another process.

    `replication` is its number among the tasks that are run together. `samples` is the file to keep
    every request in, None for nowhere. `watched` is what thresholds want of the run. `limits` end
    a hopeless run early. `keeps` says how much of the result is sent back.
    """

    replication: int
    world: World
    seed: int
    scale: float
    samples: Path | None = None
    watched: Watched = NOTHING
    limits: Limits | None = None
    keeps: Callable[[RunResult], RunResult] = whole

    def simulate(self, hear: OnProgress, stopped: Callable[[], bool]) -> RunResult:
        """Run it here; `hear` is told how far it is and says whether to stop.

        Args:
            hear: asked in the thread of the run.
            stopped: asked from another thread, whether the user wants to stop.
        """
        memory, pages = MemoryWatch(), HugePages()

        def heard(progress: Progress) -> bool:
            pages.look()
            return bool(hear(progress)) or memory.is_short(progress.now_s)

        run = self._watched_for_stuck_code(heard, stopped)
        if memory.note:
            run = dataclasses.replace(run, notes=[*run.notes, memory.note])
        return self.keeps(run)

    def _watched_for_stuck_code(self, hear: OnProgress, stopped: Callable[[], bool]) -> RunResult:
        if self.world.app.path:
            # An application has a watchdog of its own.
            return self.perform(hear, lambda _kernel: None)
        watchdog = StuckCodeWatchdog(stopped)
        with watchdog.watching():
            run = self.perform(hear, watchdog.follow)
        if watchdog.ended_on_request:
            notes = [*run.notes, run.failure]
            run = dataclasses.replace(run, ended=INTERRUPTED, failure="", notes=notes)
        return run

    def perform(self, hear: OnProgress, on_kernel: Callable[[Environment], None]) -> RunResult:
        """Run it, as `simulate` does; `on_kernel` is given the kernel of the run."""
        if self.limits is not None:
            return self._perform_within(self.limits, hear, on_kernel)
        if self.samples is None:
            return simulate(
                self.world,
                self.seed,
                scale=self.scale,
                progress=hear,
                watched=self.watched,
                on_kernel=on_kernel,
            )
        from experiments.runs.storage.samples import SampleWriter

        with SampleWriter(self.samples) as writer:
            return simulate(
                self.world,
                self.seed,
                scale=self.scale,
                progress=hear,
                sampler=writer.add,
                watched=self.watched,
                on_kernel=on_kernel,
            )

    def _perform_within(
        self, limits: Limits, hear: OnProgress, on_kernel: Callable[[Environment], None]
    ) -> RunResult:
        watch = HopelessWatch(limits)

        def heard(progress: Progress) -> bool:
            return bool(hear(progress)) or watch.is_hopeless(progress)

        run = simulate(
            self.world,
            self.seed,
            scale=self.scale,
            progress=heard,
            listener=watch.hear_request,
            on_kernel=on_kernel,
        )
        return dataclasses.replace(run, ended=watch.rejection or run.ended)


class Worker:
    """What a worker process keeps between tasks: where it reports to and what stops it."""

    reports: Any = None
    stop: Any = None

    @classmethod
    def begin(cls, reports: Any, stop: Any) -> None:
        """Take over the channels, and end with the process that began us, however it ends."""
        cls.reports, cls.stop = reports, stop
        threading.Thread(target=cls._follow_parent, daemon=True).start()
        # The last thing of all, when every report is on its way.
        multiprocessing.util.Finalize(None, cls._leave, exitpriority=-1_000)

    @staticmethod
    def _leave() -> None:
        """End without tidying up memory, object by object: that takes longer than to start."""
        if sys.exc_info()[0] is not None:
            # What went wrong is still to be printed.
            return
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    @staticmethod
    def _follow_parent() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    @classmethod
    def run(cls, task: Task) -> RunResult | None:
        """Run a task unless the user has already asked to stop."""
        if cls.stop.is_set():
            return None

        def hear(progress: Progress) -> bool:
            cls.reports.put((task.replication, progress))
            return bool(cls.stop.is_set())

        return task.simulate(hear, cls.stop.is_set)
