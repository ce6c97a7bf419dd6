"""Row locks, their queues, and what happens when waiting does not end well."""

import time

import pytest
from sqlalchemy import bindparam, select, update

from model.errors import DeadlockError, LockTimeoutError
from model.schema import METADATA as SERVICE_METADATA
from model.schema import booking, concert, concert_schedule, seat, user
from sim.database import SimulatedDatabase
from sim.kernel.environment import Environment
from sim.stations.connection_pool import ConnectionPool
from tests.unit.database.database_world import (
    ADD,
    BALANCE,
    BALANCE_LOCKED,
    BALANCE_SHARED,
    BOOK,
    CLOSE,
    OPEN,
    SET,
    Bank,
    Meter,
    account,
)


def holder(bank, statement, until_s, of_id=1, **more):
    def run():
        with bank.db.begin() as connection:
            connection.execute(statement, {"of_id": of_id, **more})
            granted_s = bank.env.now
            bank.at(until_s)
            return granted_s

    return run


def later(bank, start_s, target):
    def run():
        bank.at(start_s)
        return target()

    return run


def test_locks_are_granted_in_the_order_in_which_they_were_asked_for():
    bank = Bank()
    order = []

    def waiter(number):
        def run():
            bank.at(number * 0.1)
            with bank.db.begin() as connection:
                connection.execute(BALANCE_LOCKED, {"of_id": 1})
                order.append(number)
                bank.env.sleep(1.0)

        return run

    bank.run(**{f"w{number}": waiter(number) for number in range(6)})
    assert order == list(range(6))
    assert bank.db.locks.waits == 5
    assert bank.clean


def test_shared_locks_go_together_and_wait_behind_an_exclusive_request():
    bank = Bank()
    outcome = bank.run(
        reader=holder(bank, BALANCE_SHARED, 1.0),
        second=later(bank, 0.1, holder(bank, BALANCE_SHARED, 1.0)),
        writer=later(bank, 0.2, holder(bank, SET, 2.0, to=1)),
        third=later(bank, 0.3, holder(bank, BALANCE_SHARED, 3.0)),
        fourth=later(bank, 0.4, holder(bank, BALANCE_SHARED, 3.0)),
    )
    assert outcome == {"reader": 0.0, "second": 0.1, "writer": 1.0, "third": 2.0, "fourth": 2.0}


def test_a_plain_read_waits_for_nobody():
    bank = Bank()
    outcome = bank.run(
        writer=holder(bank, SET, 5.0, to=1), reader=later(bank, 1, holder(bank, BALANCE, 1.0))
    )
    assert outcome["reader"] == 1.0


def test_waiting_for_a_lock_ends_after_the_timeout_and_costs_the_statement_only():
    bank = Bank(lock_wait_timeout_s=2.0)

    def waits():
        bank.at(0.5)
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 2, "to": 5})
            with pytest.raises(LockTimeoutError):
                connection.execute(SET, {"of_id": 1, "to": 5})
            timed_out_s = bank.env.now
            connection.execute(SET, {"of_id": 3, "to": 5})
        return timed_out_s

    outcome = bank.run(holds=holder(bank, SET, 10.0, to=1), waits=waits)
    assert outcome["waits"] == 2.5
    assert bank.balances == {1: 1, 2: 5, 3: 5}
    assert bank.db.locks.timeouts == 1
    assert bank.clean


def test_a_timed_out_exclusive_request_lets_the_readers_behind_it_pass():
    bank = Bank(lock_wait_timeout_s=2.0)
    outcome = bank.run(
        reader=holder(bank, BALANCE_SHARED, 10.0),
        writer=later(bank, 0.5, holder(bank, SET, 20.0, to=1)),
        second=later(bank, 1.0, holder(bank, BALANCE_SHARED, 20.0)),
    )
    assert isinstance(outcome["writer"], LockTimeoutError)
    assert outcome["second"] == 2.5


def crossing(bank, first, second, start_s=0.0, extra=()):
    def run():
        bank.at(start_s)
        with bank.db.begin() as connection:
            for of_id in extra:
                connection.execute(ADD, {"of_id": of_id, "amount": 1})
            connection.execute(ADD, {"of_id": first, "amount": 1})
            bank.env.sleep(1.0)
            connection.execute(ADD, {"of_id": second, "amount": 1})
        return bank.env.now

    return run


def test_a_deadlock_costs_the_cheaper_transaction():
    bank = Bank(accounts=6)
    outcome = bank.run(cheap=crossing(bank, 1, 2), dear=crossing(bank, 2, 1, 0.5, extra=(4, 5, 6)))
    assert isinstance(outcome["cheap"], DeadlockError)
    assert outcome["dear"] == 1.5
    assert bank.balances == {1: 101, 2: 101, 3: 100, 4: 101, 5: 101, 6: 101}
    assert bank.db.locks.deadlocks == 1
    assert bank.clean


def test_between_equals_the_one_that_closes_the_circle_is_rolled_back():
    bank = Bank()
    outcome = bank.run(one=crossing(bank, 1, 2), two=crossing(bank, 2, 1, 0.5))
    assert outcome["one"] == 1.5
    assert isinstance(outcome["two"], DeadlockError)


def test_a_circle_of_three_is_found():
    bank = Bank()
    outcome = bank.run(
        one=crossing(bank, 1, 2), two=crossing(bank, 2, 3, 0.1), three=crossing(bank, 3, 1, 0.2)
    )
    failed = [name for name, result in outcome.items() if isinstance(result, DeadlockError)]
    assert failed == ["three"]
    assert bank.balances == {1: 101, 2: 102, 3: 101}


def test_a_victim_holds_nothing_from_the_moment_it_is_chosen():
    bank = Bank(accounts=6)

    def victim():
        with bank.db.begin() as connection:
            connection.execute(ADD, {"of_id": 1, "amount": 1})
            bank.at(1.0)
            try:
                connection.execute(ADD, {"of_id": 2, "amount": 1})
            except DeadlockError:
                # Slow to give up, and it even tries to go on.
                bank.at(5.0)
                with pytest.raises(DeadlockError):
                    connection.execute(BALANCE, {"of_id": 1})

    outcome = bank.run(victim=victim, dear=crossing(bank, 2, 1, 0.5, extra=(4, 5, 6)))
    assert outcome == {"victim": None, "dear": 1.5}
    assert bank.balances[1] == 101


def test_raising_a_shared_lock_that_others_share_is_a_deadlock():
    bank = Bank()

    def raises(start_s):
        def run():
            bank.at(start_s)
            with bank.db.begin() as connection:
                connection.execute(BALANCE_SHARED, {"of_id": 1})
                bank.at(1.0 + start_s)
                connection.execute(ADD, {"of_id": 1, "amount": 1})
            return bank.env.now

        return run

    outcome = bank.run(one=raises(0.0), two=raises(0.5))
    assert outcome["one"] == 1.5
    assert isinstance(outcome["two"], DeadlockError)
    assert bank.balances[1] == 101


def test_raising_a_shared_lock_alone_needs_no_wait():
    bank = Bank()

    def raises():
        with bank.db.begin() as connection:
            connection.execute(BALANCE_SHARED, {"of_id": 1})
            connection.execute(ADD, {"of_id": 1, "amount": 1})
            return bank.env.now

    assert bank.run(one=raises)["one"] == 0.0


def test_raising_a_shared_lock_deadlocks_with_an_exclusive_request_that_came_first():
    bank = Bank()

    def raises():
        with bank.db.begin() as connection:
            connection.execute(BALANCE_SHARED, {"of_id": 1})
            bank.at(1.0)
            connection.execute(ADD, {"of_id": 1, "amount": 1})
        return bank.env.now

    outcome = bank.run(raises=raises, writer=later(bank, 0.5, holder(bank, SET, 2.0, to=1)))
    failed = [name for name, result in outcome.items() if isinstance(result, DeadlockError)]
    assert len(failed) == 1


def test_a_child_row_keeps_its_parent_from_being_changed_or_deleted():
    bank = Bank()

    def inserts():
        with bank.db.begin() as connection:
            connection.execute(BOOK, {"account_id": 1, "day": 1, "amount": 1})
            bank.at(1.0)

    outcome = bank.run(
        inserts=inserts,
        other=later(bank, 0.1, inserts),
        closes=later(bank, 0.5, holder(bank, CLOSE, 0.5)),
    )
    assert outcome["inserts"] is None
    assert outcome["other"] is None
    # It waited until both were there, and the foreign key then refused.
    assert "FOREIGN KEY" in str(outcome["closes"])
    assert 1 in bank.balances


def test_after_waiting_the_rows_of_a_condition_are_looked_up_again():
    bank = Bank()
    rich = select(account.c.id).where(account.c.balance >= bindparam("least")).with_for_update()

    def reader():
        bank.at(0.5)
        with bank.db.begin() as connection:
            return connection.execute(rich, {"least": 100}).scalars().all()

    def writer():
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 2, "to": 0})
            bank.at(1.0)

    assert bank.run(writer=writer, reader=reader)["reader"] == [1, 3]


def test_rows_that_match_only_after_the_wait_are_locked_and_changed_too():
    bank = Bank()
    tax = (
        update(account)
        .where(account.c.balance >= bindparam("least"))
        .values(balance=account.c.balance - 10)
    )

    def mover():
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 2, "to": 0})
            connection.execute(SET, {"of_id": 4, "to": 300})
            bank.at(1.0)

    def taxman():
        bank.at(0.5)
        with bank.db.begin() as connection:
            rows = connection.execute(tax, {"least": 100}).rowcount
            bank.at(3.0)
            return rows

    def payer():
        # Applies and takes back the taxman's changes, and wants a row of theirs.
        bank.at(2.0)
        with bank.db.begin() as connection:
            connection.execute(ADD, {"of_id": 2, "amount": 1})
            connection.execute(ADD, {"of_id": 4, "amount": 1})
            return bank.env.now

    bank.db.seed_rows(account, [{"id": 4, "owner": "late", "branch": 1, "balance": 0}])
    outcome = bank.run(mover=mover, taxman=taxman, payer=payer)
    assert outcome["taxman"] == 3
    assert outcome["payer"] == 3.0
    assert bank.balances == {1: 90, 2: 1, 3: 90, 4: 291}


def test_a_row_that_is_being_inserted_is_locked():
    bank = Bank()

    def opener():
        with bank.db.begin() as connection:
            connection.execute(OPEN, {"owner": "new", "branch": 1, "balance": 1})
            bank.at(1.0)

    outcome = bank.run(
        opener=opener,
        adder=later(bank, 0.5, holder(bank, ADD, 0.0, of_id=4, amount=1)),
        booker=later(bank, 0.6, holder(bank, BOOK, 0.0, account_id=4, day=1, amount=1)),
    )
    assert outcome == {"opener": None, "adder": 1.0, "booker": 1.0}
    assert bank.balances[4] == 2


def test_a_write_by_condition_locks_what_it_changes_only():
    bank = Bank(accounts=20)
    raise_branch = (
        update(account).where(account.c.branch == 1).values(balance=account.c.balance + 1)
    )

    def writer():
        with bank.db.begin() as connection:
            connection.execute(raise_branch)
            bank.at(1.0)

    outcome = bank.run(
        writer=writer,
        same=later(bank, 0.5, holder(bank, ADD, 0.5, of_id=11, amount=1)),
        other=later(bank, 0.5, holder(bank, ADD, 0.5, of_id=2, amount=1)),
    )
    assert outcome["same"] == 1.0
    assert outcome["other"] == 0.5
    assert bank.balances[11] == 102


@pytest.mark.parametrize("killed_s", [0.7, 1.5])
def test_killing_a_thread_releases_its_locks_and_its_connection_at_once(killed_s):
    # At 0.7 s it waits for a lock, at 1.5 s it holds that lock too and sleeps.
    bank = Bank()

    def works():
        bank.at(0.5)
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 2, "to": 9})
            connection.execute(SET, {"of_id": 1, "to": 9})
            bank.at(3.0)

    def kills():
        bank.at(killed_s)
        calls = len(bank.meter.calls)
        thread.kill()
        bank.env.sleep(0.0)
        assert bank.pool.active == (1 if killed_s < 1 else 0)
        assert len(bank.meter.calls) == calls

    def next_in_line():
        bank.at(killed_s + 0.1)
        with bank.db.begin() as connection:
            connection.execute(ADD, {"of_id": 2, "amount": 1})
            return bank.env.now

    thread = bank.thread("works", works)
    outcome = bank.run(holds=holder(bank, ADD, 1.0, amount=1), kills=kills, next=next_in_line)
    assert "works" not in outcome
    assert outcome["kills"] is None
    assert outcome["next"] == killed_s + 0.1
    assert bank.balances == {1: 101, 2: 101, 3: 100}
    assert bank.clean


def test_a_run_that_is_abandoned_leaves_the_database_readable():
    bank = Bank()
    bank.thread("works", holder(bank, SET, 10.0, to=1))
    bank.env.run(until=5.0)
    bank.env.close()
    assert bank.balances[1] == 100


def test_a_thousand_waiters_of_one_row_are_served_in_little_real_time():
    bank = Bank(connections=2_000, statement_s=0.001)
    targets = {f"w{number}": holder(bank, ADD, 0.0, amount=1) for number in range(1_000)}
    began_s = time.perf_counter()
    bank.run(**targets)
    assert time.perf_counter() - began_s < 3.0
    assert bank.balances[1] == 1_100
    assert bank.db.locks.waits == 999
    assert bank.clean


def test_concurrent_bookings_of_one_seat_deadlock_as_the_real_database_reported():
    """INSERT booking shares the seat's lock, both then want it exclusively."""
    env = Environment()
    meter = Meter(env, statement_s=0.001)
    pool = ConnectionPool(env, 10, timeout_s=30.0)
    db = SimulatedDatabase(
        env,
        SERVICE_METADATA,
        SERVICE_METADATA.create_all,
        pool=pool,
        charge=meter,
        lock_wait_timeout_s=50.0,
    )
    people = [{"id": n, "uuid": f"u{n}", "name": "n"} for n in (1, 2)]
    db.seed_rows(user, people)
    db.seed_rows(concert, [{"id": 1, "title": "t", "capacity": 5}])
    dates = {"concert_id": 1, "concert_date": "2024-11-20", "capacity": 5, "occupied_count": 0}
    db.seed_rows(concert_schedule, [{"id": 1, **dates}])
    place = {"row_no": 1, "seat_no": 1, "price": 1, "is_occupied": 0}
    db.seed_rows(seat, [{"id": 7, "schedule_id": 1, **place}])
    occupy = update(seat).where(seat.c.id == bindparam("seat_id")).values(is_occupied=1)
    outcome = []

    def book(user_id):
        try:
            with db.begin() as connection:
                row = {"user_id": user_id, "seat_id": 7, "status": "RESERVED", "created_at": 0}
                connection.execute(booking.insert(), row)
                connection.execute(occupy, {"seat_id": 7})
            outcome.append("booked")
        except DeadlockError:
            outcome.append("deadlock")

    env.spawn("one", lambda: book(1))
    env.spawn("two", lambda: book(2))
    env.run()
    assert sorted(outcome) == ["booked", "deadlock"]
    assert db.rows_per_table()["booking"] == 1
