"""SimPy's environment as a process of the user's own gets it."""

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any, NoReturn

import simpy
from simpy.events import NORMAL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from sim.kernel.environment import Environment


class ProcessEnvironment:
    """Simulated time for SimPy's events, processes and resources (`simpy.Resource(env)`, ...).

    It has everything of SimPy's `Environment` that a process needs. `now` counts from the start
    of the service; `world.now_s` counts from the start of the load.

    Args:
        env: the run's simulated time.
        watched: puts a watch over the steps of a generator.
    """

    def __init__(self, env: Environment, watched: Callable[[str, Any], Any]) -> None:
        self._env = env
        self._watched = watched
        self._active_proc: simpy.Process | None = None
        self.timeout: Callable[..., simpy.Timeout] = MethodType(simpy.Timeout, self)
        """Make an event that happens after a delay in seconds, with an optional value."""

    @property
    def now(self) -> float:
        """Simulated seconds since the service started."""
        return self._env.now

    @property
    def active_process(self) -> simpy.Process | None:
        """The process that runs just now."""
        return self._active_proc

    def schedule(self, event: simpy.Event, priority: Any = NORMAL, delay: float = 0.0) -> None:
        """Let `event` happen after `delay` seconds."""
        self._env.schedule(event, priority, delay)

    def event(self) -> simpy.Event:
        """Make an event that happens when `succeed` or `fail` is called."""
        return simpy.Event(_as_simpy(self))

    def process(self, generator: Generator[Any, Any, Any]) -> simpy.Process:
        """Start one more process, which is an event as well: its end."""
        name = getattr(generator, "__name__", "process")
        return simpy.Process(_as_simpy(self), self._watched(name, generator))

    def all_of(self, events: Iterable[simpy.Event]) -> simpy.AllOf:
        """Make an event that happens when all of `events` have happened."""
        return simpy.AllOf(_as_simpy(self), events)

    def any_of(self, events: Iterable[simpy.Event]) -> simpy.AnyOf:
        """Make an event that happens when the first of `events` has happened."""
        return simpy.AnyOf(_as_simpy(self), events)

    def run(self, *_arguments: Any, **_more: Any) -> NoReturn:
        """Refused: the run is under way already."""
        raise ValueError("env.run: the run is under way; allowed: yield the event")

    step = run


def _as_simpy(env: ProcessEnvironment) -> Any:
    """SimPy's types want an instance of SimPy's class; its code wants what that class has."""
    return env
