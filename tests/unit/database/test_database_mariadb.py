"""Who waits for whom, who is rolled back and who reads what: as recorded from MariaDB 10.11.

Recorded once, on 10.11.19 at its defaults (REPEATABLE READ, innodb_snapshot_isolation off; lock
wait timeout 2 s), with the tables of `database_world`, six accounts of 100 each and one
connection per letter. The statements of a scenario were sent one by one, the next as soon as the
last was answered or had waited 0.4 s: here they are sent a second apart. Answers are numbers of
rows changed or found, values, or MariaDB's error: 1062 duplicate, 1205 lock wait timeout, 1213
deadlock, 1451 row is referenced. `WAITS` is a statement without an answer yet; it is asked for
again by `LATER`.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from model.errors import DeadlockError, LockTimeoutError
from tests.unit.database.database_world import (
    ADD,
    BALANCE,
    BALANCE_LOCKED,
    BALANCE_SHARED,
    BOOK,
    CLOSE,
    OPEN,
    SET,
    TAKE,
    Bank,
    account,
)

WAITS = "waits"
LATER = object()
COMMIT = object()
ROLLBACK = object()


class RolledBackError(Exception):
    """Ends a transaction of the script."""


def add(of_id):
    return ADD, {"of_id": of_id, "amount": 1}


def book(of_id):
    return BOOK, {"account_id": of_id, "day": 1, "amount": 1}


def read(of_id):
    return BALANCE, {"of_id": of_id}


def share(of_id):
    return BALANCE_SHARED, {"of_id": of_id}


def lock(of_id):
    return BALANCE_LOCKED, {"of_id": of_id}


def opened(owner):
    return OPEN, {"owner": owner, "branch": 1, "balance": 1}


def close(of_id):
    return CLOSE, {"of_id": of_id}


THREE_ROWS = (
    update(account).where(account.c.id.in_([4, 5, 6])).values(balance=account.c.balance + 1),
    {},
)

SCENARIOS = {
    "both book a seat, then occupy it": [
        ("A", book(1), 1),
        ("B", book(1), 1),
        ("A", add(1), WAITS),
        ("B", add(1), 1213),
        ("A", LATER, 1),
    ],
    "the first has more to lose": [
        ("A", THREE_ROWS, 3),
        ("A", book(1), 1),
        ("B", book(1), 1),
        ("A", add(1), WAITS),
        ("B", add(1), 1213),
        ("A", LATER, 1),
    ],
    "the second has more to lose": [
        ("B", THREE_ROWS, 3),
        ("A", book(1), 1),
        ("B", book(1), 1),
        ("A", add(1), WAITS),
        ("B", add(1), 1),
        ("A", LATER, 1213),
    ],
    "two rows in opposite order": [
        ("A", add(1), 1),
        ("B", add(2), 1),
        ("A", add(2), WAITS),
        ("B", add(1), 1213),
        ("A", LATER, 1),
    ],
    "a circle of three": [
        ("A", add(1), 1),
        ("B", add(2), 1),
        ("C", add(3), 1),
        ("A", add(2), WAITS),
        ("B", add(3), WAITS),
        ("C", add(1), 1213),
        ("B", LATER, 1),
        ("A", LATER, WAITS),
    ],
    "raising a shared lock behind a waiting writer": [
        ("A", share(1), 100),
        ("B", add(1), WAITS),
        ("A", add(1), 1),
        ("B", LATER, 1213),
    ],
    "raising a shared lock that is shared": [
        ("A", share(1), 100),
        ("B", share(1), 100),
        ("A", add(1), WAITS),
        ("B", add(1), 1213),
        ("A", LATER, 1),
    ],
    "a reader behind a waiting writer": [
        ("A", share(1), 100),
        ("B", add(1), WAITS),
        ("C", share(1), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 1),
        ("C", LATER, WAITS),
    ],
    "a guard after a wait": [
        ("A", (TAKE, {"of_id": 1, "amount": 60}), 1),
        ("B", read(1), 100),
        ("B", (TAKE, {"of_id": 1, "amount": 60}), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 0),
        ("B", read(1), 100),
    ],
    "an own change shows the newest row": [
        ("A", read(1), 100),
        ("B", (SET, {"of_id": 1, "to": 500}), 1),
        ("B", COMMIT, None),
        ("A", read(1), 100),
        ("A", lock(1), 500),
        ("A", add(1), 1),
        ("A", read(1), 501),
    ],
    "the view begins with the first plain read": [
        ("A", lock(2), 100),
        ("B", (SET, {"of_id": 1, "to": 500}), 1),
        ("B", COMMIT, None),
        ("A", read(1), 500),
    ],
    "a row deleted by another": [
        ("A", close(3), 1),
        ("B", read(3), 100),
        ("B", (SET, {"of_id": 3, "to": 0}), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 0),
        ("B", read(3), 100),
    ],
    "a child of a row that is being changed": [
        ("A", add(1), 1),
        ("B", book(1), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 1),
    ],
    "changing a row that just got a child": [
        ("A", book(1), 1),
        ("B", add(1), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 1),
    ],
    "deleting a row that just got a child": [
        ("A", book(1), 1),
        ("B", close(1), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 1451),
    ],
    "a unique value inserted twice": [
        ("A", opened("same"), 1),
        ("B", opened("same"), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 1062),
    ],
    "a unique value inserted and taken back": [
        ("A", opened("same"), 1),
        ("B", opened("same"), WAITS),
        ("A", ROLLBACK, None),
        ("B", LATER, 1),
    ],
    "a unique value that is being deleted": [
        ("A", close(6), 1),
        ("B", opened("owner 6"), WAITS),
        ("A", COMMIT, None),
        ("B", LATER, 1),
    ],
    "a timeout costs its statement only": [
        ("A", add(1), 1),
        ("B", add(2), 1),
        ("B", add(1), WAITS),
        ("B", LATER, 1205),
        ("B", read(2), 101),
    ],
}


class Session:
    """One connection that does what it is told, one thing after the other."""

    def __init__(self, bank: Bank, name: str) -> None:
        self.bank = bank
        self.orders: list[Any] = []
        self.answer: Any = None
        self.order_given = None
        bank.env.spawn(name, self._run)

    def tell(self, order: Any) -> None:
        self.orders.append(order)
        if self.order_given is not None:
            self.order_given.wake()

    def _run(self) -> None:
        try:
            with self.bank.db.begin() as connection:
                while (order := self._next()) is not COMMIT:
                    if order is ROLLBACK:
                        raise RolledBackError  # noqa: TRY301 - it is how a transaction is left
                    self.answer = WAITS
                    self.answer = self._do(connection, order)
        except RolledBackError:
            pass
        self.answer = None

    def _next(self) -> Any:
        if not self.orders:
            self.order_given = self.bank.env.waiter()
            self.order_given.wait()
            self.order_given = None
        return self.orders.pop(0)

    @staticmethod
    def _do(connection: Any, order: Any) -> Any:
        try:
            result = connection.execute(*order)
        except IntegrityError as error:
            return 1062 if "UNIQUE" in str(error) else 1451
        except DeadlockError:
            return 1213
        except LockTimeoutError:
            return 1205
        return result.scalar_one() if order[0].is_select else result.rowcount


@pytest.mark.parametrize("name", SCENARIOS)
def test_transactions_meet_as_they_did_in_mariadb(name):
    bank = Bank(6, lock_wait_timeout_s=20.0)
    sessions = {who: Session(bank, who) for who in "ABC"}
    answers = []
    for who, order, _ in SCENARIOS[name]:
        session = sessions[who]
        if order is not LATER:
            session.tell(order)
        until_s = bank.env.now + (30.0 if name.startswith("a timeout") and order is LATER else 1.0)
        bank.env.run(until=until_s)
        answers.append((who, session.answer))
    assert answers == [(who, answer) for who, _, answer in SCENARIOS[name]]
    bank.env.close()
