"""What must never happen in a correct world: counted during the run, checked at its end.

Every count is 0 under the correct policy. The incident's defects make some of them positive; that
is what a run shows, not an error of the simulator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from sim.measure.funnel import Funnel
    from sim.measure.requests import RequestLog
    from sim.result import Counts
    from sim.server import Server

PASSED = "concert:1:queue:passed"
WAITING = "concert:1:queue:waiting"

_ADDING = frozenset({"zadd", "exec"})
_REMOVING = frozenset({"zremrangebyrank", "zremrangebyscore"})

_SQL = {
    "oversold": """
        SELECT COALESCE(SUM(holders - 1), 0) FROM (
            SELECT COUNT(*) AS holders FROM booking
            WHERE status IN ('RESERVED', 'PAID') GROUP BY seat_id HAVING COUNT(*) > 1)""",
    "payments_without_booking": """
        SELECT COUNT(*) FROM payment LEFT JOIN booking ON booking.id = payment.booking_id
        WHERE booking.id IS NULL OR booking.status <> 'PAID'""",
    "paid_twice": """
        SELECT COALESCE(SUM(times - 1), 0) FROM (
            SELECT COUNT(*) AS times FROM payment GROUP BY booking_id HAVING COUNT(*) > 1)""",
    "paid_without_payment": """
        SELECT COUNT(*) FROM booking LEFT JOIN payment ON payment.booking_id = booking.id
        WHERE booking.status = 'PAID' AND payment.id IS NULL""",
    "held_seats_marked_free": """
        SELECT COUNT(DISTINCT seat.id) FROM booking JOIN seat ON seat.id = booking.seat_id
        WHERE booking.status IN ('RESERVED', 'PAID') AND seat.is_occupied = 0""",
    "free_seats_marked_held": """
        SELECT COUNT(*) FROM seat WHERE seat.is_occupied = 1 AND NOT EXISTS (
            SELECT 1 FROM booking
            WHERE booking.seat_id = seat.id AND booking.status IN ('RESERVED', 'PAID'))""",
}


class Watch:
    """Looks at both sets of the queue after every command that may have let someone in."""

    def __init__(self, server: Server, capacity: int) -> None:
        self._server = server
        self._capacity = capacity
        self.most_passed = 0
        self.let_in_beyond_capacity = 0
        self._was_beyond = 0
        self._changed = False
        self.sizes_before_removal: tuple[int, int] | None = None
        """(passed, waiting) when the sweep under way began to remove, None before."""

    def before_command(self, name: str) -> None:
        """Told of every Redis command just before it runs, so after the one before it ran."""
        if self._changed:
            self._changed = False
            self.look()
        if name in _ADDING:
            self._changed = True
        elif name in _REMOVING and self.sizes_before_removal is None:
            self.sizes_before_removal = (self.passed(), self.waiting())

    def passed(self) -> int:
        """How many are let in."""
        return self._server.redis.stats((PASSED,)).members[PASSED]

    def waiting(self) -> int:
        """How many wait."""
        return self._server.redis.stats((WAITING,)).members[WAITING]

    def look(self) -> None:
        """Note how many are let in now; people beyond capacity are counted as they come."""
        passed = self.passed()
        self.most_passed = max(self.most_passed, passed)
        beyond = max(0, passed - self._capacity)
        if beyond > self._was_beyond:
            self.let_in_beyond_capacity += beyond - self._was_beyond
        self._was_beyond = beyond

    def violations(
        self,
        query: Callable[[str], Sequence[Any]],
        funnel: Funnel,
        log: RequestLog,
        leaked_connections: int,
    ) -> Counts:
        """Return invariant -> violations; `query` runs SQL on the final tables."""
        self.look()
        counts = {name: int(query(sql)[0][0]) for name, sql in _SQL.items()}
        counts["over_capacity"] = self.let_in_beyond_capacity
        counts["connections_leaked"] = leaked_connections
        counts["users_unaccounted"] = abs(funnel.users - sum(funnel.counts().values()))
        causes = sum(sum(row.values()) for row in log.errors().values())
        counts["failures_unaccounted"] = abs(log.failed - causes)
        return counts
