"""Ends a run whose simulated time stands still while real time goes on, or that floods memory."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sim.app.aio.loop import spinning
from sim.app.errors import MemoryFloodError, StuckError, place
from sim.app.seams.runtime import RUNTIME

if TYPE_CHECKING:
    from types import FrameType

    from sim.kernel.environment import Environment
    from sim.world.application import Application

_LOOK_S: Final = 0.5
_STATM: Final = Path("/proc/self/statm")
_SCHEDSTAT: Final = Path("/proc/self/schedstat")
_NS: Final = 1e-9
_MB: Final = 1e6


class Spent(NamedTuple):
    """Seconds of this program: real, computing, and ready to compute while others did."""

    real_s: float
    computing_s: float
    queued_s: float

    def since(self, before: Spent) -> Spent:
        """What was spent since another moment.

        The watchdog looks twice a second. Where it could not look for longer, the whole program
        was held up (Ctrl-Z, a machine that sleeps): such a gap counts as two looks.
        """
        computing_s = self.computing_s - before.computing_s
        queued_s = self.queued_s - before.queued_s
        waiting_s = self.real_s - before.real_s - computing_s - queued_s
        real_s = computing_s + queued_s + min(waiting_s, 2.0 * _LOOK_S)
        return Spent(real_s, computing_s, queued_s)

    def plus(self, more: Spent) -> Spent:
        """Both together."""
        return Spent(
            self.real_s + more.real_s,
            self.computing_s + more.computing_s,
            self.queued_s + more.queued_s,
        )

    @property
    def longest_s(self) -> float:
        """Seconds that code computed, or waited without being ready, whichever is more.

        Time in which other programs had the processor is neither where Linux tells it: there a
        busy machine ends no run.
        """
        return max(self.computing_s, self.real_s - self.computing_s - self.queued_s)


_NOTHING: Final = Spent(0.0, 0.0, 0.0)


def spent() -> Spent:
    """What the program's main thread has spent so far; Linux tells the time in the queue."""
    try:
        queued_s = int(_SCHEDSTAT.read_text().split()[1]) * _NS
    except (OSError, ValueError, IndexError):
        queued_s = 0.0
    computing_s = time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)
    return Spent(time.clock_gettime(time.CLOCK_MONOTONIC), computing_s, queued_s)


class ApplicationWatchdog:
    """Checks twice per second of real time; it uses a signal, to see which code is running.

    Signals exist only in a program's main thread; a run in another thread is not watched.
    """

    def __init__(self, env: Environment, settings: Application) -> None:
        self._env = env
        self._settings = settings
        self._last: Any = None
        self._looked = Spent(0.0, 0.0, 0.0)
        self._still = _NOTHING
        self._before: Any = None
        self._at_first_mb = _resident_mb()

    def __enter__(self) -> None:
        if threading.main_thread().ident == RUNTIME.os_thread:
            self._looked = spent()
            self._before = signal.signal(signal.SIGALRM, self._look)
            signal.setitimer(signal.ITIMER_REAL, _LOOK_S, _LOOK_S)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._before)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        settings = self._settings
        held_mb = _resident_mb() - self._at_first_mb
        if held_mb > settings.memory_limit_mb:
            raise self._noted(
                MemoryFloodError(
                    f"{place(frame, RUNTIME.roots)}: the application holds {held_mb:,.0f} MB more "
                    f"than at the start of the run (app.memory_limit_mb: "
                    f"{settings.memory_limit_mb:g}); see what it keeps between requests"
                )
            )
        now = spent()
        since_look, self._looked = now.since(self._looked), now
        progress = (self._env.now, self._env.events)
        if progress != self._last:
            self._last, self._still = progress, _NOTHING
            return
        self._still = self._still.plus(since_look)
        if self._still.longest_s > settings.patience_s:
            task = None if self._env.current is None else self._env.current.local
            label = getattr(task, "label", "the start of the application")
            inner = "" if frame is None else f" (in {frame.f_code.co_filename}:{frame.f_lineno})"
            at = place(frame, RUNTIME.roots)
            if not at.startswith(RUNTIME.roots):
                at = spinning(RUNTIME.roots) or at
            raise self._noted(
                StuckError(
                    f"{at}{inner}: {label}: simulated time has "
                    f"stood still for {settings.patience_s:g} s of real time (app.patience_s). "
                    "Either the code computes or loops without a wait, or it waits for a lock of "
                    "the operating system that another simulated thread holds: make locks when "
                    "the application is imported, and release them before a call that waits"
                )
            )

    @staticmethod
    def _noted(error: Any) -> Any:
        RUNTIME.refuse(error)
        return error


def _resident_mb() -> float:
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / _MB
