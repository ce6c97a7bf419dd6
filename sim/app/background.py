"""Processes of the application beside its web server: workers of a queue, schedulers.

Each has its own copy of the application's modules, its own interpreter and its own core, as a
worker process of the web server. Its function runs in one simulated thread.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any, Protocol

from sim.app.errors import CannotImportError
from sim.app.modules import own_modules
from sim.app.seams.clock import sweep
from sim.app.seams.runtime import CURRENT, RUNTIME
from sim.app.segments import ApplicationTask
from sim.app.worker import Server, Worker
from sim.kernel.errors import KernelError, ThreadKilled
from sim.service.costs import Factor

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.app.modules import Code
    from sim.machines.host import Host
    from sim.world.application import Background

    class BackgroundServer(Server, Protocol):
        """The application's server, as its background processes see it."""

        host: Host
        code: Code
        up: bool


_PLAIN = Factor(1.0, 1.0, 1.0)


class BackgroundProcess(Worker):
    """One process; it ends when its function returns, or with the web server's processes."""

    def __init__(self, server: BackgroundServer, settings: Background, number: int) -> None:
        super().__init__(server, number, server.host.cpu.process())
        self._application_server = server
        self._settings = settings
        self._label = f"background {settings.name}"
        self._function: Callable[[], Any] | None = None

    def start(self) -> None:
        """Run the function in a thread of its own."""
        thread = self._application_server.env.spawn(self._label, self._run)
        thread.local = ApplicationTask(self._label, _PLAIN, self, request=True)
        self.threads.append(thread)

    def load(self) -> None:
        """Import the application's code and the function. Raises `CannotImportError`."""
        server = self._application_server
        self.take(server.code.load())
        module_name, _, name = self._settings.run.partition(":")
        try:
            self._function = getattr(importlib.import_module(module_name), name)
        except (ImportError, AttributeError) as error:
            raise CannotImportError(f"app.background.run {self._settings.run}: {error}") from error
        sweep()
        self.modules.update(own_modules(RUNTIME.roots))

    def _run(self) -> None:
        server = self._application_server
        thread = server.env.current
        assert thread is not None  # noqa: S101 - this is its function
        if self._function is None:
            self.load()
        function: Any = self._function
        CURRENT.set(thread.local)
        RUNTIME.go_on()
        try:
            found = function()
            if asyncio.iscoroutine(found):
                asyncio.run(found)
        except (KernelError, MemoryError, ThreadKilled):
            raise
        except Exception as error:  # noqa: BLE001 - as a supervisor does: count it, start again
            server.charges.exception(self._label, error)
            self.threads.remove(thread)
            self._function = None
            server.env.call_in(server.settings.boot_s, self._again)
        else:
            RUNTIME.wait("process ends")

    def _again(self) -> None:
        if self._application_server.up:
            self.start()

    def end(self) -> list[Any]:
        """End the process."""
        self._function = None
        return super().end()


def made(server: BackgroundServer) -> list[BackgroundProcess]:
    """The processes that the config wants."""
    return [
        BackgroundProcess(server, settings, number)
        for settings in server.settings.background
        for number in range(settings.processes)
    ]
