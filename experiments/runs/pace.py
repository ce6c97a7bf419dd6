"""How long runs take: one line after the first finished run, and others at long intervals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from experiments.runs.display import Report
from sim.run import Progress

WORTH_TELLING_S: Final = 10.0
"""Runs that end within so much wall time need no line."""
EVERY_S: Final = 30.0
"""Wall time between two lines."""
LONG_S: Final = 300.0
"""Wall time without a line after which one says how far the runs under way are."""
_MINUTE_S: Final = 60.0
_ADVICE: Final = (
    "a run under way is lost with Ctrl-C, and finished with --budget; a smaller --scale or a "
    "shorter load makes it end sooner"
)


class Pace:
    """The pace of some runs that are made together.

    Args:
        runs: how many there are.
        processes: how many of them are made at a time; 0 where a cluster makes them.
        tell: takes a line.
        clock: wall time in seconds.
    """

    def __init__(
        self,
        runs: int,
        processes: int,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._processes = processes
        self._tell = tell
        self._clock = clock
        self._began_s = self._told_s = clock()
        self._done = 0
        self._under_way: dict[int, Progress] = {}

    def heard(self, number: int, progress: Progress) -> None:
        """Take how far a run is."""
        self._under_way[number] = progress
        now_s = self._clock()
        if now_s - self._told_s >= LONG_S:
            self._told_s = now_s
            self._tell(f"the run that is furthest is {self._place()}")

    def beside(self, report: Report) -> Report:
        """Take how far each run is, and pass it on to `report`."""

        def listen(number: int, progress: Progress) -> None:
            self.heard(number, progress)
            report(number, progress)

        return listen

    def finished(self, number: int) -> None:
        """Count a finished run, and tell the pace if that is worth a line."""
        self._under_way.pop(number, None)
        self._done += 1
        left = self._runs - self._done
        now_s = self._clock()
        taken_s = now_s - self._began_s
        if left <= 0:
            return
        if self._done == 1:
            self._told_s = now_s
            self._tell_first(taken_s)
        elif now_s - self._told_s >= EVERY_S:
            self._told_s = now_s
            remaining = _in_words(taken_s / self._done * left)
            self._tell(f"{self._done} of {self._runs} runs are done; about {remaining} more")

    def _tell_first(self, taken_s: float) -> None:
        if not self._processes:
            self._tell(f"1 run took {taken_s:.0f} s, of {self._runs} runs on the cluster")
            return
        total_s = taken_s * math.ceil(self._runs / self._processes)
        if total_s < WORTH_TELLING_S:
            return
        where = f"{self._processes} process{'es' if self._processes > 1 else ''}"
        self._tell(
            f"1 run took {taken_s:.3g} s; about {_in_words(total_s)} for all {self._runs} runs on "
            f"{where}"
        )

    @property
    def so_far(self) -> str:
        """How far the run under way was that had come furthest; empty where none is known."""
        return f"the run under way was {self._place()}" if self._under_way else ""

    def _place(self) -> str:
        furthest = max(self._under_way.values(), key=lambda progress: progress.now_s)
        return (
            f"at {furthest.now_s:,.0f} of {furthest.end_s:,.0f} simulated seconds after "
            f"{_in_words(self._clock() - self._began_s)}"
        )


def nothing_measured(so_far: str) -> str:
    """What to say where no run was finished: how far it came, and what to do."""
    return "; ".join(
        part
        for part in (
            "ended before anything was measured",
            so_far,
            _ADVICE,
        )
        if part
    )


def _in_words(seconds: float) -> str:
    """Wall time: seconds below two minutes, minutes above."""
    if seconds < 2 * _MINUTE_S:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / _MINUTE_S)} min"
