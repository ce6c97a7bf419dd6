"""Booking and cancelling, as they were and repaired."""

from contextlib import contextmanager

import pytest

from model import schema
from model.errors import BookingNotFoundError, BrokerUnavailableError, DeadlockError
from model.policy import Policy
from tests.support.model_world import ModelWorld

BOTH = pytest.mark.parametrize("policy", [Policy(), Policy.incident()], ids=["fixed", "incident"])
LOCK = "lock:seatId:1"


def entered(policy, users=1):
    world = ModelWorld(policy, capacity=5)
    return world, *(world.token(n) for n in range(1, users + 1))


@BOTH
def test_a_booking_occupies_the_seat_counts_it_and_reports_it(policy):
    world, token = entered(policy)
    assert world.book(token).body == {"bookingId": 1}
    (booking,) = world.rows(schema.booking)
    assert (booking.status, booking.user_id, booking.seat_id) == ("RESERVED", 1, 1)
    assert world.seat().is_occupied == 1
    assert world.schedule().occupied_count == 1
    assert [row.status for row in world.rows(schema.outbox)] == ["PENDING"]
    world.runtime.drain()
    assert [row.status for row in world.rows(schema.outbox)] == ["PUBLISHED"]
    assert [topic for topic, _ in world.broker.sent] == ["booking"]


@BOTH
def test_a_taken_seat_is_a_conflict(policy):
    world, mine, yours = entered(policy, 2)
    world.book(mine)
    with world.logged() as entries:
        response = world.book(yours)
    assert (response.status, response.body["code"]) == (409, 3003)
    assert entries == [("ApiControllerAdvice", "SeatTakenError")]
    assert world.row_count(schema.booking) == 1


def test_a_locked_seat_is_refused_as_an_error_as_it_was():
    world, token = entered(Policy.incident())
    world.raw_redis.set(LOCK, "1")
    response = world.book(token)
    assert (response.status, response.body["code"]) == (500, 7001)
    assert world.row_count(schema.booking) == 0


def test_a_locked_seat_is_a_lost_race_when_repaired():
    world, token = entered(Policy())
    world.raw_redis.set(LOCK, "1")
    response = world.book(token)
    assert (response.status, response.body["code"]) == (409, 3003)
    assert world.row_count(schema.booking) == 0


def test_a_lock_that_was_not_obtained_is_deleted_all_the_same_as_it_was():
    world, token = entered(Policy.incident())
    world.raw_redis.set(LOCK, "1")
    world.book(token)
    assert world.raw_redis.get(LOCK) is None


def test_a_lock_that_was_not_obtained_stays_with_its_owner_when_owned():
    world, token = entered(Policy())
    world.raw_redis.set(LOCK, "somebody else")
    world.book(token)
    assert world.raw_redis.get(LOCK) == b"somebody else"


def lock_states(world, token):
    """Value and TTL (s) of the lock at the last statement on each table during a booking."""
    seen = {}
    begin = world.database.begin

    class Watching:
        def __init__(self, connection):
            self.connection = connection

        def execute(self, statement, parameters=None):
            name = getattr(getattr(statement, "table", None), "name", "select")
            seen[name] = (world.raw_redis.get(LOCK), world.raw_redis.ttl(LOCK))
            return self.connection.execute(statement, parameters)

    @contextmanager
    def watched(**kwargs):
        with begin(**kwargs) as connection:
            yield Watching(connection)

    world.database.begin = watched
    assert world.book(token).status == 200
    return seen


def test_the_lock_has_no_owner_no_ttl_and_is_gone_before_the_updates_as_it_was():
    world, token = entered(Policy.incident())
    states = lock_states(world, token)
    assert states["booking"] == (b"1", -1)
    assert states["seat"] == states["concert_schedule"] == (None, -2)


def test_the_owned_lock_has_a_ttl_and_lasts_until_after_the_last_statement():
    world, token = entered(Policy())
    states = lock_states(world, token)
    assert states["seat"] == (b"owner-1", 60)
    assert states["outbox"] == (b"owner-1", 60)
    assert world.raw_redis.get(LOCK) is None


def test_the_owned_lock_is_released_after_the_commit():
    world, token = entered(Policy())
    order = []
    desk = world.service._desk
    release = desk._lock.release
    desk._lock.release = lambda *args: (
        order.append(world.database.counts["commit"]),
        release(*args),
    )
    commits = world.database.counts["commit"]
    world.book(token)
    assert order == [commits + 1]


def test_a_lock_that_cannot_be_released_does_not_undo_a_booking():
    world, token = entered(Policy())
    lock = world.service._desk._lock
    release = lock.release

    def unreachable(*args):
        world.redis_server.connected = False
        release(*args)

    lock.release = unreachable
    assert world.book(token).status == 200


@BOTH
def test_a_rollback_leaves_nothing_behind(policy):
    world, token = entered(policy)
    world.database.fail_commit = DeadlockError("victim")
    with world.logged() as entries:
        response = world.book(token)
    world.database.fail_commit = None
    assert (response.status, response.error) == (500, "DeadlockError")
    assert entries == [("ApiControllerAdvice", "DeadlockError")]
    assert world.row_count(schema.booking) == world.row_count(schema.outbox) == 0
    assert world.seat().is_occupied == world.schedule().occupied_count == 0
    assert world.raw_redis.get(LOCK) is None
    assert not world.runtime.tasks


def planned_cancellations(world):
    return [job.work for _, job in world.service._scheduler._incoming if job.name == "cancel"]


def test_a_rolled_back_booking_leaves_its_cancellation_behind_as_it_was():
    world, token = entered(Policy.incident())
    world.database.fail_commit = DeadlockError("victim")
    world.book(token)
    world.database.fail_commit = None
    (cancel,) = planned_cancellations(world)
    with pytest.raises(BookingNotFoundError):
        cancel()


def test_a_rolled_back_booking_plans_no_cancellation_when_repaired():
    world, token = entered(Policy())
    world.database.fail_commit = DeadlockError("victim")
    world.book(token)
    assert planned_cancellations(world) == []


@BOTH
def test_a_cancellation_is_planned_at_the_bookings_expiry(policy):
    world, token = entered(policy)
    world.book(token)
    assert [due for due, _ in world.service._scheduler._incoming] == [world.clock.now_s + 300]


@pytest.mark.parametrize(("policy", "count"), [(Policy(), 0), (Policy.incident(), 1)])
def test_an_unpaid_booking_is_cancelled_and_its_seat_free_again(policy, count):
    world, token = entered(policy)
    world.book(token)
    (cancel,) = planned_cancellations(world)
    cancel()
    assert world.rows(schema.booking)[0].status == "CANCELLED"
    assert world.seat().is_occupied == 0
    assert world.schedule().occupied_count == count
    assert world.book(token).status == 200


@BOTH
def test_a_paid_booking_is_not_cancelled(policy):
    world, token = entered(policy)
    world.book(token)
    assert world.pay(token, 1).status == 200
    (cancel,) = planned_cancellations(world)
    cancel()
    assert world.rows(schema.booking)[0].status == "PAID"
    assert world.seat().is_occupied == 1


def test_a_second_cancellation_does_not_free_the_next_owners_seat():
    world, mine, yours = entered(Policy(), 2)
    world.book(mine)
    (cancel,) = planned_cancellations(world)
    cancel()
    world.book(yours)
    cancel()
    assert world.seat().is_occupied == 1
    assert world.schedule().occupied_count == 1


def test_a_date_that_was_sold_out_is_offered_again_after_a_cancellation():
    world = ModelWorld(Policy(), capacity=5, seats=1)
    token = world.token(1)
    world.book(token)
    assert world.dates(token).body["dates"] == []
    planned_cancellations(world)[0]()
    assert len(world.dates(token).body["dates"]) == 1


@pytest.mark.parametrize("seat", [0, 99, 2**62])
@BOTH
def test_an_unknown_seat_is_not_found(policy, seat):
    world, token = entered(policy)
    assert world.book(token, seat).error == "SeatNotFoundError"


def test_a_broker_that_is_away_delays_no_booking_and_the_retry_delivers():
    world, token = entered(Policy())
    world.broker.away = True
    assert world.book(token).status == 200
    with world.logged() as entries:
        world.runtime.drain()
    assert entries == [("SimpleAsyncUncaughtExceptionHandler", "BrokerUnavailableError")]
    outbox = world.service._outbox
    with pytest.raises(BrokerUnavailableError):
        outbox.retry_pending()
    world.broker.away = False
    outbox.retry_pending()
    outbox.retry_pending()
    assert [topic for topic, _ in world.broker.sent] == ["booking"]
    assert world.rows(schema.outbox)[0].status == "PUBLISHED"
