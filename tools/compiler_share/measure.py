"""Where the processor time of a Java service's cold code goes: README.md beside this file.

Starts the service on its own core, drives it in a closed loop and writes, for each block of
requests, the processor time of each kind of thread.
"""

import argparse
import csv
import http.client
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ENDPOINTS = 3
FIELDS = [
    "run",
    "cores",
    "clients",
    "phase",
    "rounds",
    "requests",
    "wall_s",
    "process_s",
    "request_s",
    "c1_s",
    "c2_s",
    "gc_s",
    "other_s",
    "request_waits_s",
    "c1_waits_s",
    "c2_waits_s",
    "latency_ms",
]
NANO = 1e9
COARSE = 20  # blocks, after which they are five times as long


def kind_of(name: str) -> str:
    """Which column a thread with this name belongs to."""
    if name.startswith("http-nio"):
        return "request"  # with the poller, which works for each request too
    if name.startswith("C1 Compiler"):
        return "c1"
    if name.startswith("C2 Compiler"):
        return "c2"
    if name.startswith(("G1 ", "GC Thread", "VM Thread")):
        return "gc"
    return "other"


@dataclass
class Reading:
    """Totals since the start of the process, in seconds."""

    at: float
    process: float
    used: Mapping[str, float]
    waited: Mapping[str, float]


@dataclass
class Threads:
    """Reads all threads of a process; those that have ended keep what they had."""

    pid: int
    seen: dict[str, tuple[str, float, float]] = field(default_factory=dict)

    def read(self) -> Reading:
        """All totals now."""
        at = time.perf_counter()
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                kind = kind_of((task / "comm").read_text())
                used, waited, _ = (task / "schedstat").read_text().split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            self.seen[task.name] = (kind, int(used) / NANO, int(waited) / NANO)
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        process = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        used_by: defaultdict[str, float] = defaultdict(float)
        waited_by: defaultdict[str, float] = defaultdict(float)
        for kind, used_s, waited_s in self.seen.values():
            used_by[kind] += used_s
            waited_by[kind] += waited_s
        return Reading(at, process, used_by, waited_by)


class Writer:
    """Writes the difference between two readings as one row."""

    def __init__(self, path: Path, run: str, cores: str, clients: int) -> None:
        self.file = path.open("a", newline="")
        self.rows = csv.DictWriter(self.file, FIELDS)
        if self.file.tell() == 0:
            self.rows.writeheader()
        self.constant: dict[str, str | int] = {"run": run, "cores": cores, "clients": clients}

    def write(
        self, phase: str, done: int, requests: int, span: tuple[Reading, Reading], latency: float
    ) -> None:
        """One row: what happened between two readings, up to `done` requests in all."""
        before, after = span
        used = {
            f"{kind}_s": f"{after.used[kind] - before.used[kind]:.6f}"
            for kind in ("request", "c1", "c2", "gc", "other")
        }
        waited = {
            f"{kind}_waits_s": f"{after.waited[kind] - before.waited[kind]:.6f}"
            for kind in ("request", "c1", "c2")
        }
        self.rows.writerow(
            {
                **self.constant,
                "phase": phase,
                "rounds": done // ENDPOINTS,
                "requests": requests,
                "wall_s": f"{after.at - before.at:.4f}",
                "process_s": f"{after.process - before.process:.2f}",
                "latency_ms": f"{1000 * latency / requests:.4f}" if requests else "",
                **used,
                **waited,
            }
        )
        self.file.flush()


class Load:
    """Clients that ask for the endpoints in turn, each for the next as soon as it is answered."""

    def __init__(
        self, port: int, threads: Threads, writer: Writer, phase: str, span: tuple[int, int, int]
    ) -> None:
        self.port, self.threads, self.writer, self.phase = port, threads, writer, phase
        self.clients, rounds, block = span
        self.block, self.last = block * ENDPOINTS, rounds * ENDPOINTS
        self.started = self.done = self.told = 0
        self.latency = 0.0
        self.wrong = 0
        self.lock = threading.Lock()

    def run(self, token: str) -> Reading:
        """All requests; the reading after the last of them."""
        self.reading = self.threads.read()
        clients = [threading.Thread(target=self.client, args=(token,)) for _ in range(self.clients)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        if self.wrong:
            sys.exit(f"{self.wrong} answers were not the expected ones")
        return self.reading

    def client(self, token: str) -> None:
        """One of the clients."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        while True:
            with self.lock:
                number = self.started
                if number >= self.last:
                    return
                self.started += 1
            begun = time.perf_counter()
            right = self.ask(connection, number, token)
            spent = time.perf_counter() - begun
            with self.lock:
                self.wrong += not right
                self.latency += spent
                self.done += 1
                if self.done in (self.told + self.block, self.last):
                    now = self.threads.read()
                    block = self.done - self.told
                    span = self.reading, now
                    self.writer.write(self.phase, self.done, block, span, self.latency)
                    self.reading, self.latency, self.told = now, 0.0, self.done
                    if self.done == COARSE * self.block:
                        self.block *= 5

    @staticmethod
    def ask(connection: http.client.HTTPConnection, number: int, token: str) -> bool:
        """One request; whether its answer was the expected one."""
        turn, endpoint = divmod(number, ENDPOINTS)
        if endpoint == 0:
            expected = 200
            path = f"/concerts/{1 + turn % 20}/seats"
            connection.request("GET", path, headers={"Authorization": token})
        elif endpoint == 1:
            expected = 200
            body = f'{{"seat": {1 + turn % 1000}}}'
            headers = {"Authorization": token, "Content-Type": "application/json"}
            connection.request("POST", "/bookings", body, headers)
        else:
            expected = 401
            connection.request("GET", "/token/check", headers={"Authorization": "undefined"})
        answer = connection.getresponse()
        answer.read()
        return answer.status == expected


def token_of(port: int, service: subprocess.Popen[bytes]) -> str:
    """Waits until the service answers; the token it issues."""
    while service.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/token")
            answer = connection.getresponse()
            token = answer.read().decode()
        except OSError:
            time.sleep(0.2)
        else:
            if answer.status == http.client.OK:
                connection.close()
                return token
    sys.exit("the service has ended")


def clients_and_rounds(text: str) -> tuple[int, int]:
    """Of a further load."""
    clients, _, rounds = text.partition(":")
    return int(clients), int(rounds)


def main() -> None:
    """One run: a fresh JVM, its requests, and what it does after them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jar", type=Path, required=True)
    parser.add_argument("--java", default="java")
    parser.add_argument("--flags", default="-Xmx4g -XX:+UseG1GC", help="of the JVM")
    parser.add_argument("--jdbc-url", required=True, help="jdbc:mariadb://127.0.0.1:PORT/NAME")
    parser.add_argument("--jdbc-user", default="root")
    parser.add_argument("--jdbc-password", default="")
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--run", required=True, help="name of this run in the table")
    parser.add_argument("--cores", default="0", help="of the JVM")
    parser.add_argument("--client-cores", default="1")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20_000, help="requests of each endpoint")
    parser.add_argument(
        "--again",
        type=clients_and_rounds,
        nargs="*",
        default=[],
        metavar="CLIENTS:ROUNDS",
        help="further loads of the same JVM, each after a pause",
    )
    parser.add_argument("--block", type=int, default=100, help="requests of each in one row")
    parser.add_argument("--settle", type=float, default=8, help="idle seconds before the load")
    parser.add_argument("--tail", type=float, default=10, help="seconds to watch after the load")
    parser.add_argument("--log", type=Path, default=Path(os.devnull))
    parser.add_argument("--csv", type=Path, default=Path("measured.csv"))
    options = parser.parse_args()

    os.sched_setaffinity(0, {int(core) for core in options.client_cores.split(",")})
    environment = {
        **os.environ,
        "PORT": str(options.port),
        "JDBC_URL": options.jdbc_url,
        "JDBC_USER": options.jdbc_user,
        "JDBC_PASSWORD": options.jdbc_password,
    }
    command = ["taskset", "-c", options.cores, options.java, *options.flags.split()]
    with options.log.open("wb") as log:
        service = subprocess.Popen(
            [*command, "-jar", str(options.jar)], env=environment, stdout=log, stderr=log
        )
        try:
            token = token_of(options.port, service)
            writer = Writer(options.csv, options.run, options.cores, options.clients)
            threads = Threads(service.pid)
            begun = threads.read()
            time.sleep(options.settle)
            before = threads.read()
            writer.write("idle before", 0, 0, (begun, before), 0.0)
            phase = "load"
            for clients, rounds in [(options.clients, options.rounds), *options.again]:
                writer.constant["clients"] = clients
                span = clients, rounds, options.block
                last = Load(options.port, threads, writer, phase, span).run(token)
                end = last.at + options.tail
                while last.at < end:
                    time.sleep(1)
                    now = threads.read()
                    writer.write("after", rounds * ENDPOINTS, 0, (last, now), 0.0)
                    last = now
                phase = "again"
        finally:
            service.terminate()
            service.wait()


if __name__ == "__main__":
    main()
