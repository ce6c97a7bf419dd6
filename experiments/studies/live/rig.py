"""The real programs of a live run, on loopback: Redis, database, service, load generator."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from experiments.interop.programs import (
    LOOPBACK,
    Program,
    ProgramError,
    check_answers,
    check_loopback,
    free_port,
    mariadb_server,
    postgresql_server,
    redis_server,
    required_program,
    wait_until_idle,
)
from experiments.interop.serve import SERVE_VARIABLE
from experiments.studies.live.application import served_application
from experiments.studies.live.demands import Account, accounts
from sim.world import World

DATABASES: Final = {"mariadb": mariadb_server, "postgresql": postgresql_server}
"""Word for a database that is started here -> what starts it."""
_GRACE_S: Final = 60.0
"""What k6 may need beyond the load: its start, the graceful stop, writing its files."""


@dataclass(frozen=True, slots=True)
class Driven:
    """What a load on the real programs left behind.

    `output` is the file of k6's raw output, `taken` the processor time of the programs meanwhile.
    """

    output: Path
    taken: list[Account]


@dataclass(frozen=True, slots=True)
class Target:
    """What is served, and by what.

    `database` is one of `DATABASES`, the word "sqlite", or a URL on a loopback address; `redis` is
    a URL on a loopback address, or None: a stock redis-server is started.
    """

    config: str
    assignments: tuple[str, ...]
    scale: float
    database: str = "mariadb"
    redis: str | None = None


_PROGRAMS: Final = {
    "mariadb": (("mariadbd", "Debian: mariadb-server"),),
    "postgresql": (("postgres", "Debian: postgresql"),),
}
_K6: Final = ("k6", "the Go module go.k6.io/k6")


def check_programs(target: Target, world: World) -> None:
    """Check that everything is there that a live run starts, before anything takes time.

    Raises:
        ProgramError: a program is missing, or a named server is not there or not on this machine.
    """
    needed = [_K6, *_PROGRAMS.get(target.database, ())]
    if "://" in target.database:
        check_answers(target.database, "--database")
    elif target.database not in {*DATABASES, "sqlite"}:
        allowed = ", ".join([*DATABASES, "sqlite"])
        raise ProgramError(f"--database {target.database}: allowed: {allowed} or a URL")
    if target.redis is not None:
        check_answers(target.redis, "--redis")
    else:
        needed.append(("redis-server", "Debian: redis-server"))
    for name, package in needed:
        required_program(name, package)
    server = "uvicorn" if world.app.asgi else "gunicorn"
    if find_spec(server) is None:
        raise ProgramError(f"no {server} in this environment; install it: pip install {server}")


@contextmanager
def served(target: Target, world: World, folder: Path) -> Iterator[str]:
    """Start Redis, the database and the service; give the service's URL; end what was started.

    Args:
        target: what is served; see `check_programs`.
        world: the target's world at the target's scale.
        folder: an empty folder for data and logs.

    Raises:
        ProgramError: a program is missing or did not begin.
    """
    with ExitStack() as stack:
        if target.redis is None:
            redis_url = stack.enter_context(redis_server(folder))
        else:
            redis_url = target.redis
        if target.database in DATABASES:
            database = stack.enter_context(DATABASES[target.database](folder))
        elif target.database == "sqlite":
            database = str(folder / "service.sqlite")
            if world.app.path:
                database = f"sqlite:///{database}"
        else:
            database = target.database
        if world.app.path:
            with served_application(world.app, database, redis_url, folder) as url:
                yield url
            return
        port = free_port()
        service = stack.enter_context(_service(target, world, redis_url, database, port, folder))
        service.wait_until_listening(port)
        wait_until_idle()
        service.check()
        yield f"http://{LOOPBACK}:{port}"
        service.check()


def _service(
    target: Target, world: World, redis_url: str, database: str, port: int, folder: Path
) -> Program:
    """The service under gunicorn: one process, threads as the config has them."""
    wanted = {
        "config": target.config,
        "assignments": list(target.assignments),
        "scale": target.scale,
        "redis": redis_url,
        "database": database,
    }
    command = [sys.executable, "-m", "gunicorn", "experiments.interop.serve:from_environment()"]
    command += ["--bind", f"{LOOPBACK}:{port}", "--workers", "1", "--worker-class", "gthread"]
    command += ["--threads", str(world.service.threads), "--keep-alive", "75", "--timeout", "120"]
    command += ["--backlog", str(max(1, world.service.accept_count)), "--log-level", "warning"]
    # More connections than threads wait for a thread; gunicorn closes them beyond this number.
    command += ["--worker-connections", str(world.service.max_connections)]
    environment = {SERVE_VARIABLE: json.dumps(wanted)}
    return Program("service", command, folder / "service.log", environment=environment)


def drive(
    script: str, url: str, folder: Path, *, at_most_s: float, arguments: Sequence[str] = ()
) -> Driven:
    """Run k6 with a script against the service.

    Args:
        script: the script's text; its target is `url`.
        url: the service's address on this machine.
        folder: where the script and the output go.
        at_most_s: the longest time that the load may take.
        arguments: further arguments of k6.

    Raises:
        ProgramError: there is no k6, it failed, or it did not end.
    """
    check_loopback(urlsplit(url).hostname or "", "--url")
    k6 = required_program(*_K6)
    number = len(list(folder.glob("k6-*.js")))
    path, output = folder / f"k6-{number}.js", folder / f"k6-{number}.csv"
    path.write_text(script, "utf-8")
    command = [k6, "run", "--quiet", "--no-usage-report", "--no-color", "--address", ""]
    command += ["--out", f"csv={output}", *arguments, str(path)]
    log = folder / f"k6-{number}.log"
    environment = {"BASE_URL": url, "K6_CSV_TIME_FORMAT": "unix_nano"}
    with Program("k6", command, log, environment=environment) as program, accounts() as taken:
        code = program.wait(at_most_s + _GRACE_S)
    # 99: a threshold was crossed, which is a result.
    if code not in {0, 99}:
        raise ProgramError(f"k6: failed with code {code}, see {log}")
    return Driven(output, taken)
