"""Paying, as it was and repaired."""

import pytest
from sqlalchemy import update

from model import schema
from model.policy import Policy
from tests.support.model_world import PRICE, ModelWorld

BOTH = pytest.mark.parametrize("policy", [Policy(), Policy.incident()], ids=["fixed", "incident"])


def booked(policy, **kwargs):
    world = ModelWorld(policy, capacity=1, **kwargs)
    token = world.token(1)
    world.book(token)
    world.runtime.drain()
    return world, token


@BOTH
def test_a_payment_deducts_the_price_and_is_written(policy):
    world, token = booked(policy)
    assert world.pay(token, 1).body == {"paymentId": 1}
    (paid,) = world.rows(schema.payment)
    assert (paid.booking_id, paid.user_id, paid.amount) == (1, 1, PRICE)
    assert world.rows(schema.booking)[0].status == "PAID"
    assert world.rows(schema.user_point)[0].point == 1000 - PRICE


@BOTH
@pytest.mark.parametrize("booking_id", ["undefined", "", "-1", "1.0", "9" * 30, "\u0663"])
def test_a_booking_id_that_is_no_number_is_a_bad_request(policy, booking_id):
    world, token = booked(policy)
    with world.logged() as entries:
        response = world.pay(token, booking_id)
    assert (response.status, response.error) == (400, "TypeMismatchError")
    assert not entries


@BOTH
def test_an_unknown_booking_is_not_found(policy):
    world, token = booked(policy)
    assert (world.pay(token, 7).status, world.pay(token, 7).body["code"]) == (404, 3001)


@BOTH
@pytest.mark.parametrize("status", ["PAID", "CANCELLED"])
def test_only_a_reserved_booking_can_be_paid(policy, status):
    world, token = booked(policy)
    world.execute(update(schema.booking).values(status=status))
    response = world.pay(token, 1)
    assert (response.status, response.body["code"]) == (
        409 if policy.seat_lock_owned else 500,
        3002,
    )
    assert world.row_count(schema.payment) == 0


@BOTH
def test_too_few_points_leave_everything_as_it_was(policy):
    world, token = booked(policy, point=PRICE - 1)
    response = world.pay(token, 1)
    assert (response.status, response.body["code"]) == (500, 4003)
    assert world.rows(schema.booking)[0].status == "RESERVED"
    assert world.passed() == [1]


def test_a_booking_cancelled_between_read_and_payment_is_not_paid():
    world, token = booked(Policy())
    cashier = world.service._cashier
    set_paid = cashier._set_paid

    def cancelled_meanwhile(connection, booking_id):
        connection.execute(update(schema.booking).values(status="CANCELLED"))
        set_paid(connection, booking_id)

    cashier._set_paid = cancelled_meanwhile
    response = world.pay(token, 1)
    assert (response.status, response.error) == (409, "BookingGoneError")
    assert world.row_count(schema.payment) == 0


@pytest.mark.parametrize(
    ("policy", "left"),
    [(Policy(), []), (Policy().with_defect("D8"), [1]), (Policy.incident(), [1])],
)
def test_a_payment_gives_the_slot_back_only_by_uuid(policy, left):
    world, token = booked(policy)
    world.pay(token, 1)
    assert world.passed() == left


def test_a_slot_that_was_given_back_goes_to_the_head_of_the_line():
    world, token = booked(Policy())
    waiting = [world.token(2), world.token(3)]
    world.pay(token, 1)
    world.service.sweep()
    assert (world.passed(), world.waiting()) == ([2], [3])
    assert [world.position(token) for token in waiting] == [0, 1]


def test_a_slot_that_cannot_be_given_back_does_not_undo_a_payment():
    world, token = booked(Policy())
    room = world.service._waiting_room
    release = room.release

    def unreachable(*args):
        world.redis_server.connected = False
        release(*args)

    room.release = unreachable
    assert world.pay(token, 1).status == 200


def test_the_event_is_marked_by_its_own_id():
    world, token = booked(Policy())
    world.pay(token, 1)
    world.runtime.drain()
    assert [(row.topic, row.status) for row in world.rows(schema.outbox)] == [
        ("booking", "PUBLISHED"),
        ("payment", "PUBLISHED"),
    ]


def test_the_event_looked_up_by_the_wrong_id_stays_pending_until_the_retry():
    world, token = booked(Policy.incident())
    world.pay(token, 1)
    with world.logged() as entries:
        world.runtime.drain()
    assert entries == [("SimpleAsyncUncaughtExceptionHandler", "OutboxRowMissingError")]
    assert world.rows(schema.outbox)[1].status == "PENDING"
    world.service._outbox.retry_pending()
    assert world.rows(schema.outbox)[1].status == "PUBLISHED"
    assert [topic for topic, _ in world.broker.sent] == ["booking", "payment", "payment"]
