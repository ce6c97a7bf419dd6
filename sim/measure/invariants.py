"""Invariants: violations are counted during the run and checked at its end.

Every count is 0 under the correct policy. The incident's defects make some of them positive; that
is what a run shows, not an error of the simulator. `sim.measure.inspection` checks the same after
every event.

    oversold                   seats sold more than once
    payments_without_booking   payments of bookings that are not paid, or not there
    paid_twice                 payments beyond the first of a booking
    paid_without_payment       paid bookings without a payment
    held_seats_marked_free     seats that somebody holds and the list of free seats shows
    free_seats_marked_held     seats that nobody holds and nobody can book
    bookings_unaccounted       bookings neither reserved nor paid nor cancelled
    seats_miscounted           difference of a schedule's occupied seats and its standing bookings
    answers_without_rows       people told that they have booked, or paid, of whom no row says so
    over_capacity              people let in beyond capacity
    connections_leaked         pool connections that nobody uses and nobody gave back
    users_unaccounted          users not in exactly one state of the funnel
    failures_unaccounted       failed requests without a primary cause, or with more than one
    time_reversals             events earlier than the one before
    overtaken                  (inspected runs only) people let in before somebody who came earlier
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from sim.measure.funnel import Step

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sim.kernel.environment import Environment
    from sim.measure.funnel import Funnel
    from sim.measure.requests import RequestLog
    from sim.result import Counts
    from sim.service.host import Server

PASSED = "concert:1:queue:passed"
WAITING = "concert:1:queue:waiting"

_ADDING = frozenset({"zadd", "exec"})
_REMOVING = frozenset({"zremrangebyrank", "zremrangebyscore"})

_SQL: Final = {
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
    "bookings_unaccounted": """
        SELECT COUNT(*) FROM booking WHERE status NOT IN ('RESERVED', 'PAID', 'CANCELLED')""",
    "seats_miscounted": """
        SELECT COALESCE(SUM(ABS(occupied_count - (
            SELECT COUNT(*) FROM booking JOIN seat ON seat.id = booking.seat_id
            WHERE seat.schedule_id = concert_schedule.id
            AND booking.status IN ('RESERVED', 'PAID')))), 0) FROM concert_schedule""",
}
_WHO: Final = {
    "booked": "SELECT COUNT(DISTINCT user_id) FROM booking",
    "paid": "SELECT COUNT(DISTINCT user_id) FROM payment",
}
# One statement, so that it can be asked after every event.
_ALL: Final = text("SELECT " + ", ".join(f"({sql})" for sql in (*_SQL.values(), *_WHO.values())))


class Watch:
    """Looks at both sets of the queue after every command that may have let someone in."""

    judged: Collection[tuple[str, ...]] = ()
    """Not told: every table and both sets."""
    most_at_once: int | None = None
    """Not measured: the ticket service's threads and seats are in the config."""

    def __init__(self, env: Environment, server: Server, capacity: int) -> None:
        self.lowest: Counts = {}
        """Nothing is counted down: each seat is a row."""
        self._env = env
        self._last_s = env.now
        self._server = server
        self._capacity = capacity
        self.most_passed = 0
        self.let_in_beyond_capacity = 0
        self.time_reversals = 0
        self._was_beyond = 0
        self._asked_at = -1
        self._answers: Sequence[int] = ()
        self._changed = False
        self.sizes_before_removal: tuple[int, int] | None = None
        """(passed, waiting) when the sweep under way began to remove, None before."""

    def before_command(self, name: str) -> None:
        """Told of every Redis command just before it runs, so after the one before it ran."""
        now_s = self._env.now
        if now_s < self._last_s:
            self.time_reversals += 1
        self._last_s = now_s
        if self._changed:
            self._changed = False
            self.look()
        if name in _ADDING:
            self._changed = True
        elif name in _REMOVING and self.sizes_before_removal is None:
            self.sizes_before_removal = (self.passed(), self.waiting())

    def passed(self) -> int:
        """How many are let in."""
        return self._server.redis.members(PASSED)

    def waiting(self) -> int:
        """How many wait."""
        return self._server.redis.members(WAITING)

    def set_capacity(self, capacity: int) -> None:
        """Allow so many from now on; people who are inside already do not count as beyond it."""
        self.look()
        self._capacity = capacity
        self._was_beyond = max(0, self.passed() - capacity)

    def look(self) -> None:
        """Note how many are let in now; people beyond capacity are counted as they come."""
        passed = self.passed()
        self.most_passed = max(self.most_passed, passed)
        beyond = max(0, passed - self._capacity)
        if beyond > self._was_beyond:
            self.let_in_beyond_capacity += beyond - self._was_beyond
        self._was_beyond = beyond

    def violations(self, funnel: Funnel, log: RequestLog, leaked_connections: int) -> Counts:
        """Return invariant -> violations, of the tables as they are committed now."""
        self.look()
        *found, booked, paid = self._ask_tables()
        counts = dict(zip(_SQL, found, strict=True))
        came = funnel.counts()
        have_paid = came[Step.PAID.name.lower()]
        have_booked = have_paid + came[Step.BOOKED.name.lower()]
        counts["answers_without_rows"] = max(0, have_booked - booked) + max(0, have_paid - paid)
        counts["over_capacity"] = self.let_in_beyond_capacity
        counts["connections_leaked"] = leaked_connections
        counts["users_unaccounted"] = abs(funnel.users - sum(came.values()))
        causes = sum(sum(row.values()) for row in log.errors().values())
        counts["failures_unaccounted"] = abs(log.failed - causes)
        counts["time_reversals"] = self.time_reversals
        return counts

    def _ask_tables(self) -> Sequence[int]:
        """Answers to all questions about the tables, kept until something is committed."""
        database = self._server.database
        version = database.storage.version
        if version != self._asked_at:
            self._asked_at = version
            self._answers = [int(answer) for answer in database.query(_ALL)[0]]
        return self._answers
