"""The load generator's local ports towards the service: in use, in TIME-WAIT, or free.

The side that closes a connection first keeps its end in TIME-WAIT. Where that is the client, its
port is taken for a minute more; where it is the service, the client's port is free at once, as
Linux takes a new SYN on a connection in TIME-WAIT when its time stamp is newer. Linux lets a client
use a port in TIME-WAIT again after a second if `tcp_tw_reuse` allows it (net/ipv4/tcp_ipv4.c,
tcp_twsk_unique); its default 2 allows it on the loopback device only. All of this was measured
with a real load generator, Tomcat and the kernel's own tables (docs/calibration.md, sockets).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.world import Generator, Network

_REUSE_AFTER_S: Final = 1.0
"""Linux: net.ipv4.tcp_tw_reuse_delay, and before it the resolution of the remembered time stamp."""
_FIN_WAIT_S: Final = 60.0
"""Linux: net.ipv4.tcp_fin_timeout, for a socket that its program has closed."""
_ALWAYS: Final = 1
_ON_LOOPBACK: Final = 2


class LocalPort:
    """One port that a connection has; `held` until it is free or in TIME-WAIT."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = True


class LocalPorts:
    """The ports of one client towards one destination."""

    def __init__(self, env: Environment, generator: Generator, network: Network) -> None:
        self._env = env
        self._most = generator.local_ports
        reuse = generator.tcp_tw_reuse
        loopback = network.one_way_s == 0.0
        reused = reuse == _ALWAYS or (reuse == _ON_LOOPBACK and loopback)
        time_wait_s = generator.time_wait_s
        self._wait_s = min(_REUSE_AFTER_S, time_wait_s) if reused else time_wait_s
        self._waiting: deque[float] = deque()
        """When each port in TIME-WAIT can be used again, in order."""
        self._orphans: deque[tuple[float, LocalPort]] = deque()
        """Ports in FIN-WAIT-2, and until when at most."""
        self.in_use = 0

    @property
    def in_time_wait(self) -> int:
        """Ports that cannot be used yet, though their connection is over."""
        self._free()
        return len(self._waiting)

    def take(self) -> LocalPort | None:
        """Take a free port; None when there is none."""
        if self.in_use + len(self._waiting) >= self._most:
            self._free()
            if self.in_use + len(self._waiting) >= self._most:
                return None
        self.in_use += 1
        return LocalPort()

    def free(self, port: LocalPort) -> None:
        """Give a port back that can be used again at once; no effect the second time."""
        if port.held:
            port.held = False
            self.in_use -= 1

    def wait(self, port: LocalPort) -> None:
        """Keep a port in TIME-WAIT: this side closed first. No effect on one given back."""
        if port.held:
            port.held = False
            self.in_use -= 1
            if self._wait_s > 0.0:
                self._waiting.append(self._env.now + self._wait_s)

    def orphan(self, port: LocalPort) -> None:
        """This side closed, the other has not: the kernel waits a minute for it."""
        self._orphans.append((self._env.now + _FIN_WAIT_S, port))

    def _free(self) -> None:
        now = self._env.now
        while self._waiting and self._waiting[0] <= now:
            self._waiting.popleft()
        while self._orphans and (self._orphans[0][0] <= now or not self._orphans[0][1].held):
            self.free(self._orphans.popleft()[1])
