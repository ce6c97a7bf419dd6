"""A fixed serving rate: a limit on admissions in any minute, for all services together.

Key, per concert:
    concert:{id}:queue:admitted    sorted set of tickets, a ticket per admission of the last minute,
                                   scored by the time of the admission (epoch ms)

No minute has more admissions than there are tickets. Every admission needs a ticket, and the number
of tickets is the number of users who may be let in within a minute. A service takes a ticket before
the admission, with a time in the future, and dates the ticket when the admission is made. The
ticket thus exists from before the admission until a minute after it. A ticket is taken in the same
way as a place in `atomic_queue` (1.): it is added with an infinite score, and cut off again if
there are too many tickets.

A ticket names the member and the member's place, so that a member who comes again needs a new
ticket. If two services want to admit the same member, only the service that made the ticket admits
the member. The other service stops at this member, and so admits nobody out of order. If the first
service has died, its ticket becomes overdue, and another service puts its own ticket in that place.
A service that is held up for longer than `HELD_S` between two commands may therefore exceed the
rate by the tickets it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from model.clock import Clock
from model.removal import queue_removal

WINDOW_S: Final = 60.0
HELD_S: Final = 30.0
"""How long a ticket waits for its admission: the longest time that a command may take."""
_INFINITE: Final = float("inf")
_NONE: Final[Mapping[str, float]] = MappingProxyType({})


class _Look(NamedTuple):
    """The result of asking for a ticket."""

    ticket: str
    made: bool
    """Whether this request made the ticket."""
    score: float | None
    """When the ticket becomes overdue, or when it was used (epoch ms); None: there is no room."""


class Pace:
    """Tickets for admission.

    Args:
        store: Redis commands.
        clock: tells the time that tickets are dated with.
        admissions_per_min: most admissions in any minute.
        interval_s: time between two rounds of admission, each of an even share of the rate.
    """

    def __init__(
        self, store: Any, clock: Clock, admissions_per_min: int, interval_s: float
    ) -> None:
        self._redis = store
        self._clock = clock
        self._interval_s = interval_s
        self.set_rate(admissions_per_min)

    def set_rate(self, admissions_per_min: int) -> None:
        """Change the most admissions in any minute, from now on."""
        self.limit = admissions_per_min
        """Most admissions in any minute."""
        self.share = max(1, ceil(admissions_per_min * self._interval_s / WINDOW_S))
        """Number of users to let in at a time, so that admissions spread evenly over a minute."""

    def reserve(self, key: str, heads: Mapping[str, float]) -> dict[str, float]:
        """Take tickets for members at the head of the line, with their places, in this order.

        Returns the members who may be admitted now: the members before the first one without a
        ticket.
        """
        now_ms = self._clock.now() * 1000.0
        self._redis.zremrangebyscore(key, "-inf", now_ms - WINDOW_S * 1000.0)
        tickets = [_ticket(member, place) for member, place in heads.items()]
        looks = self._take(key, tickets, now_ms)
        may: dict[str, float] = {}
        for look, (member, place) in zip(looks, heads.items(), strict=True):
            if not (look.made or self._take_over(key, look, now_ms)):
                break
            may[member] = place
        self._give_back(key, [look.ticket for look in looks[len(may) :] if look.made])
        return may

    def _take(
        self, key: str, tickets: Sequence[str], now_ms: float, overdue: Mapping[str, float] = _NONE
    ) -> list[_Look]:
        """Make tickets while there is room; first remove overdue tickets that have not changed."""
        batch = self._redis.pipeline(transaction=True)
        if overdue:
            queue_removal(batch, key, overdue)
        for ticket in tickets:
            batch.zadd(key, {ticket: _INFINITE}, nx=True)
            batch.zremrangebyrank(key, self.limit, -1)
            # Only tickets with an infinite score are cut: tickets of other services have earlier
            # times.
            batch.zadd(key, {ticket: now_ms + HELD_S * 1000.0}, xx=True, lt=True)
            batch.zscore(key, ticket)
        answers = batch.execute()[-4 * len(tickets) :]
        return [
            _Look(ticket, bool(made) and score is not None, score)
            for ticket, made, score in zip(tickets, answers[::4], answers[3::4], strict=True)
        ]

    def _take_over(self, key: str, look: _Look, now_ms: float) -> bool:
        """Replace an overdue ticket with a ticket of this service."""
        if look.score is None or float(look.score) > now_ms:
            return False
        overdue = {look.ticket: float(look.score)}
        return self._take(key, [look.ticket], now_ms, overdue)[0].made

    def settle(self, key: str, reserved: Mapping[str, float], admitted: Collection[str]) -> None:
        """Date the tickets of admitted members, and give the other tickets back."""
        used = {member: place for member, place in reserved.items() if member in admitted}
        if used:
            now_ms = self._clock.now() * 1000.0
            tickets = {_ticket(member, place): now_ms for member, place in used.items()}
            self._redis.zadd(key, tickets, xx=True)
        self._give_back(key, [_ticket(m, place) for m, place in reserved.items() if m not in used])

    def _give_back(self, key: str, tickets: Sequence[str]) -> None:
        if tickets:
            self._redis.zrem(key, *tickets)


def _ticket(member: str, place: float) -> str:
    return f"{member}@{place!r}"
