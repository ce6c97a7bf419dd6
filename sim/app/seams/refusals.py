"""Calls that an application may not make on simulated time; each is refused at its place."""

from __future__ import annotations

import multiprocessing.process
import os
import signal
import socket
import sqlite3
import sqlite3.dbapi2
import subprocess
from typing import TYPE_CHECKING, Any, Final

from sim.app.errors import RefusedCallError, caller
from sim.app.seams.runtime import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable

_SOCKETS: Final = ("connect", "connect_ex", "bind", "listen", "sendto")
HTTP: Final = (
    'a real network call; for another HTTP service declare a stub, [app.http."HOST"], for Redis '
    "and databases use redis-py, SQLAlchemy or Django; a driver of its own is not simulated"
)
_FORK: Final = (
    "a process of its own has no simulated time; use threads, or leave it out by [app] env"
)
_END: Final = (
    "ends the program itself, and every other process of the service that it simulates; answer "
    "with an error, or raise one. A worker that is killed: app.timeout_s, app.max_requests"
)
_SQLITE: Final = (
    "SQLite waits for the locks of its file in real time; give the service a MySQL, MariaDB or "
    "PostgreSQL URL in [app.env] (Django: another ENGINE)"
)


def refused(call: str, why: str) -> RefusedCallError:
    """Make and note the error that ends the run."""
    error = RefusedCallError(f"{caller(RUNTIME.roots)}: {call}: {why}")
    RUNTIME.refuse(error)
    return error


def _guarded(real: Callable[..., Any], call: str, why: str) -> Callable[..., Any]:
    def guard(*args: Any, **options: Any) -> Any:
        if RUNTIME.thread is None or (call == "socket.bind" and args[1][1:2] == (0,)):
            # Libraries bind to any port to find out whether IPv6 is available.
            return real(*args, **options)
        shown = ", ".join(repr(arg) for arg in args if isinstance(arg, str | tuple | list | int))
        raise refused(f"{call}({shown})", why)

    return guard


def _guard_sqlite() -> None:
    """A database in memory is private to its connection: only files are refused."""
    real = sqlite3.connect
    guarded = _guarded(real, "sqlite3.connect", _SQLITE)

    def connect(database: Any, *args: Any, **options: Any) -> Any:
        chosen = real if database == ":memory:" else guarded
        return chosen(database, *args, **options)

    for module in (sqlite3, sqlite3.dbapi2):
        untyped: Any = module
        untyped.connect = connect


def _guard_ends() -> None:
    """Refuse what ends this program, where all the service's processes run."""
    low: Any = os
    for name in ("_exit", "abort"):
        setattr(low, name, _guarded(getattr(os, name), f"os.{name}", _END))
    for name in ("kill", "killpg"):
        if hasattr(os, name):
            setattr(low, name, _guarded_signal(getattr(os, name), f"os.{name}"))
    untyped: Any = signal
    untyped.raise_signal = _guarded(signal.raise_signal, "signal.raise_signal", _END)


def _guarded_signal(real: Callable[..., Any], call: str) -> Callable[..., Any]:
    guarded = _guarded(real, call, _END)

    def send(process: int, number: int) -> Any:
        # Signal 0 only asks whether a process is there.
        return guarded(process, number) if number else real(process, number)

    return send


def install() -> None:
    """Guard this process permanently."""
    _guard_sqlite()
    _guard_ends()
    sockets: Any = socket.socket
    for name in _SOCKETS:
        setattr(sockets, name, _guarded(getattr(sockets, name), f"socket.{name}", HTTP))
    untyped: Any = socket
    untyped.getaddrinfo = _guarded(socket.getaddrinfo, "socket.getaddrinfo", HTTP)
    low: Any = os
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "popen"):
        if hasattr(os, name):
            setattr(low, name, _guarded(getattr(os, name), f"os.{name}", _FORK))
    processes: Any = subprocess.Popen
    processes.__init__ = _guarded(processes.__init__, "subprocess.Popen", _FORK)
    multi: Any = multiprocessing.process.BaseProcess
    multi.start = _guarded(multi.start, "multiprocessing.Process.start", _FORK)
