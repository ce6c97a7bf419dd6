"""Real programs on this machine's loopback addresses: started, waited for, and ended again.

Each is an ordinary process of its own group in a temporary folder, on a free port. Nothing is
downloaded: a program that is not on the path is an error that says which.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from experiments.errors import TicketsimError

LOOPBACK: Final = "127.0.0.1"
_READY_S: Final = 30.0
_END_S: Final = 10.0
_POLL_S: Final = 0.05
_IDLE_S: Final = 0.5
_IDLE_SHARE: Final = 0.05
"""Share of a core that programs at rest use together: a few hundredths, for their timers."""
_EXCEPTION: Final = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit)\b")
_PORTS: Final = range(20_000, 32_000)
"""Below those that kernels give to connections. One of those can be taken meanwhile by any
connection, also by the one that asks whether the port answers: it then answers itself."""
_MOST_PORTS_TRIED: Final = 100
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_LISTENS: Final = "0A"
"""State of a listening socket in /proc/net/tcp."""
_SERVERS: Final = (Path("/usr/sbin"), Path("/usr/lib/postgresql"))
"""Where Debian puts servers that are not on everybody's path."""


class ProgramError(TicketsimError):
    """A real program is missing, did not begin, or ended by itself."""


_running: dict[str, Program] = {}
"""The programs that have begun and not ended, by name."""


class Program:
    """A running program. Use it in a `with` statement: it ends with the block."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        account: str | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - programs of this module, or the user's
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                user=account,
                # Ctrl-C goes to this program alone; we end the others in order.
                start_new_session=True,
            )
        _running[name] = self

    def __enter__(self) -> Self:
        """Begin the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the program and all its children."""
        self.end()

    @property
    def process_id(self) -> int:
        """The operating system's number of the program."""
        return self._process.pid

    def wait_until_listening(self, port: int) -> None:
        """Block until the port answers.

        Raises:
            ProgramError: the program ended, did not listen in time, or its port is taken.
        """
        deadline_s = time.monotonic() + _READY_S
        while not _answers(port):
            self.check()
            if time.monotonic() > deadline_s:
                raise ProgramError(
                    f"{self.name}: does not listen on port {port} after {_READY_S:g} s"
                    f"{self._last_words()}"
                )
            time.sleep(_POLL_S)
        self.check()
        if not self._owns(port):
            raise ProgramError(f"{self.name}: port {port} is taken by another program")

    def _owns(self, port: int) -> bool:
        """Whether a process of the program's group listens; true where /proc does not tell."""
        wanted = _listening(port)
        if not wanted:
            return True
        for process in _PROC.iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.getpgid(int(process.name)) == self._process.pid:
                    held = {str(fd.readlink()) for fd in (process / "fd").iterdir()}
                    if wanted & held:
                        return True
        return False

    def check(self) -> None:
        """Raise `ProgramError` if the program has ended."""
        code = self._process.poll()
        if code is not None:
            raise ProgramError(f"{self.name}: ended with code {code}{self._last_words()}")

    def check_not_failed(self) -> None:
        """Raise `ProgramError` if the program has ended with an error."""
        if self._process.poll():
            self.check()

    def wait(self, timeout_s: float) -> int:
        """Block until the program ends by itself; return its exit code.

        Raises:
            ProgramError: it still runs after `timeout_s`. It is ended then.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.end()
            raise ProgramError(
                f"{self.name}: still running after {timeout_s:g} s; ended"
            ) from error

    def end(self) -> None:
        """End the program's process group: first asked, after 10 s by force."""
        _running.pop(self.name, None)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
                break
        # What the program started itself and did not end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        # The exception says more than a server's farewell.
        errors = [line for line in lines if _EXCEPTION.match(line)]
        return f": {(errors or lines)[-1].strip()}" if lines else ""


def processor_s() -> dict[str, float]:
    """Processor time of each running program so far, in seconds, with its child processes.

    Linux only; elsewhere empty.
    """
    owners = {str(program.process_id): name for name, program in _running.items()}
    found = dict.fromkeys(_running, 0.0)
    parents, used_s = _processes()
    for process, seconds in used_s.items():
        # By descent: PostgreSQL's processes leave the session of the first.
        above = process
        while above in parents and above not in owners:
            above = parents[above]
        if above in owners:
            found[owners[above]] += seconds
    return found if _PROC.is_dir() else {}


def _processes() -> tuple[dict[str, str], dict[str, float]]:
    """Of every process: its parent, and its processor time."""
    parents, used_s = {}, {}
    for stat in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[stat.parent.name], used_s[stat.parent.name] = _parent_and_time(stat)
    return parents, used_s


def _parent_and_time(stat: Path) -> tuple[str, float]:
    """The parent and the processor time that a `stat` file of /proc tells. Raises OSError."""
    # The name in brackets may have spaces; after it: state, parent, group, session, ...
    fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
    return fields[1], (int(fields[11]) + int(fields[12])) / _TICKS


def free_port() -> int:
    """A port of the loopback address that nobody listens on now.

    Raises:
        ProgramError: none of those tried is free.
    """
    for port in random.SystemRandom().sample(_PORTS, _MOST_PORTS_TRIED):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise ProgramError(f"no free port between {_PORTS[0]} and {_PORTS[-1]}")


def check_loopback(url_host: str, option: str) -> None:
    """Refuse a target that is not this machine.

    Raises:
        ProgramError: the host is no loopback address.
    """
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(url_host.strip("[]")).is_loopback:
            return
    if url_host != "localhost":
        raise ProgramError(
            f"{option}: {url_host}; allowed: addresses of this machine (127.0.0.1, localhost)"
        )


def wait_until_idle(most_s: float = _READY_S) -> None:
    """Block until the running programs rest, and at most `most_s`.

    A server listens before its workers have imported the application: connections wait in the
    kernel meanwhile. Programs that never rest are no error.
    """
    deadline_s = time.monotonic() + most_s
    before_s = sum(processor_s().values())
    while time.monotonic() < deadline_s:
        time.sleep(_IDLE_S)
        used_s = sum(processor_s().values())
        if used_s - before_s <= _IDLE_SHARE * _IDLE_S:
            return
        before_s = used_s


def check_answers(url: str, option: str) -> None:
    """Check that a server of this machine listens where a URL says.

    Raises:
        ProgramError: the address is not on this machine, or nobody listens there.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ProgramError(f"{option} {url}: {error}") from error
    check_loopback(host, option)
    if port is None:
        raise ProgramError(f"{option} {url}: no port; allowed: SCHEME://127.0.0.1:PORT/...")
    if not _answers(port):
        raise ProgramError(f"{option} {url}: nobody listens on port {port}")


def main_threads_s(name: str) -> float:
    """Processor time of the main threads of a running program's child processes so far.

    Linux only; elsewhere 0.
    """
    program = _running.get(name)
    if program is None:
        return 0.0
    found_s = 0.0
    for process in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent, used_s = _parent_and_time(process / "task" / process.name / "stat")
            if parent == str(program.process_id):
                found_s += used_s
    return found_s


def find_program(name: str) -> str | None:
    """The path of a program, on the path or where Debian puts servers; None if there is none."""
    found = shutil.which(name)
    if found is not None:
        return found
    for folder in _SERVERS:
        matches = sorted(folder.glob(f"*/bin/{name}")) + sorted(folder.glob(name))
        if matches:
            return str(matches[-1])
    return None


def required_program(name: str, package: str) -> str:
    """The path of a program.

    Raises:
        ProgramError: it is not there.
    """
    found = find_program(name)
    if found is None:
        raise ProgramError(f"no {name} on the path; install it ({package})")
    return found


@contextlib.contextmanager
def redis_server(folder: Path, *arguments: str) -> Iterator[str]:
    """A stock redis-server without files; gives its URL."""
    port = free_port()
    command = [required_program("redis-server", "Debian: redis-server"), "--port", str(port)]
    command += ["--bind", LOOPBACK, "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with Program("redis-server", [*command, *arguments], folder / "redis.log") as server:
        server.wait_until_listening(port)
        yield f"redis://{LOOPBACK}:{port}/0"


@contextlib.contextmanager
def mariadb_server(folder: Path) -> Iterator[str]:
    """A MariaDB server with an empty database `ticketsim`; gives its SQLAlchemy URL."""
    server_program = required_program("mariadbd", "Debian: mariadb-server")
    install = required_program("mariadb-install-db", "Debian: mariadb-server")
    # It changes its working directory.
    folder = folder.resolve()
    data, port = folder / "mariadb", free_port()
    account = ["--user=root"] if os.geteuid() == 0 else []
    _run(
        "mariadb-install-db",
        [
            install,
            "--no-defaults",
            f"--datadir={data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *account,
        ],
        folder / "mariadb.log",
    )
    command = [server_program, "--no-defaults", f"--datadir={data}", f"--port={port}"]
    command += [f"--bind-address={LOOPBACK}", f"--socket={folder / 'mariadb.sock'}"]
    command += [f"--pid-file={folder / 'mariadb.pid'}", "--skip-name-resolve", *account]
    (folder / "create.sql").write_text(
        # The server reads one statement a line.
        "CREATE DATABASE ticketsim;\n"
        "CREATE USER ticketsim@'127.0.0.1' IDENTIFIED BY 'ticketsim';\n"
        "GRANT ALL ON *.* TO ticketsim@'127.0.0.1';\n",
        "utf-8",
    )
    command += [f"--init-file={folder / 'create.sql'}", "--max-connections=1000"]
    with Program("mariadbd", command, folder / "mariadb.log") as server:
        server.wait_until_listening(port)
        yield f"mysql+pymysql://ticketsim:ticketsim@{LOOPBACK}:{port}/ticketsim"


@contextlib.contextmanager
def postgresql_server(folder: Path) -> Iterator[str]:
    """A PostgreSQL server; gives the SQLAlchemy URL of its database `postgres`.

    PostgreSQL refuses to run as root: root starts it under the account `postgres`.
    """
    server_program = required_program("postgres", "Debian: postgresql")
    install = str(Path(server_program).with_name("initdb"))
    folder = folder.resolve()
    data, port = folder / "postgresql", free_port()
    account = None
    data.mkdir()
    log = folder / "postgresql.log"
    log.touch()
    if os.geteuid() == 0:
        account = "postgres"
        try:
            owner = pwd.getpwnam(account)
        except KeyError as error:
            raise ProgramError("postgres: must not run as root, no account postgres") from error
        os.chown(data, owner.pw_uid, owner.pw_gid)
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == os.geteuid() and parent.name.startswith("ticketsim-"):
                parent.chmod(0o755)
    _run(
        "initdb",
        [install, "--pgdata", str(data), "--username=ticketsim", "--auth=trust"],
        log,
        account,
    )
    command = [server_program, "-D", str(data), "-p", str(port), "-h", LOOPBACK, "-k", ""]
    command += ["-c", "max_connections=300"]
    with Program("postgres", command, log, account=account, folder=data) as server:
        server.wait_until_listening(port)
        yield f"postgresql+psycopg2://ticketsim@{LOOPBACK}:{port}/postgres"


def _run(name: str, command: Sequence[str], log: Path, account: str | None = None) -> None:
    """Run a program that ends by itself; `ProgramError` if it fails."""
    with Program(name, command, log, account=account) as program:
        code = program.wait(_READY_S)
        if code:
            raise ProgramError(f"{name}: failed with code {code}, see {log}")


def _listening(port: int) -> set[str]:
    """Names of the sockets that listen on a port of this machine, as /proc/PID/fd has them."""
    found = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return found


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0
