"""One load among several: whose users do what, and which requests are theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.load.virtual_user import LoadHooks, VirtualUser
    from sim.measure.requests import RequestLog


class Scenario:
    """Tells the world about the users of one load, and keeps the load's own books beside it.

    Args:
        world: what is told everything.
        iterate: one iteration of a user of this load, in the user's thread.
        log: the requests and iterations of this load alone; None when there is no other load.
    """

    def __init__(
        self,
        world: LoadHooks,
        iterate: Callable[[VirtualUser, RequestLog | None], None],
        log: RequestLog | None,
    ) -> None:
        self._world = world
        self._iterate = iterate
        self.log = log

    def iterate(self, vu: VirtualUser) -> None:
        """Run one iteration."""
        self._iterate(vu, self.log)

    def vu_started(self, vu: VirtualUser) -> None:
        """See `LoadHooks`."""
        self._world.vu_started(vu)

    def vu_stopped(self, vu: VirtualUser) -> None:
        """See `LoadHooks`."""
        self._world.vu_stopped(vu)

    def iteration_started(self, vu: VirtualUser) -> None:
        """See `LoadHooks`."""
        self._world.iteration_started(vu)

    def iteration_ended(self, vu: VirtualUser, duration_s: float, *, interrupted: bool) -> None:
        """See `LoadHooks`."""
        self._world.iteration_ended(vu, duration_s, interrupted=interrupted)
        if self.log is not None and not interrupted:
            self.log.iteration_s.append(duration_s)

    def script_failed(self, vu: VirtualUser, error: Exception) -> None:
        """See `LoadHooks`."""
        self._world.script_failed(vu, error)

    def spin(self, vu: VirtualUser) -> None:
        """See `LoadHooks`."""
        self._world.spin(vu)

    def initialise(self, vu: VirtualUser) -> None:
        """See `LoadHooks`."""
        self._world.initialise(vu)

    def dropped(self, count: int) -> None:
        """See `LoadHooks`."""
        self._world.dropped(count)
