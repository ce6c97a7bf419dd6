"""Reads a user's progress off the answers: token, admission, place, seats, booking.

The answers are read as they reach the user, whoever wrote the customer function. Answers of
another service show nothing here; then what the customer function tells is taken (`told`).
"""

from __future__ import annotations

from typing import Any, Final

from model.http import SeatList
from sim.measure.funnel import SHOWN, Funnel, Step
from sim.measure.waiting_room import WaitingRoom

_ISSUE: Final = "/v1/token/generation"
_PLACE: Final = "/v1/token/check"
_KINDS: Final = {"ACCESS": Step.ADMITTED, "WAIT": Step.WAITED}
_SEATS: Final = "/available-seats"
_WITH_ID: Final = {"bookingId": ("/booking", Step.BOOKED), "paymentId": ("/payment", Step.PAID)}


class Answers:
    """Hands what the answers show, and what customer functions tell, to those who count it."""

    def __init__(self, funnel: Funnel, room: WaitingRoom) -> None:
        self._funnel = funnel
        self._room = room
        self._shows_places = False

    def told(self, user: int, step: Step, now_s: float) -> None:
        """Take what a customer function says; of what answers show only if none ever did."""
        shown = step in SHOWN
        self._funnel.reach(user, step, told=shown)
        self._room.reached(user, step, now_s, told=shown)

    def told_position(self, user: int, position: int) -> None:
        """Take what a customer function says; nothing if answers of the service show places."""
        if not self._shows_places:
            self._room.told_position(user, position)

    def came(self, user: int, tab: int, path: str, body: Any, now_s: float) -> None:
        """Read a successful answer to a request for `path`, sent in this tab (0: the first)."""
        if path == _PLACE:
            # The place is the person's: the other tabs are told the same, at other times.
            if tab == 0:
                self._place(user, body)
            return
        step = _step(path, body)
        if step is not None:
            self._funnel.reach(user, step)
            self._room.reached(user, step, now_s)

    def _place(self, user: int, body: Any) -> None:
        position = body.get("position") if isinstance(body, dict) else None
        if isinstance(position, int):
            self._shows_places = True
            self._room.told_position(user, position)


def _step(path: str, body: Any) -> Step | None:
    if isinstance(body, SeatList):
        return Step.SAW_SEATS if path.endswith(_SEATS) and len(body) else None
    if not isinstance(body, dict):
        return None
    if path == _ISSUE:
        return _KINDS.get(str(body.get("type")))
    for key, (end, step) in _WITH_ID.items():
        if key in body and path.endswith(end):
            return step
    return None
