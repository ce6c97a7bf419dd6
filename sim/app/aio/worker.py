"""One worker process of a uvicorn-like server: its copy of the code, its event loop, its end."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from model.http import Response
from sim.app.aio.asgi import CRASHED, UNAVAILABLE, Cycle, Lifespan, scope_of
from sim.app.aio.loop import SimulatedLoop, context_of
from sim.app.errors import LifespanError
from sim.app.seams.runtime import RUNTIME
from sim.app.segments import END, ApplicationTask
from sim.app.worker import LOWEST_FAILED, Server, Worker, plain_task
from sim.kernel.errors import ThreadKilled
from sim.service.costs import Factor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sim.app.wsgi import Body
    from sim.kernel.environment import Thread
    from sim.machines.cpu import Process
    from sim.network.exchange import Exchange

_LIMITED: Final = "limit_concurrency"
_CRASH: Final = 500


class AsgiServer(Server, Protocol):
    """The server, as far as its worker processes need it."""

    def open_connections(self) -> int:
        """Open connections of one worker, on average."""
        ...

    def told(self, error: BaseException) -> str:
        """FILE:LINE of the application's line that raised an error."""
        ...


class _Requests:
    """The requests in a worker's event loop; has the interface of a `WorkerPool`."""

    queued = 0
    """A loop begins every request at once."""

    def __init__(self, begin: Callable[[Exchange], None]) -> None:
        self._begin = begin
        self.under_way: dict[Exchange, ApplicationTask] = {}
        self.answered: set[Exchange] = set()
        """Requests whose answer was sent, and whose coroutine goes on."""

    @property
    def busy(self) -> int:
        """Requests under way."""
        return len(self.under_way)

    @property
    def threads(self) -> list[Thread]:
        """None of its own: the loop's thread is the worker's."""
        return []

    def submit(self, exchange: Exchange) -> None:
        """Begin a request. Does not block."""
        self._begin(exchange)

    def kill(self) -> list[Exchange]:
        """End every request; return those that are lost."""
        for task in self.under_way.values():
            task.killed = True
        lost = [each for each in self.under_way if each not in self.answered]
        self.under_way.clear()
        return lost


class AsgiWorker(Worker):
    """A process with one event loop. It boots, runs the lifespan's startup, and then serves."""

    _server: AsgiServer

    def __init__(self, server: AsgiServer, number: int, process: Process) -> None:
        self._loop: SimulatedLoop | None = None
        self._thread: Thread | None = None
        self._lifespan: Lifespan | None = None
        super().__init__(server, number, process)

    def _new_pool(self) -> Any:
        return _Requests(self._begin)

    # Life

    def boot(
        self, load: Callable[[], tuple[Any, dict[str, ModuleType]]], booted: Callable[[], None]
    ) -> None:
        """Start the process; `booted` is called once it serves."""
        env = self._server.env
        thread = env.spawn(f"loop-{self.number}", lambda: self._run(load, booted))
        thread.local = plain_task("background", self)
        self._thread = thread

    def _run(
        self, load: Callable[[], tuple[Any, dict[str, ModuleType]]], booted: Callable[[], None]
    ) -> None:
        loop = self._loop = SimulatedLoop()
        with suppress(ThreadKilled):
            loop.run_until_complete(self._main(loop, load, booted))

    async def _main(
        self,
        loop: SimulatedLoop,
        load: Callable[[], tuple[Any, dict[str, ModuleType]]],
        booted: Callable[[], None],
    ) -> None:
        """Start, then stay: anyio ties its threads to the task that the loop was started with.

        `find_root_task` in anyio/_backends/_asyncio.py. Without such a task each request that calls
        a function in a thread gets a new thread, which ends with the request.
        """
        await self._start(load, booted)
        await asyncio.Future(loop=loop)

    async def _start(
        self, load: Callable[[], tuple[Any, dict[str, ModuleType]]], booted: Callable[[], None]
    ) -> None:
        application, modules = load()
        self.modules = modules
        lifespan = self._lifespan = Lifespan(application)
        wanted = self._server.settings.lifespan
        if wanted != "off":
            await lifespan.start()
            self._check(lifespan, required=wanted == "on")
        self.take((application, modules))
        booted()

    def _check(self, lifespan: Lifespan, *, required: bool) -> None:
        if lifespan.complete:
            return
        error, path = lifespan.error, self._server.settings.asgi
        if lifespan.failure is not None:
            reason = lifespan.failure if error is None else f"{type(error).__name__}: {error}"
        elif required:
            reason = "it does not know the lifespan protocol, and app.lifespan is on"
        else:
            return
        place = "" if error is None else self._server.told(error)
        raise LifespanError(
            f"{place}app.asgi {path}: the startup of the application failed: {reason}; mend it, or "
            'leave it out with [app] lifespan = "off"'
        ) from error

    def run(self, function: Callable[[], Any]) -> Any:
        """Run a function in the current thread, or a coroutine function in the loop. Blocks."""
        loop, env = self._loop, self._server.env
        found = function()
        if not asyncio.iscoroutine(found) or loop is None:
            return found
        waiter = env.waiter()
        task = loop.create_task(found)
        task.add_done_callback(lambda _task: waiter.wake())
        loop._write_to_self()
        waiter.wait()
        return task.result()

    def end(self) -> list[Exchange]:
        """End the process; return the requests that are lost."""
        if self._loop is not None:
            self._loop.kill()
        lost = super().end()
        if self._thread is not None:
            if self._thread.local is not None:
                self._thread.local.killed = True
            self._thread.kill()
        self._loop = self._thread = self._lifespan = None
        return lost

    # Requests

    def _begin(self, exchange: Exchange) -> None:
        loop, server = self._loop, self._server
        assert loop is not None  # noqa: S101 - a worker that is up has a loop
        limit = server.settings.limit_concurrency
        self.handled += 1
        if limit and max(self.pool.busy, server.open_connections()) >= limit:
            loop.call_soon(self._answer_with, exchange, _LIMITED, *UNAVAILABLE)
            loop._write_to_self()
            return
        noise = exchange.noise
        task = ApplicationTask(exchange.endpoint, Factor(noise, noise, noise), self, request=True)
        task.debt_s += self.cold_s(exchange.endpoint)
        pool: Any = self.pool
        pool.under_way[exchange] = task
        job = loop.create_task(self._serve_it(exchange, task), context=context_of(task))
        job.add_done_callback(partial(self._ended, exchange))
        loop._write_to_self()

    async def _serve_it(self, exchange: Exchange, task: ApplicationTask) -> None:
        def answered(status: int, body: Body) -> None:
            # A framework answers 500 while it handles the exception, and raises it afterwards.
            handled = sys.exception() if status == _CRASH else None
            if handled is not None and task.error is None:
                task.error = type(handled).__name__
            RUNTIME.wait(END, blocks=False)
            self.warmed(exchange.endpoint)
            self._answer_with(exchange, task.error, status, body)

        server, request = self._server, exchange.request
        cycle = Cycle(request.body or b"", answered)
        state = {} if self._lifespan is None else self._lifespan.state
        scope = scope_of(request, server.user_of(exchange), state)
        try:
            await self.application(scope, cycle.receive, cycle.send)
        except Exception as error:  # noqa: BLE001 - as the server does: log the error, answer 500
            server.charges.exception("uvicorn.error", error)
            cycle.finish(*CRASHED)
            return
        if not cycle.done:
            # As uvicorn, which logs "ASGI callable returned without ... response".
            server.charges.logged["ERROR"] += 1
            task.error = task.error or "NoResponse"
            cycle.finish(*CRASHED)

    def _answer_with(self, exchange: Exchange, error: str | None, status: int, body: Body) -> None:
        told = None if status < LOWEST_FAILED else error or f"Status{status}"
        exchange.response = Response(status, body, told)
        exchange.body_bytes = float(len(body.content))
        pool: Any = self.pool
        if exchange in pool.under_way:
            pool.answered.add(exchange)
        self._server.answer(exchange)

    def _ended(self, exchange: Exchange, job: asyncio.Task[None]) -> None:
        pool: Any = self.pool
        pool.under_way.pop(exchange, None)
        pool.answered.discard(exchange)
        error = None if job.cancelled() else job.exception()
        if error is not None and not isinstance(error, ThreadKilled):
            self._server.env.fail(error)
            return
        if not job.cancelled() and self.up:
            self._server.served(self)
