"""Reserve a seat, and cancel bookings that were not paid in time.

The repaired statements cannot deadlock: all of them take row locks in one order (booking, seat,
schedule).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, cast

import redis
from sqlalchemy import Row, bindparam, insert, select, update

from model.clock import Clock, to_ms
from model.errors import (
    BookingNotFoundError,
    SeatLockedError,
    SeatNotFoundError,
    SeatTakenError,
    UserNotFoundError,
)
from model.inventory import Inventory, find_schedule
from model.outbox import Outbox
from model.policy import Policy
from model.ports import Connection, Database
from model.schema import (
    CANCELLED,
    PAID,
    RESERVED,
    booking,
    concert_schedule,
    insert_row,
    seat,
    user,
)

TOPIC: Final = "booking"

_SELECT_USER: Final = select(user.c.id, user.c.name).where(user.c.uuid == bindparam("uuid"))
_SELECT_SEAT: Final = select(seat.c.id, seat.c.price, seat.c.is_occupied).where(
    seat.c.id == bindparam("seat_id"), seat.c.schedule_id == bindparam("schedule_id")
)
_INSERT_BOOKING: Final = insert(booking)
_OF_SEAT: Final = seat.c.id == bindparam("seat_id")
_OCCUPY_SEAT: Final = update(seat).where(_OF_SEAT).values(is_occupied=1)
_OCCUPY_FREE_SEAT: Final = (
    update(seat).where(_OF_SEAT, seat.c.is_occupied == 0).values(is_occupied=1)
)
_FREE_SEAT: Final = update(seat).where(_OF_SEAT).values(is_occupied=0)
_OF_SCHEDULE: Final = concert_schedule.c.id == bindparam("schedule_id")
_WRITE_COUNT: Final = (
    update(concert_schedule)
    .where(_OF_SCHEDULE)
    .values(occupied_count=bindparam("new_occupied_count"))
)
_CHANGE_COUNT: Final = (
    update(concert_schedule)
    .where(_OF_SCHEDULE)
    .values(occupied_count=concert_schedule.c.occupied_count + bindparam("change"))
)
_SELECT_BOOKING: Final = (
    select(
        booking.c.id,
        booking.c.status,
        booking.c.seat_id,
        seat.c.schedule_id,
        concert_schedule.c.concert_id,
    )
    .join_from(booking, seat)
    .join(concert_schedule)
    .where(booking.c.id == bindparam("booking_id"))
)
_OF_BOOKING: Final = booking.c.id == bindparam("booking_id")
_CANCEL: Final = update(booking).where(_OF_BOOKING).values(status=CANCELLED)
_CANCEL_RESERVED: Final = (
    update(booking).where(_OF_BOOKING, booking.c.status == RESERVED).values(status=CANCELLED)
)


class CancelTimer(Protocol):
    """Runs a job once, later."""

    def __call__(
        self, time_s: float, name: str, work: Callable[[], None], *, retry_s: float | None
    ) -> None:
        """Run `work` at `time_s` (epoch seconds), again after `retry_s` if it fails."""
        ...


def find_user(connection: Connection, uuid: str) -> Row[Any]:
    """Read (id, name). Raises `UserNotFoundError`."""
    row = connection.execute(_SELECT_USER, {"uuid": uuid}).first()
    if row is None:
        raise UserNotFoundError(uuid)
    return row


class SeatLock:
    """A key in Redis per seat, so that few requests compete for the same row of the database.

    The repaired lock names its owner and expires. Its release compares the owner, then deletes the
    lock. If the lock expires between these two commands and another request takes it, the release
    deletes the other request's lock. The result is a conflict in the database, and no seat is sold
    twice: the guarded UPDATE decides which request gets the seat.
    """

    def __init__(self, store: redis.Redis, policy: Policy, new_id: Callable[[], str]) -> None:
        self._redis = cast("Any", store)
        self._policy = policy
        self._new_id = new_id

    def acquire(self, seat_id: int) -> str | None:
        """Take the lock; return the value that releases it, or None if another request has it."""
        key = _lock_key(seat_id)
        if not self._policy.seat_lock_owned:
            return "1" if self._redis.setnx(key, "1") else None
        owner = self._new_id()
        ttl_ms = int(self._policy.seat_lock_ttl_s * 1000)
        return owner if self._redis.set(key, owner, nx=True, px=ttl_ms) else None

    def release(self, seat_id: int, owner: str) -> None:
        """Release the lock, if this request still has it."""
        key = _lock_key(seat_id)
        # The booking is already decided. If the lock cannot be released, it expires with its TTL.
        with suppress(redis.RedisError):
            if self._redis.get(key) in (owner, owner.encode()):
                self._redis.delete(key)

    def release_unowned(self, seat_id: int) -> None:
        """Delete the lock, even if another request has it (D10)."""
        self._redis.delete(_lock_key(seat_id))


class BookingDesk:
    """Books seats and cancels bookings."""

    def __init__(
        self,
        *,
        policy: Policy,
        clock: Clock,
        database: Database,
        inventory: Inventory,
        outbox: Outbox,
        lock: SeatLock,
        run_at: CancelTimer,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._database = database
        self._inventory = inventory
        self._outbox = outbox
        self._lock = lock
        self._run_at = run_at

    def book(self, uuid: str, concert_id: int, concert_date: str, seat_id: int) -> int:
        """Reserve a seat; return the booking's id.

        Raises a `NotFoundError` if an id does not exist, `SeatTakenError` if the seat is taken or
        another user is booking it (the second case raises `SeatLockedError` under D10), and
        `DatabaseError`s.
        """
        try:
            if self._policy.seat_lock_owned:
                booking_id, event_id, payload = self._book_guarded(
                    uuid, concert_id, concert_date, seat_id
                )
            else:
                booking_id, event_id, payload = self._book_unguarded(
                    uuid, concert_id, concert_date, seat_id
                )
        finally:
            self._inventory.evict_dates(concert_id)
        self._outbox.publish_later(TOPIC, payload, event_id, own_id=True)
        return booking_id

    def cancel(self, booking_id: int) -> None:
        """Free the seat of a booking that was not paid.

        Raises `BookingNotFoundError` if the booking was rolled back after its cancellation had been
        planned.
        """
        with self._database.begin() as connection:
            found = connection.execute(_SELECT_BOOKING, {"booking_id": booking_id}).first()
            if found is None:
                raise BookingNotFoundError(str(booking_id))
            if found.status == PAID:
                return
            if not self._policy.seat_lock_owned:
                connection.execute(_FREE_SEAT, {"seat_id": found.seat_id})
                connection.execute(_CANCEL, {"booking_id": booking_id})
                return
            cancelled = connection.execute(_CANCEL_RESERVED, {"booking_id": booking_id})
            if cancelled.rowcount == 0:
                return
            connection.execute(_FREE_SEAT, {"seat_id": found.seat_id})
            connection.execute(_CHANGE_COUNT, {"schedule_id": found.schedule_id, "change": -1})
        self._inventory.evict_dates(found.concert_id)

    # The repaired service.

    def _book_guarded(
        self, uuid: str, concert_id: int, concert_date: str, seat_id: int
    ) -> tuple[int, int, str]:
        owner = None
        try:
            with self._database.begin() as connection:
                booker = find_user(connection, uuid)
                schedule = find_schedule(connection, concert_id, concert_date)
                owner = self._lock.acquire(seat_id)
                if owner is None:
                    # A lost race is no error of the service.
                    raise SeatTakenError(f"{seat_id} is being booked")
                self._find_free_seat(connection, seat_id, schedule.id)
                if connection.execute(_OCCUPY_FREE_SEAT, {"seat_id": seat_id}).rowcount == 0:
                    raise SeatTakenError(str(seat_id))
                booking_id = self._insert(connection, booker.id, seat_id)
                connection.execute(_CHANGE_COUNT, {"schedule_id": schedule.id, "change": 1})
                payload = _payload(booking_id, seat_id)
                event_id = self._outbox.add(connection, TOPIC, payload)
            self._plan_cancellation(booking_id)
            return booking_id, event_id, payload
        finally:
            if owner is not None:
                self._lock.release(seat_id, owner)

    # The incident's service.

    def _book_unguarded(
        self, uuid: str, concert_id: int, concert_date: str, seat_id: int
    ) -> tuple[int, int, str]:
        with self._database.begin() as connection:
            booker = find_user(connection, uuid)
            schedule = find_schedule(connection, concert_id, concert_date)
            booking_id = self._reserve_under_lock(connection, booker.id, seat_id, schedule.id)
            count = find_schedule(connection, concert_id, concert_date).occupied_count + 1
            payload = _payload(booking_id, seat_id)
            event_id = self._outbox.add(connection, TOPIC, payload)
            # The cancellation is planned before the commit. If the commit fails, the cancellation
            # will not find its booking.
            self._plan_cancellation(booking_id)
            # The mapper inserts at once, to get the ids, and updates at the commit, in the order in
            # which the rows were read. By then the seat lock is released. Two bookings of one seat
            # both hold a shared lock on the seat's row, through their foreign keys, and each waits
            # for the other.
            connection.execute(
                _WRITE_COUNT, {"schedule_id": schedule.id, "new_occupied_count": count}
            )
            connection.execute(_OCCUPY_SEAT, {"seat_id": seat_id})
        return booking_id, event_id, payload

    def _reserve_under_lock(
        self, connection: Connection, user_id: int, seat_id: int, schedule_id: int
    ) -> int:
        try:
            if self._lock.acquire(seat_id) is None:
                raise SeatLockedError(str(seat_id))
            self._find_free_seat(connection, seat_id, schedule_id)
            return self._insert(connection, user_id, seat_id)
        finally:
            self._lock.release_unowned(seat_id)

    def _find_free_seat(self, connection: Connection, seat_id: int, schedule_id: int) -> None:
        wanted = {"seat_id": seat_id, "schedule_id": schedule_id}
        found = connection.execute(_SELECT_SEAT, wanted).first()
        if found is None:
            raise SeatNotFoundError(str(seat_id))
        if found.is_occupied:
            raise SeatTakenError(str(seat_id))

    def _insert(self, connection: Connection, user_id: int, seat_id: int) -> int:
        row = {
            "user_id": user_id,
            "seat_id": seat_id,
            "status": RESERVED,
            "created_at": to_ms(self._clock.now()),
        }
        return insert_row(connection, _INSERT_BOOKING, row)

    def _plan_cancellation(self, booking_id: int) -> None:
        due_s = self._clock.now() + self._policy.booking_expiry_s
        retry_s = self._policy.sweep_retry_s if self._policy.sweep_on_own_thread else None
        self._run_at(due_s, "cancel", lambda: self.cancel(booking_id), retry_s=retry_s)


def _lock_key(seat_id: int) -> str:
    return f"lock:seatId:{seat_id}"


def _payload(booking_id: int, seat_id: int) -> str:
    return json.dumps({"bookingId": booking_id, "seatId": seat_id})
