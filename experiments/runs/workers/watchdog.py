"""Ends code of the user's own that computes on and on while simulated time stands still.

A run is one thread of the operating system, in which a customer function that never blocks keeps
everything else from happening, the answer to Ctrl-C too. The watchdog looks from another thread.
Applications have another watchdog, `sim.app.watching.watchdog`: a signal, which also reaches code
that waits for a lock of the operating system, and which counts memory.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from experiments.config.user_code import OURS
from sim.kernel.environment import Environment
from sim.kernel.errors import StuckCodeError

LOOKS_EVERY_S: Final = 1.0
MOST_LOOKS: Final = 30
"""Looks in a row without any progress after which code counts as stuck.

They are counted, not the wall time: a program that was suspended has made none meanwhile."""
MOST_LOOKS_WHEN_STOPPED: Final = 2
"""The same once the user has asked to stop."""
_NOT_USERS: Final = (*OURS, "experiments", "greenlet", "simpy")
_LIBRARIES: Final = tuple(
    {str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")}
)


class StuckCodeWatchdog:
    """Looks every second whether the run in the thread that made this gets on.

    Args:
        stopped: whether the user has asked to stop.
        looks_every_s: pause between two looks.
    """

    def __init__(self, stopped: Callable[[], bool], looks_every_s: float = LOOKS_EVERY_S) -> None:
        self._stopped = stopped
        self._looks_every_s = looks_every_s
        self._thread_id = threading.get_ident()
        self._env: Environment | None = None
        self._over = threading.Event()
        self.ended_on_request = False
        """Whether the watchdog has ended the code after the user asked to stop."""

    def follow(self, env: Environment) -> None:
        """Take over the kernel to look at."""
        self._env = env

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for as long as the block lasts; `StuckCodeError` is raised where it is stuck."""
        threading.Thread(target=self._look, daemon=True, name="watchdog").start()
        try:
            yield
        finally:
            self._over.set()

    def _look(self) -> None:
        before: object = None
        looks = 0
        while not self._over.wait(self._looks_every_s):
            now = None if self._env is None else (self._env.now, self._env.events)
            looks = looks + 1 if now == before else 0
            before = now
            stopped = self._stopped()
            most = MOST_LOOKS_WHEN_STOPPED if stopped else MOST_LOOKS
            if now is not None and looks >= most:
                self.ended_on_request = stopped
                self._end(looks)

    def _end(self, looks: int) -> None:
        # There is no other way to see where another thread is.
        frame = users_frame(sys._current_frames().get(self._thread_id))  # noqa: SLF001
        if frame is None or self._env is None:
            return
        file, function = Path(frame.f_code.co_filename).name, frame.f_code.co_name
        thread = self._env.current
        name = "the run" if thread is None else thread.name.replace("vu-", "customer ")
        raise_in(
            self._thread_id,
            f"{name} is stuck in {function} (line {frame.f_lineno} of {file}) at "
            f"{self._env.now:.6g} s of simulated time, for {looks * self._looks_every_s:.0f} s by "
            "now: a loop must contain a request or a pause (user.sleep)",
        )


def users_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of code that is neither ours nor a library's; None if there is none."""
    while frame is not None and not _is_users(frame):
        frame = frame.f_back
    return frame


def _is_users(frame: FrameType) -> bool:
    root = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    file = frame.f_code.co_filename
    return root not in _NOT_USERS and not file.startswith((*_LIBRARIES, "<"))


def raise_in(thread_id: int, text: str) -> None:
    """Raise a `StuckCodeError` in another thread, at its next step in Python."""

    class StuckHereError(StuckCodeError):
        """Carries the text: only a class can be handed over, not an error."""

        def __init__(self) -> None:
            super().__init__(text)

    set_exception: Any = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception(ctypes.c_ulong(thread_id), ctypes.py_object(StuckHereError))
