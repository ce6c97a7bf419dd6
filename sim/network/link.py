"""The link between two programs: closed, slow or lossy while a fault acts on it.

Only worlds with faults have links; without faults messages arrive at once.
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


class Link:
    """One link. Of overlapping disturbances of the same kind the later one counts."""

    def __init__(self, env: Environment, rng: Stream) -> None:
        self._env = env
        self._rng = rng
        self._opens_s = 0.0
        self._extra_s = 0.0
        self._slow_until_s = 0.0
        self._share_lost = 0.0
        self._lossy_until_s = 0.0
        self.on_arrival: Callable[[], None] | None = None
        """Called in the thread of each message that arrives; may raise to cut the connection."""

    def close(self, for_s: float) -> None:
        """Let no message through for a while. Messages that wait go on afterwards."""
        self._opens_s = max(self._opens_s, self._env.now + for_s)

    def slow_down(self, extra_s: float, for_s: float) -> None:
        """Let every message take longer for a while."""
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
        """Block the current thread until its message has arrived, or for at most `patience_s`.

        Returns whether the message has arrived.
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
