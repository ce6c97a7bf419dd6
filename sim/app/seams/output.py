"""Logging and printing of an application: counted, and written nowhere."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

from sim.app.seams.runtime import RUNTIME

_CALL_HANDLERS: Final = logging.Logger.callHandlers


def _call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
    if RUNTIME.thread is None or RUNTIME.on_log is None:
        _CALL_HANDLERS(self, record)
    else:
        RUNTIME.on_log(record)


class _Stream:
    """A standard stream that counts the output of simulated threads."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or count."""
        if RUNTIME.thread is None:
            written: int = self._stream.write(text)
            return written
        if RUNTIME.on_print is not None:
            RUNTIME.on_print(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write, or count."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Replace the destination of log records permanently."""
    untyped: Any = logging.Logger
    untyped.callHandlers = _call_handlers


class Muffled:
    """Inside the block, the output of simulated threads is not shown."""

    def __enter__(self) -> None:
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = _Stream(sys.stdout), _Stream(sys.stderr)

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._before
