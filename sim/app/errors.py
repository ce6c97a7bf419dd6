"""Errors that end a run of an application; each names the place, the call, and what to do.

These errors are no `Exception`s, so that the application's `except Exception` cannot hide them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import greenlet

if TYPE_CHECKING:
    from types import FrameType

OURS: tuple[str, ...] = (str(Path(__file__).parent.parent), "<frozen")


class ApplicationError(BaseException):
    """The application did something that cannot be simulated; the run ends there."""


class RefusedCallError(ApplicationError):
    """The application called code outside simulated time: a socket, a process, a driver."""


class StuckError(ApplicationError):
    """The application computes or waits without end, so simulated time stands still."""


class UnsupportedSqlError(ApplicationError):
    """A statement whose rows, locks or meaning are not simulated."""


class CannotImportError(ApplicationError):
    """The application cannot be imported, or is no WSGI or ASGI application."""


class NoWsgiError(CannotImportError):
    """The application under the name of WSGI is an ASGI application."""


class LifespanError(ApplicationError):
    """An ASGI application refuses to start, or fails before it has started."""


class MemoryFloodError(ApplicationError):
    """The process that simulates the application holds more memory than allowed."""


def place(frame: FrameType | None, roots: tuple[str, ...]) -> str:
    """FILE:LINE in FUNCTION of the innermost frame below one of `roots`, else of a foreign one."""
    foreign = ""
    while frame is not None:
        name = frame.f_code.co_filename
        shown = f"{name}:{frame.f_lineno} in {frame.f_code.co_name}"
        if name.startswith(roots):
            return shown
        if not foreign and not name.startswith(OURS):
            foreign = shown
        frame = frame.f_back
    return foreign or "an unknown place"


def caller(roots: tuple[str, ...]) -> str:
    """`place` of the code that is running now."""
    found = place(sys._getframe(1), roots)
    current: Any = greenlet.getcurrent()
    if found.startswith(roots) or not getattr(current, "__sqlalchemy_greenlet_provider__", False):
        return found
    # SQLAlchemy's asyncio runs its own code in a greenlet that the coroutine waits for.
    outer = place(current.parent.gr_frame, roots)
    return outer if outer.startswith(roots) else found


def exited(error: SystemExit) -> str:
    """What to say of the user's own code that ends the program by `sys.exit`."""
    traceback, found = error.__traceback__, "an unknown place"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found = f"{code.co_filename}:{traceback.tb_lineno} in {code.co_name}"
        traceback = traceback.tb_next
    return (
        f"{found}: SystemExit({error.code!r}) ends the program itself, and every process that it "
        "simulates; answer with an error, or raise one"
    )
