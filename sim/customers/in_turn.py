"""A user who makes one purchase after the other, without pauses: what a calibration measures.

Nobody waits in a calibration, so that no place in the queue is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.customers.shop import (
    CONCERT,
    GENERATION,
    ask_booking,
    ask_dates,
    ask_payment,
    ask_seats,
)

if TYPE_CHECKING:
    from sim.customers.user import User

_PEOPLE_EACH: Final = 1_000
"""More than one user makes iterations in a calibration."""


def in_turn(user: User) -> None:
    """Buy a seat as one person after the other, as `calibration` of the k6 scripts does."""
    done: int = user.memory or 0
    user.memory = done + 1
    person = 1 + (user.id - 1) * _PEOPLE_EACH + done
    body = {"userId": person, "concertId": CONCERT}
    entered = user.post(GENERATION, "/v1/token/generation", {}, body)
    if not entered.ok or entered.body["type"] != "ACCESS":
        return
    headers = {"Authorization": f"Bearer {entered.body['jwt']}"}
    dates = ask_dates(user, headers)
    if not dates.ok or not dates.body["dates"]:
        return
    date = str(dates.body["dates"][0])
    seats = ask_seats(user, headers, {"date": date})
    if not seats.ok or not len(seats.body):
        return
    seat = int(seats.body.seats[user.rng.index(len(seats.body))][0])
    booked = ask_booking(user, headers, date, seat)
    if booked.ok:
        ask_payment(user, headers, booked.body["bookingId"])
