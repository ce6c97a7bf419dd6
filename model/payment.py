"""Pay for a booking with points."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final, NamedTuple

import redis
from sqlalchemy import Row, bindparam, insert, select, update

from model.booking import find_user
from model.clock import Clock, to_ms
from model.errors import (
    BookingGoneError,
    BookingNotFoundError,
    BookingStatusError,
    NotEnoughPointsError,
)
from model.inventory import find_concert
from model.outbox import Outbox
from model.policy import Policy
from model.ports import Connection, Database
from model.schema import (
    PAID,
    RESERVED,
    booking,
    concert,
    concert_schedule,
    insert_row,
    payment,
    seat,
    user,
    user_point,
)
from model.tokens import Token
from model.waiting_room import WaitingRoom

TOPIC: Final = "payment"

_SELECT_BOOKING: Final = (
    select(
        booking.c.id,
        booking.c.status,
        user.c.name,
        seat.c.price,
        concert_schedule.c.concert_date,
        concert.c.id.label("concert_id"),
    )
    .join_from(booking, user)
    .join(seat, seat.c.id == booking.c.seat_id)
    .join(concert_schedule, concert_schedule.c.id == seat.c.schedule_id)
    .join(concert, concert.c.id == concert_schedule.c.concert_id)
    .where(booking.c.id == bindparam("booking_id"))
)
_OF_BOOKING: Final = booking.c.id == bindparam("booking_id")
_PAY: Final = update(booking).where(_OF_BOOKING).values(status=PAID)
_PAY_RESERVED: Final = (
    update(booking).where(_OF_BOOKING, booking.c.status == RESERVED).values(status=PAID)
)
_SELECT_POINT: Final = (
    select(user_point.c.id, user_point.c.point)
    .where(user_point.c.user_id == bindparam("owner_id"))
    .with_for_update()
)
_WRITE_POINT: Final = (
    update(user_point)
    .where(user_point.c.id == bindparam("point_id"))
    .values(point=bindparam("new_point"))
)
_INSERT_PAYMENT: Final = insert(payment)


class _Paid(NamedTuple):
    """The data that the event of a committed payment reports."""

    payment_id: int
    event_id: int
    payload: str


class Cashier:
    """Takes payments."""

    def __init__(
        self,
        *,
        policy: Policy,
        clock: Clock,
        database: Database,
        outbox: Outbox,
        waiting_room: WaitingRoom,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._database = database
        self._outbox = outbox
        self._waiting_room = waiting_room

    def pay(self, token: Token, booking_id: int) -> int:
        """Pay a reserved booking; return the payment's id.

        Raises `BookingNotFoundError`, `BookingGoneError` if it is not reserved any more (then
        `BookingStatusError` under D10), `NotEnoughPointsError` and `DatabaseError`s.
        """
        with self._database.begin() as connection:
            paid = self._pay(connection, token, booking_id)
        if self._policy.release_by_uuid:
            # The payment is committed. If the slot cannot be given back, it ends with its TTL.
            with suppress(redis.RedisError):
                self._waiting_room.release(token.concert_id, token.uuid)
        by_own_id = self._policy.outbox_row_by_its_id
        marked_id = paid.event_id if by_own_id else paid.payment_id
        self._outbox.publish_later(TOPIC, paid.payload, marked_id, own_id=by_own_id)
        return paid.payment_id

    def _pay(self, connection: Connection, token: Token, booking_id: int) -> _Paid:
        found = connection.execute(_SELECT_BOOKING, {"booking_id": booking_id}).first()
        if found is None:
            raise BookingNotFoundError(str(booking_id))
        if found.status != RESERVED:
            raise self._not_reserved(found.status)
        self._set_paid(connection, booking_id)
        payer = find_user(connection, token.uuid)
        self._deduct(connection, payer.id, found.price)
        payment_id = self._insert(connection, found, payer.id)
        if not self._policy.release_by_uuid:
            self._waiting_room.release_token(token.concert_id, token.raw)
        title = find_concert(connection, found.concert_id).title
        payload = json.dumps({"paymentId": payment_id, "bookingId": booking_id, "title": title})
        return _Paid(payment_id, self._outbox.add(connection, TOPIC, payload), payload)

    def _set_paid(self, connection: Connection, booking_id: int) -> None:
        statement = _PAY_RESERVED if self._policy.seat_lock_owned else _PAY
        if connection.execute(statement, {"booking_id": booking_id}).rowcount == 0:
            raise self._not_reserved("cancelled or paid meanwhile")

    def _not_reserved(self, found: str) -> BookingGoneError | BookingStatusError:
        # A payment that comes a moment too late has lost a race; this is no error of the service.
        repaired = self._policy.seat_lock_owned
        return BookingGoneError(found) if repaired else BookingStatusError(found)

    def _deduct(self, connection: Connection, user_id: int, price: int) -> None:
        account = connection.execute(_SELECT_POINT, {"owner_id": user_id}).first()
        if account is None or account.point < price:
            raise NotEnoughPointsError(str(price))
        connection.execute(
            _WRITE_POINT, {"point_id": account.id, "new_point": account.point - price}
        )

    def _insert(self, connection: Connection, found: Row[Any], user_id: int) -> int:
        row = {
            "booking_id": found.id,
            "user_id": user_id,
            "amount": found.price,
            "created_at": to_ms(self._clock.now()),
        }
        return insert_row(connection, _INSERT_PAYMENT, row)
