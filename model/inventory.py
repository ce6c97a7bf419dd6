"""Dates of a concert that have free seats, and the free seats of a date."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from sqlalchemy import BindParameter, Row, bindparam, select

from model.errors import (
    ConcertNotFoundError,
    NoFreeSeatError,
    ScheduleNotFoundError,
    TypeMismatchError,
)
from model.http import SeatList
from model.policy import Policy
from model.ports import Connection, Database
from model.schema import concert, concert_schedule, seat

_CONCERT_ID: Final[BindParameter[Any]] = bindparam("concert_id")
_SELECT_CONCERT: Final = select(concert.c.id, concert.c.title, concert.c.capacity).where(
    concert.c.id == _CONCERT_ID
)
_SELECT_SCHEDULES: Final = (
    select(
        concert_schedule.c.id,
        concert_schedule.c.concert_date,
        concert_schedule.c.capacity,
        concert_schedule.c.occupied_count,
        concert.c.title,
    )
    .join_from(concert_schedule, concert)
    .where(concert_schedule.c.concert_id == _CONCERT_ID)
    .order_by(concert_schedule.c.concert_date)
)
_SELECT_SCHEDULE: Final = select(
    concert_schedule.c.id, concert_schedule.c.capacity, concert_schedule.c.occupied_count
).where(
    concert_schedule.c.concert_id == _CONCERT_ID,
    concert_schedule.c.concert_date == bindparam("concert_date"),
)
_SELECT_FREE_SEATS: Final = (
    select(seat.c.id, seat.c.row_no, seat.c.seat_no)
    .where(seat.c.schedule_id == bindparam("schedule_id"), seat.c.is_occupied == 0)
    .order_by(seat.c.row_no, seat.c.seat_no)
)
_SELECT_PAGE: Final = _SELECT_FREE_SEATS.limit(bindparam("size")).offset(bindparam("skipped"))


def find_concert(connection: Connection, concert_id: int) -> Row[Any]:
    """Read (id, title, capacity). Raises `ConcertNotFoundError`."""
    row = connection.execute(_SELECT_CONCERT, {"concert_id": concert_id}).first()
    if row is None:
        raise ConcertNotFoundError(str(concert_id))
    return row


def find_schedule(connection: Connection, concert_id: int, concert_date: str) -> Row[Any]:
    """Read (id, capacity, occupied_count): two statements, the concert first.

    Raises `ConcertNotFoundError` and `ScheduleNotFoundError`.
    """
    find_concert(connection, concert_id)
    row = connection.execute(
        _SELECT_SCHEDULE, {"concert_id": concert_id, "concert_date": concert_date}
    ).first()
    if row is None:
        raise ScheduleNotFoundError(concert_date)
    return row


def as_date(value: object) -> str:
    """Check a date (YYYY-MM-DD). Raises `TypeMismatchError`."""
    if not isinstance(value, str) or len(value) != len("YYYY-MM-DD"):
        raise TypeMismatchError("date: allowed: YYYY-MM-DD")
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise TypeMismatchError("date: allowed: YYYY-MM-DD") from None


class Inventory:
    """Dates and seats; dates are kept in the process until a booking call evicts them."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy
        self._dates: dict[int, dict[str, Any]] = {}
        self._evictions = 0

    def available_dates(self, concert_id: int) -> dict[str, Any]:
        """List the dates with free seats: `{"concertId", "dates": [...]}`."""
        answer = self._dates.get(concert_id)
        if answer is not None:
            return answer
        evictions = self._evictions
        answer = {"concertId": concert_id, "dates": self._read_dates(concert_id)}
        # An answer that was read before another user's booking and stored after it would stay
        # wrong.
        if evictions == self._evictions:
            self._dates[concert_id] = answer
        return answer

    def evict_dates(self, concert_id: int) -> None:
        """Forget a concert's dates."""
        self._evictions += 1
        self._dates.pop(concert_id, None)

    def available_seats(self, concert_id: int, concert_date: str, page: int) -> SeatList:
        """List the free seats of a date, all of them or a page.

        Raises `ConcertNotFoundError`, `ScheduleNotFoundError` and, unless a sold-out list is an
        empty list, `NoFreeSeatError`.
        """
        with self._database.begin(read_only=True) as connection:
            schedule = find_schedule(connection, concert_id, concert_date)
            seats = self._read_seats(connection, schedule, page)
        past_the_end = seats.page > 0 and seats.page >= seats.pages
        if not seats.seats and not past_the_end and not self._policy.sold_out_is_empty:
            raise NoFreeSeatError(concert_date)
        return seats

    def _read_dates(self, concert_id: int) -> list[str]:
        with self._database.begin(read_only=True) as connection:
            schedules = connection.execute(_SELECT_SCHEDULES, {"concert_id": concert_id}).all()
        return [row.concert_date for row in schedules if row.capacity > row.occupied_count]

    def _read_seats(self, connection: Connection, schedule: Row[Any], page: int) -> SeatList:
        found: dict[str, Any] = {"schedule_id": schedule.id}
        if not self._policy.seats_paged:
            return SeatList(connection.execute(_SELECT_FREE_SEATS, found).all())
        size = self._policy.seat_page_size
        # The number comes from the schedule's row, so a page does not visit every free seat.
        pages = -(-max(schedule.capacity - schedule.occupied_count, 0) // size)
        found |= {"size": size, "skipped": page * size}
        return SeatList(connection.execute(_SELECT_PAGE, found).all(), page, pages)
