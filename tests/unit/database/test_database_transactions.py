"""What transactions see of each other, on simulated time."""

import pytest
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError, ResourceClosedError

from model.errors import DatabaseError, PoolTimeoutError
from sim.database import UnsupportedStatementError
from tests.unit.database.database_world import (
    ADD,
    BALANCE,
    BALANCE_LOCKED,
    BALANCES,
    BOOK,
    CLOSE,
    OPEN,
    SET,
    TAKE,
    Bank,
    account,
    entry,
)


def balance(connection, of_id=1):
    return connection.execute(BALANCE, {"of_id": of_id}).scalar_one()


def test_a_transaction_reads_its_own_writes_and_nobody_else_does():
    bank = Bank()
    seen = []

    def writer():
        with bank.db.begin() as connection:
            assert connection.execute(SET, {"of_id": 1, "to": 7}).rowcount == 1
            seen.append(("own", balance(connection)))
            bank.at(2)
            seen.append(("own", balance(connection)))

    def reader():
        for time_s in (1, 3):
            bank.at(time_s)
            with bank.db.begin(read_only=True) as connection:
                seen.append((time_s, balance(connection)))

    bank.run(writer=writer, reader=reader)
    assert seen == [("own", 7), (1, 100), ("own", 7), (3, 7)]
    assert bank.clean


def test_two_open_transactions_each_see_their_own_writes_only():
    bank = Bank()

    def writer(of_id, start_s):
        def run():
            bank.at(start_s)
            with bank.db.begin() as connection:
                states = []
                for step in range(3):
                    connection.execute(ADD, {"of_id": of_id, "amount": step + 1})
                    bank.env.sleep(1.0)
                    states.append(tuple(row.balance for row in connection.execute(BALANCES)))
                bank.at(10)
                return states

        return run

    outcome = bank.run(one=writer(1, 0.0), two=writer(2, 0.5))
    assert outcome["one"] == [(101, 100, 100), (103, 100, 100), (106, 100, 100)]
    assert outcome["two"] == [(100, 101, 100), (100, 103, 100), (100, 106, 100)]
    assert bank.balances == {1: 106, 2: 106, 3: 100}
    assert bank.db.storage.replayed > 0


def test_a_guarded_update_tells_by_its_row_count_whether_it_happened():
    bank = Bank()

    def buyer(start_s):
        def run():
            bank.at(start_s)
            with bank.db.begin() as connection:
                rows = connection.execute(TAKE, {"of_id": 1, "amount": 60}).rowcount
                bank.env.sleep(1.0)
                return rows

        return run

    outcome = bank.run(first=buyer(0.0), second=buyer(0.5))
    # The second waits for the first's lock, then sees the newest committed row.
    assert outcome == {"first": 1, "second": 0}
    assert bank.balances[1] == 40


def test_a_rollback_leaves_nothing_but_a_gap_in_the_ids():
    bank = Bank()

    def fails():
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 1, "to": 0})
            connection.execute(CLOSE, {"of_id": 3})
            row = {"owner": "new", "branch": 1, "balance": 5}
            assert connection.execute(OPEN, row).inserted_primary_key == (4,)
            assert connection.execute(BALANCES).all() == [(1, 0), (2, 100), (4, 5)]
            connection.execute(SET, {"of_id": 2, "to": 0})
            raise ValueError("no")

    def works():
        bank.at(1)
        with bank.db.begin() as connection:
            assert connection.execute(BALANCES).all() == [(1, 100), (2, 100), (3, 100)]
            row = {"owner": "new", "branch": 1, "balance": 6}
            return connection.execute(OPEN, row).inserted_primary_key[0]

    outcome = bank.run(fails=fails, works=works)
    assert isinstance(outcome["fails"], ValueError)
    assert outcome["works"] == 5
    assert bank.balances == {1: 100, 2: 100, 3: 100, 5: 6}
    assert bank.db.rollbacks == 1
    assert bank.clean


def test_ids_generated_while_both_transactions_are_open_stay_with_their_rows():
    bank = Bank()

    def booker(amount, start_s):
        def run():
            bank.at(start_s)
            with bank.db.begin() as connection:
                ids = []
                for _ in range(3):
                    row = {"account_id": 1, "day": 1, "amount": amount}
                    ids.append(connection.execute(BOOK, row).inserted_primary_key[0])
                    bank.env.sleep(1.0)
                return ids

        return run

    outcome = bank.run(one=booker(10, 0.0), two=booker(20, 0.5))
    assert sorted(outcome["one"] + outcome["two"]) == [1, 2, 3, 4, 5, 6]
    rows = bank.db.query(select(entry.c.id, entry.c.amount))
    assert {row.id for row in rows if row.amount == 10} == set(outcome["one"])
    assert {row.id for row in rows if row.amount == 20} == set(outcome["two"])


@pytest.mark.parametrize("commits", [True, False])
def test_the_id_of_a_deleted_row_is_not_generated_again(commits):
    bank = Bank()

    def closer():
        with bank.db.begin() as connection:
            connection.execute(CLOSE, {"of_id": 3})
            bank.at(2)
            if not commits:
                raise ValueError("no")

    def opener():
        bank.at(1)
        ids = []
        for owner in ("a", "b"):
            with bank.db.begin() as connection:
                row = {"owner": owner, "branch": 1, "balance": 1}
                ids.append(connection.execute(OPEN, row).inserted_primary_key[0])
            bank.at(3)
        return ids

    assert bank.run(closer=closer, opener=opener)["opener"] == [4, 5]


def test_generated_ids_continue_behind_an_explicit_one():
    bank = Bank()

    def run():
        with bank.db.begin() as connection:
            connection.execute(OPEN, {"id": 50, "owner": "a", "branch": 1, "balance": 1})
            row = {"owner": "b", "branch": 1, "balance": 1}
            return connection.execute(OPEN, row).inserted_primary_key[0]

    assert bank.run(one=run)["one"] == 51


def test_a_plain_read_repeats_itself_whatever_others_commit():
    bank = Bank()

    def writer():
        bank.at(1)
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 1, "to": 7})
            connection.execute(CLOSE, {"of_id": 2})
            connection.execute(OPEN, {"owner": "new", "branch": 1, "balance": 5})
        with bank.db.begin() as connection:
            connection.execute(ADD, {"of_id": 1, "amount": 1})

    def reader():
        with bank.db.begin() as connection:
            before = connection.execute(BALANCES).all()
            bank.at(2)
            again = connection.execute(BALANCES).all()
            newest = connection.execute(BALANCE_LOCKED, {"of_id": 1}).scalar_one()
            # Its own change shows the row as it is now, the rest stays as it was.
            connection.execute(ADD, {"of_id": 1, "amount": 10})
            return before, again, newest, connection.execute(BALANCES).all()

    before, again, newest, changed = bank.run(writer=writer, reader=reader)["reader"]
    assert before == again == [(1, 100), (2, 100), (3, 100)]
    assert newest == 8
    assert changed == [(1, 18), (2, 100), (3, 100)]
    assert bank.balances == {1: 18, 3: 100, 4: 5}
    assert bank.db.storage.rewound == 2
    assert not bank.db.storage.has_history


def test_every_reader_keeps_its_own_moment():
    bank = Bank()

    def writer():
        for step in range(1, 8):
            bank.at(step)
            with bank.db.begin() as connection:
                connection.execute(SET, {"of_id": 1, "to": step})
                connection.execute(SET, {"of_id": 2 + step % 2, "to": step})

    def reader(start_s, end_s):
        def run():
            bank.at(start_s)
            views = []
            with bank.db.begin() as connection:
                while bank.env.now < end_s:
                    views.append(tuple(row.balance for row in connection.execute(BALANCES)))
                    bank.env.sleep(1.0)
            return set(views)

        return run

    outcome = bank.run(
        writer=writer,
        first=reader(0.5, 9),
        second=reader(1.5, 4),
        third=reader(2.5, 6),
        fourth=reader(3.5, 9),
        fifth=reader(6.5, 8),
    )
    assert outcome["first"] == {(100, 100, 100)}
    assert outcome["second"] == {(1, 100, 1)}
    assert outcome["third"] == {(2, 2, 1)}
    assert outcome["fourth"] == {(3, 2, 3)}
    assert outcome["fifth"] == {(6, 6, 5)}
    assert not bank.db.storage.has_history


def test_writing_a_value_that_is_there_already_changes_nothing():
    bank = Bank()

    def writer():
        bank.at(1)
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 1, "to": 7})

    def reader():
        with bank.db.begin() as connection:
            views = [balance(connection)]
            bank.at(2)
            # It finds the row, as the service's driver counts, and leaves it alone.
            assert connection.execute(SET, {"of_id": 1, "to": 7}).rowcount == 1
            views.append(balance(connection))
        return views

    assert bank.run(writer=writer, reader=reader)["reader"] == [100, 100]
    assert bank.db.commits == 1
    assert bank.meter.calls[-1] == ("end", True, False)


def test_a_unique_value_given_up_after_the_view_began_can_be_used():
    bank = Bank()

    def closer():
        bank.at(1)
        with bank.db.begin() as connection:
            connection.execute(CLOSE, {"of_id": 1})

    def opener():
        with bank.db.begin() as connection:
            connection.execute(BALANCES)
            bank.at(2)
            connection.execute(OPEN, {"owner": "owner 1", "branch": 1, "balance": 5})
            return [tuple(row) for row in connection.execute(BALANCES)]

    assert bank.run(closer=closer, opener=opener)["opener"] == [(2, 100), (3, 100), (4, 5)]
    assert bank.balances == {2: 100, 3: 100, 4: 5}


def test_the_view_of_a_transaction_begins_with_its_first_plain_read():
    bank = Bank()

    def writer():
        bank.at(1)
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 1, "to": 7})

    def reader():
        with bank.db.begin() as connection:
            connection.execute(BALANCE_LOCKED, {"of_id": 2})
            bank.at(2)
            return balance(connection)

    assert bank.run(writer=writer, reader=reader)["reader"] == 7


def test_read_modify_write_without_a_lock_loses_an_update():
    bank = Bank()

    def deposit(start_s):
        def run():
            bank.at(start_s)
            with bank.db.begin() as connection:
                old = balance(connection)
                bank.env.sleep(1.0)
                connection.execute(SET, {"of_id": 1, "to": old + 10})

        return run

    bank.run(one=deposit(0.0), two=deposit(0.5))
    assert bank.balances[1] == 110


def test_read_for_update_loses_none():
    bank = Bank()

    def deposit(start_s):
        def run():
            bank.at(start_s)
            with bank.db.begin() as connection:
                old = connection.execute(BALANCE_LOCKED, {"of_id": 1}).scalar_one()
                bank.env.sleep(1.0)
                connection.execute(SET, {"of_id": 1, "to": old + 10})
            return bank.env.now

        return run

    outcome = bank.run(one=deposit(0.0), two=deposit(0.5), three=deposit(0.6))
    assert bank.balances[1] == 130
    assert outcome == {"one": 1.0, "two": 2.0, "three": 3.0}


def test_a_unique_value_is_refused_the_second_time_and_only_that_statement_fails():
    bank = Bank()

    def run():
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 2, "to": 1})
            with pytest.raises(IntegrityError):
                connection.execute(OPEN, {"owner": "owner 1", "branch": 1, "balance": 1})
            connection.execute(SET, {"of_id": 3, "to": 2})

    bank.run(one=run)
    assert bank.balances == {1: 100, 2: 1, 3: 2}


@pytest.mark.parametrize("commits", [True, False])
def test_inserting_a_unique_value_waits_for_whoever_is_inserting_it(commits):
    bank = Bank()

    def opener(start_s):
        def run():
            bank.at(start_s)
            with bank.db.begin() as connection:
                connection.execute(OPEN, {"owner": "same", "branch": 1, "balance": 1})
                bank.env.sleep(1.0)
                if start_s == 0 and not commits:
                    raise ValueError("no")
                return bank.env.now

        return run

    outcome = bank.run(first=opener(0.0), second=opener(0.5))
    if commits:
        # Outside the transaction it is one of the service's own errors.
        assert type(outcome["second"]) is DatabaseError
        assert isinstance(outcome["second"].__cause__, IntegrityError)
    else:
        assert outcome["second"] == pytest.approx(2.0)
    assert [row[0] for row in bank.db.query(select(account.c.owner))].count("same") == 1


def test_inserting_a_unique_value_waits_for_whoever_is_deleting_it():
    bank = Bank()

    def closer():
        with bank.db.begin() as connection:
            connection.execute(CLOSE, {"of_id": 1})
            bank.at(1)

    def opener():
        bank.at(0.5)
        with bank.db.begin() as connection:
            connection.execute(OPEN, {"owner": "owner 1", "branch": 1, "balance": 1})
        return bank.env.now

    assert bank.run(closer=closer, opener=opener)["opener"] == pytest.approx(1.0)
    assert 1 not in bank.balances


def test_a_missing_parent_is_refused():
    bank = Bank()

    def run():
        with bank.db.begin() as connection:
            connection.execute(BOOK, {"account_id": 99, "day": 1, "amount": 1})

    assert isinstance(bank.run(one=run)["one"], DatabaseError)
    assert bank.db.rows_per_table() == {"account": 3, "entry": 0}


def test_a_write_by_condition_changes_the_same_rows_when_it_is_applied_again():
    bank = Bank()
    halve = (
        update(account)
        .where(account.c.balance >= bindparam("least"))
        .values(balance=account.c.balance / 2)
    )

    def halver():
        with bank.db.begin() as connection:
            assert connection.execute(halve, {"least": 100}).rowcount == 3
            bank.at(2)
            return connection.execute(BALANCES).all()

    def opener():
        bank.at(1)
        with bank.db.begin() as connection:
            connection.execute(OPEN, {"owner": "rich", "branch": 1, "balance": 1000})

    outcome = bank.run(halver=halver, opener=opener)
    # The new row is not there when the transaction reads, and not halved when it commits.
    assert outcome["halver"] == [(1, 50), (2, 50), (3, 50), (4, 1000)]
    assert bank.balances == {1: 50, 2: 50, 3: 50, 4: 1000}


def test_deleted_rows_stay_deleted_when_they_are_deleted_again():
    bank = Bank()

    def deleter():
        with bank.db.begin() as connection:
            gone = delete(account).where(account.c.balance == 100)
            assert connection.execute(gone).rowcount == 3
            bank.at(2)
            return connection.execute(select(func.count()).select_from(account)).scalar_one()

    def reader():
        bank.at(1)
        with bank.db.begin() as connection:
            return connection.execute(BALANCES).all()

    outcome = bank.run(deleter=deleter, reader=reader)
    assert outcome["deleter"] == 0
    assert len(outcome["reader"]) == 3
    assert bank.balances == {}


def test_a_read_only_transaction_cannot_write():
    bank = Bank()

    def run():
        with bank.db.begin(read_only=True) as connection:
            connection.execute(SET, {"of_id": 1, "to": 0})

    outcome = bank.run(one=run)
    assert "READ ONLY" in str(outcome["one"])
    assert bank.balances[1] == 100


def test_a_transaction_that_is_over_refuses_statements():
    bank = Bank()

    def run():
        with bank.db.begin() as connection:
            pass
        connection.execute(BALANCES)

    assert isinstance(bank.run(one=run)["one"], ResourceClosedError)


def test_a_borrow_that_times_out_takes_nothing_and_holds_nothing():
    bank = Bank(connections=1)

    def hog():
        with bank.db.begin():
            bank.at(100)

    def waits():
        with bank.db.begin():
            return "let in"

    outcome = bank.run(hog=hog, waits=waits)
    assert isinstance(outcome["waits"], PoolTimeoutError)
    assert bank.clean


def test_a_commit_is_visible_after_its_time_and_tells_which_tables_changed():
    bank = Bank()
    bank.meter.end_s = 1.0
    told = []
    bank.db.on_commit = lambda tables: told.append((bank.env.now, sorted(tables)))

    def writer():
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 1, "to": 7})
            connection.execute(BOOK, {"account_id": 1, "day": 1, "amount": 1})

    def reader():
        seen = []
        for time_s in (0.5, 1.5):
            bank.at(time_s)
            with bank.db.begin() as connection:
                seen.append(balance(connection))
        return seen

    assert bank.run(writer=writer, reader=reader)["reader"] == [100, 7]
    assert told == [(1.0, ["account", "entry"])]


def test_begin_statements_and_end_are_charged_in_order():
    bank = Bank()

    def run():
        with bank.db.begin(read_only=True) as connection:
            connection.execute(BALANCES)
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 1, "to": 7})
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": 1, "to": 8})
            raise ValueError("no")

    bank.run(one=run)
    assert [call if isinstance(call, tuple) else None for call in bank.meter.calls] == [
        ("begin", True),
        ("select", "account", 3, 0, 3),
        ("end", True, False),
        ("begin", False),
        ("update", "account", 1, 0, 0),
        ("end", True, True),
        ("begin", False),
        ("update", "account", 1, 0, 0),
        ("end", False, True),
    ]


def test_rows_can_be_counted_and_listed_in_a_canonical_order():
    bank = Bank(accounts=12)
    assert bank.db.rows_per_table() == {"account": 12, "entry": 0}
    counts = bank.db.counts_by(account.c.branch)
    assert list(counts) == sorted(counts)
    assert (counts[1], counts[3]) == (2, 1)
    rows = bank.db.final_rows()
    assert list(rows) == ["account", "entry"]
    assert [row[0] for row in rows["account"]] == list(range(1, 13))


@pytest.mark.parametrize("accounts", [12, 2_500])
def test_all_rows_are_written_in_parts_as_if_at_once(accounts):
    bank = Bank(accounts=accounts)
    assert bank.db.final_text() == repr(bank.db.final_rows()).encode()


def test_rows_cannot_be_seeded_into_an_open_transaction():
    bank = Bank()

    def run():
        with bank.db.begin():
            bank.db.seed_rows(entry, [{"account_id": 1, "day": 1, "amount": 1}])

    assert isinstance(bank.run(one=run)["one"], RuntimeError)


@pytest.mark.parametrize(
    "statement",
    [
        update(account).values(balance=select(func.max(entry.c.amount)).scalar_subquery()),
        insert(account).from_select(["owner"], select(account.c.owner)),
        insert(account).values([{"owner": "a"}, {"owner": "b"}]),
        update(account).values(balance=1).returning(account.c.id),
        BALANCE.with_for_update(nowait=True),
        select(account.alias().c.balance).with_for_update(),
        update(account).where(account.c.id == 1).values(id=5),
        BALANCES.union_all(BALANCES),
    ],
)
def test_what_cannot_be_simulated_is_refused(statement):
    bank = Bank()

    def run():
        with bank.db.begin() as connection:
            connection.execute(statement)

    assert isinstance(bank.run(one=run)["one"], UnsupportedStatementError)
    assert bank.clean


def test_a_key_of_another_type_is_refused_because_its_lock_would_be_another_one():
    bank = Bank()

    def run():
        with bank.db.begin() as connection:
            connection.execute(SET, {"of_id": "1", "to": 0})

    assert isinstance(bank.run(one=run)["one"], UnsupportedStatementError)
