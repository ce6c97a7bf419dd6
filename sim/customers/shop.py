"""The requests of a purchase, as every shipped customer sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.customers.user import Answer, User

CONCERT = 1
GENERATION = "POST /v1/token/generation"
CHECK = "GET /v1/token/check"
DATES = "GET /v1/concerts/{id}/available-dates"
SEATS = "GET /v1/concerts/{id}/available-seats"
BOOKING = "POST /v1/concerts/{id}/booking"
PAYMENT = "POST /v1/bookings/{id}/payment"

_PATH = f"/v1/concerts/{CONCERT}"


def ask_dates(user: User, headers: Mapping[str, str], *, patience_s: float | None = None) -> Answer:
    """Ask for the dates that have free seats."""
    return user.get(DATES, f"{_PATH}/available-dates", headers, patience_s=patience_s)


def ask_seats(
    user: User,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    *,
    patience_s: float | None = None,
) -> Answer:
    """Ask for the free seats of the `date` in the query, on its `page` if it has one."""
    return user.get(SEATS, f"{_PATH}/available-seats", headers, query, patience_s=patience_s)


def ask_booking(user: User, headers: Mapping[str, str], date: str, seat_id: int) -> Answer:
    """Book a seat."""
    return user.post(BOOKING, f"{_PATH}/booking", headers, {"date": date, "seatId": seat_id})


def ask_payment(user: User, headers: Mapping[str, str], booking_id: int | str) -> Answer:
    """Pay for a booking."""
    return user.post(PAYMENT, f"/v1/bookings/{booking_id}/payment", headers, {})
