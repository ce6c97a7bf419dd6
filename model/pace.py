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
next one takes it over: a service held up for longer than `HELD_S` between two commands may thus
exceed the rate by what it holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil
from typing import Any, Final

from model.clock import Clock

WINDOW_S: Final = 60.0
HELD_S: Final = 10.0
"""How long a ticket waits for its admission to be made."""
_INFINITE: Final = float("inf")
_COMMANDS_PER_TICKET: Final = 4


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
        self._limit = admissions_per_min
        self.share = max(1, ceil(admissions_per_min * interval_s / WINDOW_S))
        """How many to let in at once, so that admissions are spread evenly over a minute."""

    def reserve(self, key: str, heads: Mapping[str, float]) -> dict[str, float]:
        """Take tickets for members at the head of the line, with their places, in this order.

        Returns those who may be admitted now: the first ones without a gap.
        """
        now_ms = self._clock.now() * 1000.0
        batch = self._redis.pipeline(transaction=True)
        batch.zremrangebyscore(key, "-inf", now_ms - WINDOW_S * 1000.0)
        for member, place in heads.items():
            ticket = _ticket(member, place)
            batch.zadd(key, {ticket: _INFINITE}, nx=True)
            batch.zremrangebyrank(key, self._limit, -1)
            batch.zadd(key, {ticket: now_ms + HELD_S * 1000.0}, xx=True, lt=True)
            batch.zscore(key, ticket)
        answers = batch.execute()[1:]
        may: dict[str, float] = {}
        for number, (member, place) in enumerate(heads.items()):
            first = number * _COMMANDS_PER_TICKET
            made, held_until_ms = answers[first], answers[first + _COMMANDS_PER_TICKET - 1]
            if held_until_ms is None or not (made or float(held_until_ms) <= now_ms):
                break
            may[member] = place
        made = [
            member
            for number, member in enumerate(heads)
            if answers[number * _COMMANDS_PER_TICKET] and member not in may
        ]
        self._give_back(key, {member: heads[member] for member in made})
        return may

    def settle(self, key: str, reserved: Mapping[str, float], admitted: Collection[str]) -> None:
        """Date the tickets of those who were admitted, and give the others' back."""
        used = {member: place for member, place in reserved.items() if member in admitted}
        if used:
            now_ms = self._clock.now() * 1000.0
            tickets = {_ticket(member, place): now_ms for member, place in used.items()}
            self._redis.zadd(key, tickets, xx=True)
        self._give_back(key, {m: place for m, place in reserved.items() if m not in used})

    def _give_back(self, key: str, places: Mapping[str, float]) -> None:
        if places:
            self._redis.zrem(key, *(_ticket(member, place) for member, place in places.items()))


def _ticket(member: str, place: float) -> str:
    return f"{member}@{place!r}"
