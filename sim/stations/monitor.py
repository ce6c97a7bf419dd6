"""A monitor of OpenJDK's virtual machine: what `synchronized` waits for.

A thread that asks while the monitor is free gets it, also before threads that wait. A thread that
finds it taken is put on a stack. A thread that leaves wakes the first of the line; if the line is
empty, the stack becomes the line, the latest arrival first. The woken thread keeps its place until
it has the monitor: if another thread was quicker during the wake-up, the first one sleeps on. While
one thread is woken, nobody else is (OpenJDK 17, objectMonitor.cpp: `EnterI`, `exit`, `_cxq`,
`_EntryList`, `_succ`). So among the waiting threads the latest of a batch go first, and some wait
twice as long as the mean. Spinning before the sleep, which needs a second processor, is left out.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.kernel.environment import Environment, Waiter


class _Place:
    """Of a thread that waits: it stays the same over several sleeps."""

    __slots__ = ("waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter


class Monitor:
    """Mutual exclusion; `wake_up` is what a woken thread does until it runs."""

    def __init__(self, env: Environment, wake_up: Callable[[], None]) -> None:
        self._env = env
        self._wake_up = wake_up
        self._held = False
        self._arrivals: list[_Place] = []
        """A stack: threads that came since the line was made."""
        self._line: deque[_Place] = deque()
        self._woken: _Place | None = None
        """Told that the monitor is free, and not yet run."""

    @property
    def waiting(self) -> int:
        """Threads that wait for it."""
        return len(self._arrivals) + len(self._line)

    def enter(self) -> None:
        """Block the current thread until the monitor is its own."""
        if self._take():
            return
        place = _Place(self._env.waiter())
        self._arrivals.append(place)
        while True:
            try:
                place.waiter.wait()
                self._wake_up()
            except BaseException:
                self._give_up(place)
                raise
            self._woken = None
            if self._take():
                self._remove(place)
                return
            place.waiter = self._env.waiter()

    def _take(self) -> bool:
        """Have it if it is free; return whether it was."""
        free = not self._held
        self._held = True
        return free

    def _remove(self, place: _Place) -> None:
        if place in self._line:
            self._line.remove(place)
        else:
            self._arrivals.remove(place)

    def _give_up(self, place: _Place) -> None:
        """Leave; if it was told, another one is."""
        self._remove(place)
        if self._woken is place:
            self._woken = None
            if not self._held:
                self._wake_first()

    def leave(self) -> None:
        """Free it, and wake the first of those that wait. Called by whoever is in."""
        self._held = False
        self._wake_first()

    def _wake_first(self) -> None:
        if self._woken is not None:
            return
        if not self._line:
            self._line.extend(reversed(self._arrivals))
            self._arrivals.clear()
        if self._line:
            self._woken = self._line[0]
            self._woken.waiter.wake()
