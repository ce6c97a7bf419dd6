"""The server of an ASGI application, modelled on uvicorn: one event loop in each worker process.

A loop accepts every connection, so only the kernel's backlog and `limit_concurrency` refuse any.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sim.app.aio.blocking import BLOCKED
from sim.app.aio.nagle import AnswersInTwoParts
from sim.app.aio.worker import AsgiWorker
from sim.app.modules import imported
from sim.app.seams.clock import sweep
from sim.app.seams.runtime import RUNTIME
from sim.app.server import MANY_REQUESTS, ApplicationServer

if TYPE_CHECKING:
    from sim.app.worker import Worker
    from sim.machines.cpu import Process
    from sim.network.exchange import Exchange

_ANY: Final = 1_000_000_000


class AsgiApplicationServer(ApplicationServer):
    """The server of an ASGI application."""

    def __init__(self, *args: Any, measuring: bool, **options: Any) -> None:
        RUNTIME.measures = measuring
        BLOCKED.begin()
        super().__init__(*args, measuring=measuring, **options)
        self._in_two_parts = AnswersInTwoParts(self.one_way_s) if self.settings.nagle else None

    def submit(self, exchange: Exchange) -> None:
        """Take a request that was sent on its connection. Does not block."""
        if self._in_two_parts is not None:
            self._in_two_parts.arrived(exchange, self.env.now)
        super().submit(exchange)

    def kill(self) -> None:
        """End the processes."""
        super().kill()
        if self._in_two_parts is not None:
            self._in_two_parts.forget()

    def _held_back_s(self, exchange: Exchange) -> float:
        return 0.0 if self._in_two_parts is None else self._in_two_parts.wait_s(exchange)

    def _answered(self, exchange: Exchange) -> None:
        if self._in_two_parts is not None:
            self._in_two_parts.sent(exchange, self.env.now)
        super()._answered(exchange)

    def _socket_settings(self) -> Any:
        settings = self.settings
        return replace(
            self.world.service,
            threads=_ANY,
            max_connections=_ANY,
            accept_count=settings.backlog,
            connection_timeout_s=max(settings.timeout_keep_alive_s, 1e-3),
            keep_alive_requests=MANY_REQUESTS if settings.timeout_keep_alive_s else 1,
        )

    def _new_worker(self, number: int, process: Process) -> Worker:
        return AsgiWorker(self, number, process)

    def _load(self, worker: Worker) -> None:
        """Start the process; blocks the current thread, if there is one, until it serves."""
        assert isinstance(worker, AsgiWorker)  # noqa: S101 - made by `_new_worker`
        env = self.env
        waiter = None if env.current is None else env.waiter()

        def load() -> Any:
            found = self.code.load()
            sweep()
            return found

        def booted() -> None:
            if waiter is None:
                self._hand_out()
            else:
                waiter.wake()

        worker.boot(load, booted)
        if waiter is not None:
            waiter.wait()

    def _prepare(self) -> None:
        worker = self._workers[0]
        if self._prepared or not self.settings.prepare:
            return
        self._prepared = True
        assert isinstance(worker, AsgiWorker)  # noqa: S101 - made by `_new_worker`
        if self.env.current is not None:
            self.env.current.local.worker = worker
        worker.run(imported(self.settings.prepare))

    def served(self, worker: Worker) -> None:
        """Start an idle worker again that has handled `max_requests` requests."""
        most = self.settings.max_requests
        if most and worker.handled >= most and worker.up and worker.pool.busy == 0:
            worker.end()
            self._restart_worker(worker)

    def open_connections(self) -> int:
        """Open connections of one worker, on average."""
        return self.connector.accepted // len(self._workers)

    def told(self, error: BaseException) -> str:
        """FILE:LINE of the application's line that raised an error."""
        return self.code.place_of(error)

    def remarks(self) -> list[str]:
        """Calls that block an event loop."""
        return BLOCKED.remarks()
