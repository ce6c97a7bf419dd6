"""An application under gunicorn or uvicorn, as its config says, on real servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from experiments.interop.programs import LOOPBACK, Program, ProgramError, free_port, wait_until_idle
from sim.world import Application

_PREPARE_S: Final = 60.0
_DEFAULT: Final = {"DATABASE_URL": "{database}", "REDIS_URL": "{redis}"}
_PREPARE: Final = """\
import importlib, sys
path, prepare = sys.argv[1:]
module, _, name = path.partition(":")
served = importlib.import_module(module)
if name.endswith("()"):
    getattr(served, name[:-2])()
module, _, name = prepare.partition(":")
if module:
    getattr(importlib.import_module(module), name)()
"""
_BACKGROUND: Final = """\
import asyncio, importlib, inspect, sys
module, _, name = sys.argv[1].partition(":")
found = getattr(importlib.import_module(module), name)()
if inspect.iscoroutine(found):
    asyncio.run(found)
"""
BACKGROUND: Final = "background "
"""Start of the names of the programs that run beside the web server."""
_PREPARE_ASGI: Final = """\
import asyncio, importlib, inspect, sys
path, prepare = sys.argv[1:]
module, _, name = path.partition(":")
served = getattr(importlib.import_module(module), name.removesuffix("()"))
served = served() if name.endswith("()") else served

async def main():
    started, asked = asyncio.Event(), []
    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(True)
        return {"type": "lifespan.startup"}
    async def send(message):
        started.set()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.create_task(served(scope, receive, send))
    running.add_done_callback(lambda task: (task.cancelled() or task.exception(), started.set()))
    await started.wait()
    module, _, name = prepare.partition(":")
    if module:
        made = getattr(importlib.import_module(module), name)()
        if inspect.iscoroutine(made):
            await made

asyncio.run(main())
"""


def environment_of(settings: Application, database: str, redis: str) -> dict[str, str]:
    """The application's environment variables: `app.env`, and where the real servers are.

    Raises:
        ProgramError: `app.live_env` names a place that does not exist.
    """
    places = _places(database, redis)
    found = dict(settings.env)
    for name, text in (settings.live_env or _DEFAULT).items():
        try:
            found[name] = text.format_map(places)
        except (KeyError, ValueError, IndexError) as error:
            allowed = ", ".join(f"{{{place}}}" for place in places)
            raise ProgramError(f"app.live_env.{name} = {text!r}: allowed: {allowed}") from error
    return found


def _places(database: str, redis: str) -> dict[str, str]:
    one, other = urlsplit(database), urlsplit(redis)
    return {
        "database": database,
        "database_host": one.hostname or "",
        "database_port": str(one.port or ""),
        "database_user": one.username or "",
        "database_password": one.password or "",
        "database_name": one.path.lstrip("/"),
        "redis": redis,
        "redis_host": other.hostname or "",
        "redis_port": str(other.port or ""),
    }


@contextmanager
def served_application(
    settings: Application, database: str, redis: str, folder: Path
) -> Iterator[str]:
    """Prepare the rows, serve the application, give its URL, and end it.

    Args:
        settings: server, environment and rows of the application.
        database: SQLAlchemy URL of an empty database.
        redis: URL of an empty Redis.
        folder: where logs go.

    Raises:
        ProgramError: the preparation failed, or the application ended.
    """
    environment = {**environment_of(settings, database, redis), "PYTHONPATH": _python_path()}
    _prepare(settings, environment, folder)
    port = free_port()
    if settings.asgi:
        command = [*uvicorn(settings), "--host", LOOPBACK, "--port", str(port)]
        command.append(settings.asgi.removesuffix("()"))
    else:
        command = [*gunicorn(settings), "--bind", f"{LOOPBACK}:{port}", settings.wsgi]
    log = folder / "service.log"
    with Program("service", command, log, environment=environment) as service:
        service.wait_until_listening(port)
        with _background(settings, environment, folder) as processes:
            wait_until_idle()
            service.check()
            yield f"http://{LOOPBACK}:{port}"
            service.check()
            for process in processes:
                process.check_not_failed()


@contextmanager
def _background(
    settings: Application, environment: Mapping[str, str], folder: Path
) -> Iterator[list[Program]]:
    """Run the processes beside the web server, each as a program of its own."""
    with ExitStack() as stack:
        processes = []
        for each in settings.background:
            for number in range(each.processes):
                name = f"{BACKGROUND}{each.name}-{number + 1}"
                command = [sys.executable, "-c", _BACKGROUND, each.run]
                log = folder / f"{name.replace(' ', '-')}.log"
                program = Program(name, command, log, environment=environment)
                processes.append(stack.enter_context(program))
        yield processes


def gunicorn(settings: Application) -> list[str]:
    """The command of gunicorn that serves as the config says, without address and application."""
    words: Mapping[str, object] = {
        "workers": settings.workers,
        "threads": settings.threads,
        "worker-class": "sync" if settings.threads == 1 else "gthread",
        "worker-connections": settings.worker_connections,
        "backlog": settings.backlog,
        "keep-alive": round(settings.keepalive_s),
        "timeout": round(settings.timeout_s),
        "max-requests": settings.max_requests,
        "log-level": "warning",
    }
    given = [part for name, value in words.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "gunicorn", *given]


def in_two_parts(settings: Application) -> bool:
    """Whether uvicorn's answers here wait for the acknowledgement of their heads: `app.nagle`.

    It makes the socket that several workers share without a protocol number, and asyncio sets
    TCP_NODELAY only on sockets that say TCP (uvicorn: config.py, bind_socket; asyncio:
    base_events.py, _set_nodelay). uvloop always sets it, but `uvicorn` here asks for asyncio.
    """
    return bool(settings.asgi) and settings.workers > 1


def uvicorn(settings: Application) -> list[str]:
    """The command of uvicorn that serves as the config says, without address and application."""
    words: dict[str, object] = {
        "workers": settings.workers,
        "backlog": settings.backlog,
        "timeout-keep-alive": round(settings.timeout_keep_alive_s),
        "lifespan": settings.lifespan,
        # Its faster loop is another program than asyncio's, which is simulated.
        "loop": "asyncio",
        "log-level": "warning",
    }
    if settings.limit_concurrency:
        words["limit-concurrency"] = settings.limit_concurrency
    if settings.max_requests:
        words["limit-max-requests"] = settings.max_requests
    given = [part for name, value in words.items() for part in (f"--{name}", str(value))]
    factory = ["--factory"] if settings.asgi.endswith("()") else []
    return [sys.executable, "-m", "uvicorn", *given, "--no-access-log", *factory]


def _prepare(settings: Application, environment: Mapping[str, str], folder: Path) -> None:
    """Import the application, which may make its tables, and write the rows from before the run."""
    code = _PREPARE_ASGI if settings.asgi else _PREPARE
    command = [sys.executable, "-c", code, settings.path, settings.prepare]
    log = folder / "prepare.log"
    with Program("prepare", command, log, environment=environment) as program:
        if program.wait(_PREPARE_S):
            program.check()


def _python_path() -> str:
    """Where this process finds the application, for the processes that serve it."""
    return os.pathsep.join(path for path in sys.path if path)
