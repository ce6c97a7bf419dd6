"""The simulated thread that is running; seams ask here, and do not change other threads."""

from __future__ import annotations

import _thread
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sim.app.errors import ApplicationError
    from sim.app.sql.transactions.database import Database, Dialect
    from sim.kernel.environment import Environment, Thread
    from sim.network.exchange import Exchange  # noqa: F401 - the type of a request

real_ident: Final = _thread.get_ident
CURRENT: Final[ContextVar[Any]] = ContextVar("the request under way", default=None)
"""Task of the request that a coroutine works on; other threads have `Thread.local`."""


class Endpoint(Protocol):
    """A simulated Redis, as a connection of the application's client reaches it."""

    server: Any
    blocked: list[Any]
    """Clients that wait in a blocking command, the first one first."""

    def turn(self, name: str, cost_ns: int) -> None:
        """Wait for the turn of a command."""
        ...


class Held(Protocol):
    """What an application's library may keep beyond the run, such as a connection."""

    def let_go(self) -> None:
        """The run is over: refer to nothing of its world any more."""
        ...


class Runtime:
    """The run under way in this process, if one is."""

    def __init__(self) -> None:
        self.env: Environment | None = None
        self.epoch_s = 0.0
        self.roots: tuple[str, ...] = ()
        """Folders of the application's own code."""
        self.is_free = False
        """Whether the running code takes no simulated time: it makes rows from before the run."""
        self.skew_s = 0.0
        """Error of the service's clock."""
        self._os_thread: int | None = None
        self.on_wait: Callable[[str], None] | None = None
        """Called with the reason before a thread of the application waits; charges its time."""
        self.on_go_on: Callable[[], None] | None = None
        """Called when the thread's own code goes on."""
        self.on_block: Callable[[str], None] | None = None
        """Called with the reason before a call in a coroutine blocks its event loop."""
        self.on_refuse: Callable[[ApplicationError], None] | None = None
        self.has_refused = False
        """Whether an error has ended the run."""
        self.on_thread: Callable[[Thread], None] | None = None
        self.on_log: Callable[[Any], None] | None = None
        self.on_print: Callable[[str], None] | None = None
        self.find_database: Callable[[str, Dialect], Database] | None = None
        self.find_redis: Callable[[str, int], Endpoint] | None = None
        self.find_host: Callable[[str], Any] | None = None
        self.modules: Callable[[Thread], dict[str, ModuleType] | None] | None = None
        self.loops: list[Any] = []
        """Event loops of the run."""
        self.held: WeakSet[Held] = WeakSet()
        """Everything of this run that lets go of its world at the end."""
        self.measures = False
        """Whether the run measures segments instead of charging them."""

    def begin(self, env: Environment, epoch_s: float, roots: tuple[str, ...]) -> None:
        """A run begins; its threads run in this OS thread."""
        self.env, self.epoch_s, self.roots = env, epoch_s, roots
        self.is_free, self.skew_s, self.has_refused = False, 0.0, False
        self._os_thread = real_ident()
        self.loops, self.measures = [], False

    def end(self) -> None:
        """The run is over."""
        modules = self.__dict__
        for name in list(modules):
            if name.startswith(("on_", "find_")):
                modules[name] = None
        self.env = None
        for each in list(self.held):
            each.let_go()
        self.held, self.loops = WeakSet(), []

    @property
    def thread(self) -> Thread | None:
        """The simulated thread that runs now; None: the event loop, another OS thread, no run."""
        env = self.env
        if env is None or real_ident() != self._os_thread:
            return None
        return env.current

    @property
    def os_thread(self) -> int | None:
        """Identity of the OS thread in which the run's threads run."""
        return self._os_thread

    @property
    def simulates(self) -> bool:
        """Whether a run is under way, and this is its OS thread."""
        return self.env is not None and real_ident() == self._os_thread

    @property
    def now_s(self) -> float:
        """Simulated seconds since 1970, as the service's clock shows them."""
        assert self.env is not None  # noqa: S101 - only asked during a run
        return self.epoch_s + self.env.now + self.skew_s

    def wait(self, label: str, *, blocks: bool = True) -> None:
        """The current thread is about to wait for `label`.

        `blocks`: the thread itself waits; false: only a coroutine waits, and its event loop goes on
        once the processor time of the coroutine is charged.
        """
        thread = self.thread
        if self.on_wait is None or self.is_free or thread is None:
            return
        if blocks:
            self.blocks(label)
        self.on_wait(label)

    def blocks(self, label: str) -> None:
        """The current thread waits for `label`; a note, if it runs an event loop."""
        thread = self.thread
        if thread is None or thread.aside is None or self.on_block is None or self.is_free:
            return
        self.on_block(label)

    def go_on(self) -> None:
        """The current thread's wait is over: its own code goes on."""
        if self.on_go_on is not None and not self.is_free and self.thread is not None:
            self.on_go_on()

    def sleep(self, duration_s: float) -> None:
        """Let simulated time pass for the current thread."""
        if self.env is not None and not self.is_free:
            self.env.sleep(duration_s)

    def refuse(self, error: ApplicationError) -> None:
        """Note the error that ends the run, even if the application handles the exception."""
        self.has_refused = True
        if self.on_refuse is not None:
            self.on_refuse(error)

    def database(self, name: str, dialect: Dialect) -> Database:
        """The simulated database of this name."""
        assert self.find_database is not None  # noqa: S101 - only asked during a run
        return self.find_database(name, dialect)


RUNTIME: Final = Runtime()


def foreign_modules() -> list[tuple[str, Any]]:
    """Modules whose names may be replaced: all but the simulator and its libraries."""
    ours = ("sim", "model", "experiments", "ticketsim", "time_machine", "_time_machine", "simpy")
    return [
        (name, module)
        for name, module in list(sys.modules.items())
        if module is not None and name.partition(".")[0] not in ours
    ]
