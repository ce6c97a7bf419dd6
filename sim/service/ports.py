"""The service's ports on simulated time: clock, events, threads, message broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import BrokerUnavailableError
from sim.kernel.environment import TIMEOUT, Environment, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.world import Broker


class SimulatedClock:
    """`model.clock.Clock`: simulated time as seconds since 1970."""

    __slots__ = ("_env", "_epoch_s")

    def __init__(self, env: Environment, epoch_s: float) -> None:
        self._env = env
        self._epoch_s = epoch_s

    def now(self) -> float:
        """Return epoch seconds."""
        return self._epoch_s + self._env.now

    def step(self, offset_s: float) -> None:
        """Be set `offset_s` seconds ahead of what it says now; negative: back."""
        self._epoch_s += offset_s


class SimulatedEvent:
    """`model.ports.Event`: what `threading.Event` does, on simulated time."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._set = False
        self._waiters: list[Waiter] = []

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def set(self) -> None:
        """Wake everyone who waits."""
        self._set = True
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.wake()

    def clear(self) -> None:
        """Let later waits block again."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Block the current thread until it is set, at most `timeout` seconds."""
        if self._set:
            return True
        waiter = self._env.waiter()
        self._waiters.append(waiter)
        timer = None
        if timeout is not None:
            timer = self._env.call_in(max(0.0, timeout), lambda: _expire(waiter))
        outcome = waiter.wait()
        if timer is not None:
            timer.cancel()
        if outcome is TIMEOUT:
            self._waiters.remove(waiter)
        return self._set


def _expire(waiter: Waiter) -> None:
    waiter.wake(TIMEOUT)


class SimulatedBroker:
    """`model.ports.Broker`: a send takes its time, or blocks and fails while the broker is away."""

    def __init__(self, env: Environment, settings: Broker, charge: Callable[[], None]) -> None:
        self._env = env
        self._charge = charge
        self.settings = settings
        self.available = settings.available
        self.sent = 0
        self.deliver: Callable[[str], None] | None = None
        """Told the topic of each message that was sent; None if what listens is not of interest."""

    def send(self, topic: str, payload: str) -> None:
        """Send a message. Raises `BrokerUnavailableError` after `max_block_s`."""
        self._charge()
        if not self.available:
            self._env.sleep(self.settings.max_block_s)
            raise BrokerUnavailableError(
                f"Topic {topic} not present in metadata after "
                f"{self.settings.max_block_s * 1e3:.0f} ms ({len(payload)} bytes unsent)."
            )
        self._env.sleep(self.settings.send_s)
        self.sent += 1
        if self.deliver is not None:
            self.deliver(topic)
