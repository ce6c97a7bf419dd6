"""Ends a step of a user's process that does not come to its next yield."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_STEP_S: Final = 10.0
"""Wall time from one yield to the next; a step that only looks and decides takes microseconds."""


class StepTooLongError(BaseException):
    """The step took too long. No `Exception`: an `except Exception` in it must not catch this."""


class StepWatch:
    """An alarm in wall time around each step.

    It uses SIGALRM, so it works in a program's main thread only, and not where something else
    uses that signal already; elsewhere steps are not watched.
    """

    def __init__(self) -> None:
        self._longest_s = LONGEST_STEP_S
        self._works = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Watch steps from now on, and leave the signal as it was afterwards."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
        ):
            yield
            return
        signal.signal(signal.SIGALRM, self._rang)
        self._works = True
        try:
            yield
        finally:
            self._works = False
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def begin(self) -> None:
        """A step begins."""
        if self._works:
            signal.setitimer(signal.ITIMER_REAL, self._longest_s)

    def end(self) -> None:
        """The step is over."""
        if self._works:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _rang(self, _number: int, _frame: Any) -> None:
        raise StepTooLongError(
            f"the process did not yield within {self._longest_s:g} s of real time; allowed: a "
            "yield in every loop, and no time.sleep (yield env.timeout(seconds) instead)"
        )
