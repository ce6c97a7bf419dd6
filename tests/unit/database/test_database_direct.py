"""Writes that run on the driver from their second time on: nobody can tell, but for the time."""

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from tests.unit.database.database_world import ADD, BALANCES, OF_ID, OPEN, Bank, account

FREEZE = update(account).where(OF_ID).values(balance=0)


def sent_to_sqlite(bank, work):
    """Return the SQL that SQLite itself gets while `work` runs in one transaction."""
    seen = []
    bank.db.storage.raw.set_trace_callback(seen.append)

    def customer():
        with bank.db.begin() as connection:
            work(connection)

    bank.run(customer=customer)
    return [sql for sql in seen if sql.startswith(("INSERT", "UPDATE"))]


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [(ADD, {"of_id": 1, "amount": 5}), (FREEZE, {"of_id": 1}), (FREEZE, {"of_id": 99})],
)
def test_the_second_time_is_as_the_first(statement, parameters):
    bank = Bank()
    counts = []

    def twice(connection):
        counts.extend(connection.execute(statement, parameters).rowcount for _ in range(2))

    first, second = sent_to_sqlite(bank, twice)
    assert first == second
    assert counts[0] == counts[1] == (parameters["of_id"] == 1)
    assert bank.db.executed["update"] == 2


def test_inserted_rows_have_their_keys_and_a_violated_constraint_is_sqlalchemys_error():
    bank = Bank(accounts=1)
    keys = []

    def work(connection):
        for owner in ("ada", "bob", "cyd"):
            row = {"owner": owner, "branch": 1, "balance": 1}
            keys.append(connection.execute(OPEN, row).inserted_primary_key[0])
        with pytest.raises(IntegrityError):
            connection.execute(OPEN, {"owner": "bob", "branch": 1, "balance": 1})
        keys.append(connection.execute(OPEN, {"owner": "dan", "branch": 1, "balance": 1}).rowcount)

    sent_to_sqlite(bank, work)
    assert keys == [2, 3, 4, 1]
    assert [row.id for row in bank.db.query(BALANCES)] == [1, 2, 3, 4, 6]


def test_one_statement_with_other_columns_is_another_one():
    bank = Bank(accounts=1)
    opened = insert(account).values(branch=7)

    def work(connection):
        for _ in range(2):
            number = connection.execute(
                opened, {"owner": f"a{_}", "balance": 1}
            ).inserted_primary_key[0]
            connection.execute(opened, {"owner": f"b{_}", "balance": 2, "branch": number})

    sent_to_sqlite(bank, work)
    rows = bank.db.query(account.select().order_by(account.c.id))
    assert [(row.owner, row.branch) for row in rows[1:]] == [
        ("a0", 7),
        ("b0", 2),
        ("a1", 7),
        ("b1", 4),
    ]
