"""One replication, and the process that runs some. It begins sooner for how little it imports."""

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

from sim.measure.watched import NOTHING, Watched
from sim.result import RunResult
from sim.run import Progress, simulate
from sim.world import World


@dataclasses.dataclass(frozen=True)
class Task:
    """One replication to run."""

    replication: int
    world: World
    seed: int
    scale: float
    samples: Path | None = None
    """The file to keep every request in; None keeps them nowhere."""
    watched: Watched = NOTHING

    def simulate(self, hear: Callable[[Progress], bool]) -> RunResult:
        """Run it here; `hear` is told how far it is and says whether to stop."""
        if self.samples is None:
            return simulate(
                self.world, self.seed, scale=self.scale, progress=hear, watched=self.watched
            )
        from experiments.runs.samples import SampleWriter

        with SampleWriter(self.samples) as writer:
            return simulate(
                self.world,
                self.seed,
                scale=self.scale,
                progress=hear,
                sampler=writer.add,
                watched=self.watched,
            )


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

        return task.simulate(hear)
