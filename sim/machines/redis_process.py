"""Redis as a program on a machine: its turns, its processor time, its death and its return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import redis

from sim.stations.single_server import SingleServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.kernel.environment import Environment
    from sim.machines.cpu import Process
    from sim.redis.server import RedisServer

_ONLY_THREAD: Final = 0


class RedisProcess:
    """One single-threaded server. A caller waits for its turn, or finds that the server is down."""

    def __init__(self, env: Environment, server: RedisServer, process: Process) -> None:
        self._env = env
        self.server = server
        self.process = process
        self._station = SingleServer(env)
        self._life = 0
        self.on_start: Callable[[], None] = lambda: None
        """Called when Redis is up again."""

    def serve(self, cost_ns: int) -> None:
        """Take a turn and do the server's own work on a command; the command runs right after.

        Returns at once when the server is down: the connection attempt will be refused.

        Raises:
            redis.exceptions.ConnectionError: the server died before it came to the command.
        """
        if not self.server.up:
            return
        life = self._life
        self._station.enter()
        try:
            if life == self._life:
                self.process.compute(cost_ns * 1e-9, _ONLY_THREAD)
        finally:
            # The command itself runs at this instant, before anyone who waits is resumed.
            self._station.leave()
        if life != self._life:
            raise redis.ConnectionError("Connection closed by server.")

    def cut(self) -> None:
        """Cut every connection: commands that have not begun are lost with theirs."""
        if self.server.up:
            self._life += 1
            self.server.cut()

    def kill(self) -> None:
        """End it: a snapshot that was finished stays on disk."""
        if self.server.up:
            self._life += 1
            self.server.stop()

    def start(self, *, lose_data: bool) -> None:
        """Start it again, empty or with the last snapshot; no effect while it is up."""
        if not self.server.up:
            self.server.restart(lose_data=lose_data)
            self.on_start()

    def start_after(self, delay_s: float, *, lose_data: bool) -> None:
        """Start it again in `delay_s` seconds."""
        self._env.call_in(delay_s, lambda: self.start(lose_data=lose_data))
