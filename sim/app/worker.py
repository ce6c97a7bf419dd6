"""One worker process of a gunicorn-like server: its copy of the code, its threads, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from model.http import Response
from sim.app.errors import ApplicationError
from sim.app.interpreter import interpreter_lock, wake_s
from sim.app.seams.runtime import RUNTIME
from sim.app.segments import END, ApplicationTask
from sim.app.wsgi import Body, Errors, call, environ_of
from sim.kernel.errors import KernelError
from sim.service.charges import end_threads
from sim.service.costs import Factor
from sim.stations.worker_pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sim.app.segments import ApplicationCharges
    from sim.kernel.environment import Environment, Thread, Timer
    from sim.machines.cpu import Process
    from sim.machines.host import Host
    from sim.network.exchange import Exchange
    from sim.world.application import Application

LOWEST_FAILED: Final = 400
_SERVER_ERROR: Final = 500
_CRASHED: Final = b"<html><head><title>Internal Server Error</title></head></html>"
_PLAIN: Final = Factor(1.0, 1.0, 1.0)
_SWITCH_S: Final = 0.005
"""sys.getswitchinterval: time after which a thread passes the interpreter's lock to the next."""


class Server(Protocol):
    """The server, as far as its worker processes need it."""

    env: Environment
    host: Host
    settings: Application
    charges: ApplicationCharges

    def watch_timeout(self, worker: Worker, exchange: Exchange) -> Timer | None:
        """End a worker that takes too long for a request; None where any time is allowed."""
        ...

    def user_of(self, exchange: Exchange) -> int:
        """Number of the user whose request it is."""
        ...

    def answer(self, exchange: Exchange) -> None:
        """Send an answer on its way."""
        ...

    def served(self, worker: Worker) -> None:
        """A worker has served a request."""
        ...


class Worker:
    """One process. `modules` and `application` are None while it boots."""

    def __init__(self, server: Server, number: int, process: Process) -> None:
        self._server = server
        self.number = number
        self.process = process
        self._interpreter = interpreter_lock(
            server.env, server.host, server.settings.interpreter_wake_s
        )
        self.application: Any = None
        self.modules: dict[str, ModuleType] = {}
        self.handled = 0
        self._warm: set[str] = set()
        """Endpoints that this process has answered."""
        self.connections = 0
        self.main: Thread | None = None
        """The thread that accepts connections, where accepting takes time."""
        self.threads: list[Thread] = []
        """Threads that the application has started in this process."""
        self._errors = Errors()
        self.pool = self._new_pool()

    def _new_pool(self) -> WorkerPool[Exchange]:
        server = self._server
        settings = server.settings
        name = f"worker-{self.number}"
        return WorkerPool(server.env, name, settings.threads, self._serve)

    @property
    def up(self) -> bool:
        """Whether the process serves requests."""
        return self.application is not None

    def compute(self, work_s: float) -> None:
        """Compute under the interpreter's lock: one thread of a process at a time.

        The thread has been woken for it, by a request or by an answer of a database.
        """
        server = self._server
        if server.settings.interpreter_wake_s is not None:
            server.env.sleep(wake_s(server.host))
        while work_s > 0.0:
            part_s = min(work_s, _SWITCH_S)
            work_s -= part_s
            self._interpreter.enter()
            try:
                self.process.compute(part_s)
            finally:
                self._interpreter.leave()

    @property
    def is_computing(self) -> bool:
        """Whether a thread has the interpreter's lock."""
        return self._interpreter.busy

    def hold(self, step: Callable[[], float]) -> None:
        """Take steps under the interpreter's lock for one time slice.

        Args:
            step: computes, and returns the processor time that it took; 0 ends the slice.
        """
        self._interpreter.enter()
        try:
            left_s = _SWITCH_S
            while left_s > 0.0:
                taken_s = step()
                if not taken_s:
                    return
                left_s -= taken_s
        finally:
            self._interpreter.leave()

    def cold_s(self, endpoint: str) -> float:
        """Processor time of a request beyond its segments while its code is cold here."""
        cold = self._server.settings.cold_s
        return cold.get(endpoint, 0.0) if cold and endpoint not in self._warm else 0.0

    def warmed(self, endpoint: str) -> None:
        """A request was answered: its code is warm from now on."""
        self._warm.add(endpoint)

    def take(self, code: tuple[Any, dict[str, ModuleType]]) -> None:
        """Serve with this code from now on."""
        self.application, self.modules = code
        self.handled = 0
        self._warm.clear()

    def end(self) -> list[Exchange]:
        """End the process; return the requests that are lost."""
        self.application, self.modules = None, {}
        lost = end_threads(self.pool)
        for thread in self.threads:
            if thread.local is not None:
                thread.local.killed = True
            thread.kill()
        self.threads.clear()
        self.pool = self._new_pool()
        return lost

    def _serve(self, exchange: Exchange) -> None:
        server = self._server
        thread = server.env.current
        assert thread is not None  # noqa: S101 - called by the pool's threads
        self.handled += 1
        noise = exchange.noise
        task = ApplicationTask(exchange.endpoint, Factor(noise, noise, noise), self, request=True)
        task.debt_s += self.cold_s(exchange.endpoint)
        thread.local = task
        timer = server.watch_timeout(self, exchange)
        status, body = self._answer(exchange, task)
        RUNTIME.wait(END)
        thread.local = None
        self.warmed(exchange.endpoint)
        if timer is not None:
            timer.cancel()
        error = None if status < LOWEST_FAILED else task.error or f"Status{status}"
        exchange.response = Response(status, body, error)
        exchange.body_bytes = float(len(body.content))
        server.answer(exchange)
        server.served(self)

    def _answer(self, exchange: Exchange, task: ApplicationTask) -> tuple[int, Body]:
        server = self._server
        user = server.user_of(exchange)
        environ = environ_of(
            exchange.request, self._errors, user, threads=server.settings.threads > 1
        )
        try:
            RUNTIME.go_on()
            return call(self.application, environ)
        except (ApplicationError, KernelError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - as the server does: log the error, answer 500
            server.charges.exception("gunicorn.error", error)
            task.error = type(error).__name__
            return _SERVER_ERROR, Body([("Content-Type", "text/html")], _CRASHED)


def plain_task(label: str, worker: Worker | None) -> ApplicationTask:
    """The task of a thread that serves no request."""
    return ApplicationTask(label, _PLAIN, worker)
