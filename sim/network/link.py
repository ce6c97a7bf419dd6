"""The way from one program to another, when it is closed, slow or lossy.

There is a `Way` only where a fault needs one: an undisturbed world does not ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.kernel.environment import Environment
    from sim.kernel.random_streams import Stream

# Linux: TCP_RTO_MIN, doubled up to TCP_RTO_MAX.
_FIRST_RETRANSMISSION_S: Final = 0.2
_LONGEST_RETRANSMISSION_S: Final = 120.0
_INFINITY: Final = float("inf")


class Way:
    """What a message meets. Disturbances of one kind that overlap: the later one holds."""

    def __init__(self, env: Environment, rng: Stream) -> None:
        self._env = env
        self._rng = rng
        self._opens_s = 0.0
        self._extra_s = 0.0
        self._slow_until_s = 0.0
        self._share_lost = 0.0
        self._lossy_until_s = 0.0
        self.on_arrival: Callable[[], None] | None = None
        """Called in the thread of each message that is through; raises what cuts it off there."""

    def close(self, for_s: float) -> None:
        """Let nothing through for a while; what waits goes on afterwards."""
        self._opens_s = max(self._opens_s, self._env.now + for_s)

    def slow_down(self, extra_s: float, for_s: float) -> None:
        """Let everything take longer for a while."""
        self._extra_s = extra_s
        self._slow_until_s = self._env.now + for_s

    def lose(self, share: float, for_s: float) -> None:
        """Lose a share of all messages for a while; TCP sends them again."""
        self._share_lost = share
        self._lossy_until_s = self._env.now + for_s

    def loses(self, time_s: float) -> bool:
        """Whether a message sent at `time_s` is lost."""
        return time_s < self._lossy_until_s and self._rng.bernoulli(self._share_lost)

    def delay_s(self) -> float:
        """How much longer than usual a message sent now takes."""
        now = arrives_s = self._env.now
        retransmission_s = _FIRST_RETRANSMISSION_S
        while self.loses(arrives_s):
            arrives_s += retransmission_s
            retransmission_s = min(2.0 * retransmission_s, _LONGEST_RETRANSMISSION_S)
        if arrives_s < self._slow_until_s:
            arrives_s += self._extra_s
        return max(arrives_s, self._opens_s) - now

    def travel(self, patience_s: float = _INFINITY) -> bool:
        """Block the current thread until its message is through, or its patience is at its end.

        Returns whether the message is through.
        """
        delay_s = self.delay_s()
        if delay_s > patience_s:
            self._env.sleep(patience_s)
            return False
        if delay_s > 0.0:
            self._env.sleep(delay_s)
        if self.on_arrival is not None:
            self.on_arrival()
        return True
