"""The tables before the run: one concert on one date, its seats, and everyone who may buy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from model.schema import concert, concert_schedule, seat, user, user_point

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Table

    from sim.world import Catalogue

CONCERT_ID: Final = 1
SCHEDULE_ID: Final = 1
CONCERT_DATE: Final = "2025-01-01"
_SEATS_PER_ROW: Final = 50


def uuid_of(user_id: int) -> str:
    """Return the 36-character uuid of a user: its number, spelled as a uuid."""
    return f"00000000-0000-4000-8000-{user_id:012d}"


class Fillable(Protocol):
    """A database that rows can be put into from outside."""

    def seed_rows(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows."""
        ...


def fill_tables(database: Fillable, catalogue: Catalogue) -> None:
    """Insert what is there before anyone comes. Takes no simulated time."""
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
        "occupied_count": 0,
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
                "is_occupied": 0,
            }
            for number in range(1, catalogue.seats + 1)
        ],
    )
