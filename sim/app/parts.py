"""The parts of a run of an application that differ from a run of the ticket service."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from sim.app import seams
from sim.app.aio.server import AsgiApplicationServer
from sim.app.customer import iterating
from sim.app.errors import ApplicationError
from sim.app.modules import Imports, roots_of
from sim.app.seams.leftovers import LEFTOVERS
from sim.app.seams.output import Muffled
from sim.app.seams.runtime import RUNTIME
from sim.app.server import ApplicationServer
from sim.app.sql.drivers.mysqldb import DRIVER_MODULES
from sim.app.watching.invariants import ApplicationWatch
from sim.app.watching.watchdog import ApplicationWatchdog
from sim.customers.customer_function import customer_function
from sim.wiring import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sim.app.segments import Segments
    from sim.customers.user import User
    from sim.kernel.random_streams import Streams
    from sim.service.costs import Costs
    from sim.world import Application

_measuring: list[Any] = []
"""The list that measuring runs add their segments to."""


@contextmanager
def measuring() -> Iterator[list[Any]]:
    """Make the runs inside measure segments instead of charging them; the list gets their tables.

    Measuring runs are not repeatable.
    """
    _measuring.append([])
    try:
        yield _measuring[-1]
    finally:
        _measuring.pop()


class ApplicationParts(Parts):
    """The parts of one run of an application."""

    answers_show = False
    server: Any
    watch: Any

    def _customer(self, path: str) -> Callable[[User], None]:
        function: Any = customer_function(path)
        return iterating(function)

    def _make_server(self, costs: Costs, streams: Streams, size: float) -> Any:  # noqa: ARG002 - always full size
        settings = self.world.app
        seams.install()
        LEFTOVERS.clear_if_due()
        DRIVER_MODULES.put()
        roots = roots_of(settings.path, settings.key)
        RUNTIME.begin(self.env, float(self.world.catalogue.opening_epoch_s), roots)
        RUNTIME.on_refuse = self._refused
        kind = AsgiApplicationServer if settings.asgi else ApplicationServer
        server = kind(
            self.env,
            self.world,
            costs,
            self.host,
            self.redis,
            streams,
            self.seed,
            roots,
            measuring=bool(_measuring),
        )
        if _measuring:
            _measuring[-1].append(server.segments)
        return server

    def _make_watch(self) -> Any:
        return ApplicationWatch(self.server, self._refused)

    def _refused(self, error: ApplicationError) -> None:
        """End the run, even if the application handles the exception."""
        if not self.end.failure:
            self.end.failed(error)
            self.env.call_in(0.0, self.env.stop)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """The application's environment, its output and the watchdog."""
        settings = self.world.app
        with ExitStack() as stack:
            stack.enter_context(_environment(settings.env))
            stack.enter_context(Muffled())
            stack.enter_context(Imports(self.server.code))
            stack.enter_context(ApplicationWatchdog(self.env, settings))
            yield

    def close(self) -> None:
        """End every remaining thread, and route no further call to this run."""
        with Muffled():
            self.env.close()
            for loop in RUNTIME.loops:
                loop.abandon()
        RUNTIME.end()
        DRIVER_MODULES.take_back()

    def remarks(self) -> list[str]:
        """Notes on the source of the processor times, and on the log records."""
        settings, segments = self.world.app, self.server.segments
        notes = [_provenance(segments, settings)]
        unknown = [name for name in segments.missing if not segments.charged[name]]
        if unknown and segments.charged:
            notes.append(f"never measured: {', '.join(sorted(unknown))}")
        notes += self.server.remarks()
        logged = self.server.charges.logged
        if logged:
            levels = ", ".join(f"{level} {count:,}" for level, count in sorted(logged.items()))
            notes.append(f"log records: {levels}")
        if self.server.code.kept and settings.workers > 1:
            notes.append(
                "all workers share one copy of the application's modules: a library keeps them in "
                "a registry of its own"
            )
        return notes


def _provenance(segments: Segments, settings: Application) -> str:
    """Note on the source of the processor times of the application's own code."""
    default = f"{settings.segment_s * 1e6:g} us"
    if not segments.charged:
        return (
            f"processor times: none was measured; every segment of the application's code takes "
            f"{default}. `ticketsim calibrate --app CONFIG` measures them"
        )
    charged, missing = segments.charged.total(), segments.missing.total()
    scaled = "scaled to the true service by factors" if settings.factors else "without factors"
    return (
        f"processor times: {charged / (charged + missing):.1%} of {charged + missing:,} segments "
        f"were measured by calibrate --app, {scaled}; the others take {default}"
    )


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set the application's environment variables while the application runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
