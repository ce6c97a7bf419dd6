"""The service's consumer of its own events, in runs in which it fails on every event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.service.charges import Charges, Task, end_threads
from sim.stations.worker_pool import WorkerPool

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.service.costs import Factor

LISTENER: Final = "event listener"
# Spring for Apache Kafka: DefaultErrorHandler's FixedBackOff(0, 9), nine more attempts at once.
_RETRIES: Final = 9
_CONTAINER_LOGGER: Final = "KafkaMessageListenerContainer"
_GIVE_UP_LOGGER: Final = "DefaultErrorHandler"


class EventRetriedError(Exception):
    """An event could not be handled and is tried again."""


class EventGivenUpError(Exception):
    """An event could not be handled for the last time and is left."""


class FailingListener:
    """One thread that fails on each event, logs every attempt, and goes on to the next event."""

    def __init__(self, env: Environment, charges: Charges, factor: Factor) -> None:
        self._env = env
        self._charges = charges
        self._factor = factor
        self._events: WorkerPool[str] = WorkerPool(env, "listener", 1, self._fail)

    def deliver(self, topic: str) -> None:
        """Hand over an event that was sent. Does not block."""
        self._events.submit(topic)

    def kill(self) -> None:
        """The process is gone: the event under way and those that wait are never handled."""
        end_threads(self._events)

    def _fail(self, topic: str) -> None:
        thread = self._env.current
        assert thread is not None  # noqa: S101 - called by the pool's thread
        thread.local = task = Task(LISTENER, self._factor)
        for _ in range(_RETRIES):
            self._charges.exception(_CONTAINER_LOGGER, EventRetriedError(topic))
        self._charges.exception(_GIVE_UP_LOGGER, EventGivenUpError(topic))
        self._charges.settle(task)
