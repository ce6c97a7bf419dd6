"""A program that reads the service's log through a pipe, on the service's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.kernel.environment import Environment, Waiter
    from sim.machines.cpu import Process

READ_S: Final = 4e-5
"""Processor time to read what is in the pipe and to write it to a file (measured: `cat`, a few
traces of 13,000 bytes each time)."""


class LogReader:
    """Reads all there is, and sleeps when there is nothing. The pipe never fills.

    A pipe holds 64 KiB, some five traces, and in the worlds tried the reader came in time for all
    but one in a thousand.
    """

    def __init__(self, env: Environment, process: Process) -> None:
        self._env = env
        self._process = process
        self._unread = 0
        self._asleep: Waiter | None = None
        env.spawn("reader of the log", self._read)

    def write(self) -> None:
        """Put a record into the pipe; this wakes the reader if it sleeps. Does not block."""
        self._unread += 1
        asleep = self._asleep
        if asleep is not None:
            self._asleep = None
            asleep.wake()

    def _read(self) -> None:
        while True:
            if not self._unread:
                self._asleep = waiter = self._env.waiter()
                waiter.wait()
            self._process.compute(READ_S)
            self._unread = 0
