"""How far each user came: every user is in exactly one state."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.result import Counts


class Step(IntEnum):
    """The furthest thing a user achieved, in order."""

    NEVER_ARRIVED = 0
    ARRIVED = 1
    """Came, and was never given a token."""
    WAITED = 2
    """Was given a waiting token, never an access token."""
    ADMITTED = 3
    """Was given an access token."""
    ABANDONED = 4
    """Lost patience and left before seeing a free seat. (Those who left later count as further.)"""
    SAW_SEATS = 5
    """Saw at least one free seat."""
    SOLD_OUT = 6
    """Was let in and found no free seat."""
    BOOKED = 7
    PAID = 8


SHOWN: Final = frozenset({Step.WAITED, Step.ADMITTED, Step.SAW_SEATS, Step.BOOKED, Step.PAID})
"""Steps that an answer of the ticket service shows."""


class Funnel:
    """The furthest step of each user, numbered from 1.

    Steps that only a customer function told count if the answers of the service showed none.
    """

    def __init__(self, users: int) -> None:
        self._furthest = bytearray(users + 1)
        self._told = bytearray(users + 1)
        self._answers_show = False

    @property
    def users(self) -> int:
        """How many users there are in all."""
        return len(self._furthest) - 1

    def reach(self, user: int, step: Step, *, told: bool = False) -> None:
        """Note that a user came as far as `step`, if that is further than before.

        `told`: the customer function says so, of a step that answers of the service may show.
        """
        if user >= len(self._furthest):
            more = bytes(user + 1 - len(self._furthest))
            self._furthest.extend(more)
            self._told.extend(more)
        book = self._told if told else self._furthest
        book[user] = max(book[user], step)
        if not told and step in SHOWN:
            self._answers_show = True

    def counts(self) -> Counts:
        """Return step name -> users whose furthest step it is; sums to `users`.

        `abandoned` is there only if somebody was: the load script's customers never are.
        """
        everyone = self._furthest[1:]
        if not self._answers_show:
            everyone = bytearray(map(max, everyone, self._told[1:]))
        counts = {step.name.lower(): everyone.count(step.value) for step in Step}
        if not counts["abandoned"]:
            del counts["abandoned"]
        return counts
