"""A run of an application: what differs from a run of the ticket service."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from sim.app import seams
from sim.app.customer import iterating
from sim.app.errors import ApplicationError
from sim.app.modules import Code, Imports, roots_of
from sim.app.seams.output import Muffled
from sim.app.seams.runtime import RUNTIME
from sim.app.server import ApplicationServer
from sim.app.watch import ApplicationWatch
from sim.app.watchdog import Watchdog
from sim.customers.path import imported
from sim.run import _Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sim.customers.user import User
    from sim.kernel.random_streams import Streams
    from sim.result import RunResult
    from sim.service.costs import Costs

APPLICATION_ERROR: Final = "application_error"
"""How a run ended whose application did what cannot be simulated."""
_measuring: list[Any] = []
"""Where a run that measures leaves its segments."""


@contextmanager
def measuring() -> Iterator[list[Any]]:
    """Let the runs inside measure segments instead of charging them; their tables are in the list.

    Such runs are not repeatable.
    """
    _measuring.append([])
    try:
        yield _measuring[-1]
    finally:
        _measuring.pop()


class ApplicationRun(_Run):
    """The parts of one run of an application."""

    server: Any
    watch: Any

    def _make_customer(self) -> Callable[[User], None]:
        return iterating(imported(self.world.customer.script))

    def _make_server(self, costs: Costs, streams: Streams, size: float, seed: int) -> Any:  # noqa: ARG002 - always full size
        settings = self.world.app
        seams.install()
        roots = roots_of(settings.wsgi)
        self._error: ApplicationError | None = None
        RUNTIME.begin(self.env, float(self.world.catalogue.opening_epoch_s), roots)
        RUNTIME.on_refuse = self._refused
        server = ApplicationServer(
            self.env,
            self.world,
            costs,
            self.host,
            self.redis,
            streams,
            seed,
            roots,
            measuring=bool(_measuring),
        )
        if _measuring:
            _measuring[-1].append(server.segments)
        return server

    def _make_watch(self) -> Any:
        return ApplicationWatch(self.server)

    def _refused(self, error: ApplicationError) -> None:
        if self._error is None:
            self._error = error
            # Whatever the application does with the exception: the run ends here.
            self.env.call_in(0.0, lambda: self._end(APPLICATION_ERROR))

    def run(self) -> None:
        """Let it happen; what the application may not do ends it, and the result is kept."""
        code: Code = self.server.code
        settings = self.world.app
        with ExitStack() as stack:
            stack.enter_context(_environment(settings.env))
            stack.enter_context(Muffled())
            stack.enter_context(Imports(code))
            stack.enter_context(Watchdog(self.env, settings))
            try:
                super().run()
            except ApplicationError as error:
                if self._error is None:
                    self._error = error
                self._ended = APPLICATION_ERROR
                self._load_ended_s = max(self.env.now, self._load_ended_s)

    def close(self) -> None:
        """End every thread that is left, and lead no call to this run any more."""
        with Muffled():
            self.env.close()
        RUNTIME.end()

    def result(self, seed: int) -> RunResult:
        """Close the books."""
        RUNTIME.env = None
        with _environment(self.world.app.env):
            result = super().result(seed)
        result.notes.extend(self._remarks())
        return result

    def _remarks(self) -> list[str]:
        notes = []
        if self._error is not None:
            notes.append(f"{type(self._error).__name__}: {self._error}")
        segments = self.server.segments
        unknown = [name for name in segments.missing if not segments.charged[name]]
        if not segments.charged:
            notes.append(
                "processor times: none was measured; every segment of the application's code "
                f"takes {self.world.app.segment_s * 1e6:g} us. `ticketsim calibrate --app CONFIG` "
                "measures them"
            )
        else:
            charged, missing = sum(segments.charged.values()), sum(segments.missing.values())
            factors = self.world.app.factors
            scaled = "and scaled to the true service by factors" if factors else "without factors"
            notes.append(
                f"processor times: {charged / (charged + missing):.1%} of {charged + missing:,} "
                f"segments were measured by calibrate --app, {scaled}; the others take "
                f"{self.world.app.segment_s * 1e6:g} us"
            )
            if unknown:
                notes.append(f"never measured: {', '.join(sorted(unknown))}")
        logged = self.server.charges.logged
        if logged:
            levels = ", ".join(f"{level} {count:,}" for level, count in sorted(logged.items()))
            notes.append(f"log records: {levels}")
        if self.server.code.kept and self.world.app.workers > 1:
            notes.append(
                "all workers share one copy of the application's modules: a library keeps them in "
                "a registry of its own"
            )
        return notes

    def _leaked_connections(self) -> int:
        if self.server.busy or self._ended != "completed":
            return 0
        return len(self.server.database.open)

    def _gauges(self) -> dict[str, Callable[[], float]]:
        server = self.server
        return super()._gauges() | {
            "service_cpu_s": lambda: server.used_s,
            "pool_active": lambda: len(server.database.open),
        }

    def _tables(self) -> dict[str, int]:
        found: dict[str, int] = self.server.database.rows_per_table()
        return found


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """The application's environment variables, for as long as it runs."""
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
