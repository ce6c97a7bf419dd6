"""A fixed serving rate: at most so many admissions in any minute, however many services admit.

Key, per concert:
    concert:{id}:queue:admitted    sorted set of tickets, one for each admission of the last minute,
                                   scored by when it was made (epoch ms)

An admission needs a ticket, and there are as many as may be let in within a minute. A ticket is
taken before the admission, for some time in the future, and dated once the admission is made: so
it is there from before the admission until a minute after it, and no minute holds more admissions
than there are tickets. It is taken as places are in `atomic_queue` (1.): added with an infinite
score, and cut off again if that is one too many.

A ticket names the member and its place, so that someone who comes again takes another one. Of two
services that want to admit the same member, only the one that made the ticket does; the other one
stops there, and overtakes nobody. Should the first one have died, the ticket's time comes, and the
next one puts its own in its place: a service held up for longer than `HELD_S` between two commands
may thus exceed the rate by what it holds.
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
"""How long a ticket waits for its admission to be made: as long as a command may ever take."""
_INFINITE: Final = float("inf")
_NONE: Final[Mapping[str, float]] = MappingProxyType({})


class _Look(NamedTuple):
    """A ticket after it was asked for."""

    ticket: str
    made: bool
    """It was made just now."""
    score: float | None
    """Until when it is held, or when it was used (epoch ms); None: there is no room for it."""


class Pace:
    """Tickets for admission.

    Args:
        store: Redis commands.
        clock: tickets are dated by it.
        admissions_per_min: most admissions in any minute.
        interval_s: how often people are let in; each time an even share.
    """

    def __init__(
        self, store: Any, clock: Clock, admissions_per_min: int, interval_s: float
    ) -> None:
        self._redis = store
        self._clock = clock
        self._interval_s = interval_s
        self.set_rate(admissions_per_min)

    def set_rate(self, admissions_per_min: int) -> None:
        """Let in at most so many in any minute from now on."""
        self.limit = admissions_per_min
        """Most admissions in any minute."""
        self.share = max(1, ceil(admissions_per_min * self._interval_s / WINDOW_S))
        """How many to let in at once, so that admissions are spread evenly over a minute."""

    def reserve(self, key: str, heads: Mapping[str, float]) -> dict[str, float]:
        """Take tickets for members at the head of the line, with their places, in this order.

        Returns those who may be admitted now: the first ones without a gap.
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
        """Make tickets as far as there is room, after removing overdue ones if unchanged."""
        batch = self._redis.pipeline(transaction=True)
        if overdue:
            queue_removal(batch, key, overdue)
        for ticket in tickets:
            batch.zadd(key, {ticket: _INFINITE}, nx=True)
            batch.zremrangebyrank(key, self.limit, -1)
            # Of an infinite score only: what others hold is due earlier.
            batch.zadd(key, {ticket: now_ms + HELD_S * 1000.0}, xx=True, lt=True)
            batch.zscore(key, ticket)
        answers = batch.execute()[-4 * len(tickets) :]
        return [
            _Look(ticket, bool(made) and score is not None, score)
            for ticket, made, score in zip(tickets, answers[::4], answers[3::4], strict=True)
        ]

    def _take_over(self, key: str, look: _Look, now_ms: float) -> bool:
        """Put a ticket of one's own in the place of one whose time has come."""
        if look.score is None or float(look.score) > now_ms:
            return False
        overdue = {look.ticket: float(look.score)}
        return self._take(key, [look.ticket], now_ms, overdue)[0].made

    def settle(self, key: str, reserved: Mapping[str, float], admitted: Collection[str]) -> None:
        """Date the tickets of those who were admitted, and give the others' back."""
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
