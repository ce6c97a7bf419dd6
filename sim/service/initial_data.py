"""The tables before the run: one concert on one date, its seats, and everyone who may buy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from model.schema import (
    CANCELLED,
    PAID,
    booking,
    concert,
    concert_schedule,
    payment,
    seat,
    token_history,
    user,
    user_point,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Table

    from sim.world import Catalogue

CONCERT_ID: Final = 1
SCHEDULE_ID: Final = 1
CONCERT_DATE: Final = "2025-01-01"
_SEATS_PER_ROW: Final = 50
_DAY_MS: Final = 86_400_000


def uuid_of(user_id: int) -> str:
    """Return the 36-character uuid of a user: its number, spelled as a uuid."""
    return f"00000000-0000-4000-8000-{user_id:012d}"


class Fillable(Protocol):
    """A database that rows can be put into from outside."""

    def seed_rows(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows."""
        ...


def fill_tables(database: Fillable, catalogue: Catalogue, token_life_s: float = 0.0) -> None:
    """Insert what is there before anyone comes. Takes no simulated time.

    Args:
        database: gets the rows.
        catalogue: says which.
        token_life_s: of the tokens of a load that was stopped before.
    """
    sold = min(catalogue.earlier.payments, catalogue.seats)
    users = range(1, catalogue.users + 1)
    database.seed_rows(
        user,
        [{"id": number, "uuid": uuid_of(number), "name": f"user-{number}"} for number in users],
    )
    points = catalogue.user_points
    database.seed_rows(
        user_point, [{"id": number, "user_id": number, "point": points} for number in users]
    )
    database.seed_rows(
        concert, [{"id": CONCERT_ID, "title": "concert", "capacity": catalogue.capacity}]
    )
    schedule = {
        "id": SCHEDULE_ID,
        "concert_id": CONCERT_ID,
        "concert_date": CONCERT_DATE,
        "capacity": catalogue.seats,
        "occupied_count": sold,
    }
    database.seed_rows(concert_schedule, [schedule])
    database.seed_rows(
        seat,
        [
            {
                "id": number,
                "schedule_id": SCHEDULE_ID,
                "row_no": (number - 1) // _SEATS_PER_ROW + 1,
                "seat_no": (number - 1) % _SEATS_PER_ROW + 1,
                "price": catalogue.seat_price,
                "is_occupied": int(number <= sold),
            }
            for number in range(1, catalogue.seats + 1)
        ],
    )
    _fill_earlier(database, catalogue, sold, token_life_s)


def _fill_earlier(database: Fillable, catalogue: Catalogue, sold: int, token_life_s: float) -> None:
    """Rows of tries by hand, a day old, and token rows of a load that was stopped."""
    earlier = catalogue.earlier
    opening_ms = 1_000 * catalogue.opening_epoch_s
    long_ago_ms = opening_ms - _DAY_MS
    before_ms = opening_ms - round(1_000 * earlier.load_before_s)
    tried = [catalogue.users - number for number in range(min(earlier.tokens, catalogue.users))]
    again = range(1, min(earlier.load_users, catalogue.users) + 1)
    tokens = [_token(one, long_ago_ms, token_life_s) for one in tried]
    tokens += [_token(one, before_ms, token_life_s) for one in again]
    bookings = [
        {
            "id": number,
            "user_id": max(1, catalogue.users + 1 - number),
            "seat_id": min(number, catalogue.seats),
            "status": PAID if number <= sold else CANCELLED,
            "created_at": long_ago_ms,
        }
        for number in range(1, max(earlier.bookings, sold) + 1)
    ]
    payments = [
        {
            "id": one["id"],
            "booking_id": one["id"],
            "user_id": one["user_id"],
            "amount": catalogue.seat_price,
            "created_at": long_ago_ms,
        }
        for one in bookings[:sold]
    ]
    for table, rows in ((token_history, tokens), (booking, bookings), (payment, payments)):
        if rows:
            database.seed_rows(table, rows)


def _token(user_id: int, issued_ms: int, life_s: float) -> dict[str, Any]:
    return {
        "concert_id": CONCERT_ID,
        "uuid": uuid_of(user_id),
        "type": "ACCESS",
        "issued_at": issued_ms,
        "expires_at": issued_ms + round(1_000 * life_s),
    }
