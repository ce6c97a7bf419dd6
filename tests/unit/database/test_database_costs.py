"""What statements are charged for, and which of them really run."""

import time

import pytest
from sqlalchemy import (
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from model.policy import Policy
from model.schema import METADATA as SERVICE_METADATA
from model.schema import create_all, seat, token_history
from sim.database import SimulatedDatabase
from sim.database.result_memo import ResultMemo
from sim.database.results import StoredRows
from sim.kernel.environment import Environment
from sim.stations.connection_pool import ConnectionPool
from tests.unit.database.database_world import (
    ADD,
    BALANCE,
    BALANCES,
    BOOK,
    SET,
    Bank,
    Meter,
    account,
    entry,
)

METADATA = MetaData()
token = Table(
    "token",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("concert_id", Integer, nullable=False, index=True),
    Column("uuid", String(36), nullable=False),
    Column("expires_at", Integer, nullable=False),
)
OF_VISITOR = (
    select(token.c.id)
    .where(token.c.concert_id == bindparam("concert"), token.c.uuid == bindparam("uuid"))
    .order_by(token.c.id)
)


def with_index(engine):
    METADATA.create_all(engine)
    copy = token.to_metadata(MetaData())
    Index("ix_both", copy.c.concert_id, copy.c.uuid).create(engine)


def database(metadata, create):
    env = Environment()
    meter = Meter(env)
    pool = ConnectionPool(env, 10, timeout_s=30.0)
    db = SimulatedDatabase(env, metadata, create, pool=pool, charge=meter, lock_wait_timeout_s=50.0)
    return env, meter, db


def charged(bank, *statements):
    """Work of statements that run in one transaction."""

    def run():
        with bank.db.begin() as connection:
            for statement, parameters in statements:
                connection.execute(statement, parameters)

    first = len(bank.meter.work)
    outcome = bank.run(one=run)
    assert outcome["one"] is None
    return bank.meter.work[first:]


@pytest.mark.parametrize(
    ("create", "visited"), [(METADATA.create_all, [1_000, 1_001]), (with_index, [1, 1])]
)
def test_a_missing_index_makes_a_lookup_visit_every_row_of_the_concert(create, visited):
    env, meter, db = database(METADATA, create)
    db.seed_rows(
        token,
        [
            {"id": n, "concert_id": 1 + n % 2, "uuid": f"u{n}", "expires_at": n}
            for n in range(2_000)
        ],
    )

    def run():
        with db.begin() as connection:
            assert connection.execute(OF_VISITOR, {"concert": 1, "uuid": "u4"}).all() == [(4,)]
            row = {"concert_id": 1, "uuid": "new", "expires_at": 1}
            connection.execute(token.insert(), row)
        with db.begin() as connection:
            assert connection.execute(OF_VISITOR, {"concert": 1, "uuid": "u6"}).all() == [(6,)]

    env.spawn("one", run)
    env.run()
    assert [work.rows_visited for work in meter.work if work.kind == "select"] == visited


@pytest.mark.parametrize(
    ("statement", "parameters", "visited", "sorted_rows", "sent"),
    [
        pytest.param(BALANCE, {"of_id": 5}, 1, 0, 1, id="primary key"),
        pytest.param(BALANCE, {"of_id": 999}, 1, 0, 0, id="primary key that is not there"),
        pytest.param(BALANCES, {}, 100, 0, 100, id="scan in key order"),
        pytest.param(
            select(account.c.id).where(account.c.balance > 100), {}, 100, 0, 0, id="scan, filtered"
        ),
        pytest.param(select(account.c.id).where(account.c.branch == 3), {}, 10, 0, 10, id="index"),
        pytest.param(
            select(account.c.id).where(account.c.branch == bindparam("b"), account.c.balance > 100),
            {"b": 3},
            10,
            0,
            0,
            id="index, filtered",
        ),
        pytest.param(
            select(account.c.id).where(account.c.branch.in_([3, 4, 77])), {}, 20, 0, 20, id="IN"
        ),
        pytest.param(
            select(account.c.id).where(account.c.id.in_([3, 4, 5])), {}, 3, 0, 3, id="keys"
        ),
        pytest.param(
            select(account.c.id).where(account.c.branch > bindparam("b")),
            {"b": 7},
            20,
            0,
            20,
            id="index range",
        ),
        pytest.param(
            select(account.c.id).where(account.c.id > bindparam("b")),
            {"b": 70},
            30,
            0,
            30,
            id="key range",
        ),
        pytest.param(
            select(account.c.id).order_by(account.c.balance), {}, 100, 100, 100, id="sorted scan"
        ),
        pytest.param(
            select(account.c.id).where(account.c.branch == 3).order_by(account.c.balance).limit(4),
            {},
            10,
            10,
            4,
            id="sorted before the limit",
        ),
        pytest.param(
            select(account.c.id).where(account.c.branch == 3).order_by(account.c.id).limit(4),
            {},
            4,
            0,
            4,
            id="limit in index order",
        ),
        pytest.param(
            select(account.c.id).where(account.c.branch == 3).limit(4).offset(3),
            {},
            7,
            0,
            4,
            id="skipped rows are visited",
        ),
        pytest.param(
            select(account.c.id).where(account.c.branch == 3).limit(40), {}, 10, 0, 10, id="last"
        ),
        pytest.param(
            select(account.c.branch, func.count()).group_by(account.c.balance),
            {},
            100,
            100,
            1,
            id="grouped",
        ),
        pytest.param(
            select(account.c.owner, entry.c.amount)
            .join_from(entry, account)
            .where(entry.c.id == bindparam("e")),
            {"e": 2},
            2,
            0,
            1,
            id="join by keys",
        ),
        pytest.param(
            select(entry.c.amount).join_from(account, entry).where(account.c.id == bindparam("a")),
            {"a": 1},
            6,
            0,
            5,
            id="join to many",
        ),
    ],
)
def test_the_plan_decides_what_is_charged(statement, parameters, visited, sorted_rows, sent):
    bank = Bank(accounts=100)
    rows = [{"account_id": 1 + n % 2, "day": n, "amount": n} for n in range(10)]
    bank.db.seed_rows(entry, rows)
    (work,) = charged(bank, (statement, parameters))
    assert work[2:] == (visited, sorted_rows, sent)
    assert work.kind == "select"


def test_writes_are_charged_for_the_rows_they_look_at():
    bank = Bank(accounts=100)
    by_branch = update(account).where(account.c.branch == 3).values(balance=0)
    everyone = update(account).where(account.c.balance == 1).values(balance=0)
    works = charged(
        bank,
        (SET, {"of_id": 1, "to": 1}),
        (by_branch, None),
        (everyone, None),
        (BOOK, {"account_id": 1, "day": 1, "amount": 1}),
    )
    assert [(work.kind, work.table, work.rows_visited) for work in works] == [
        ("update", "account", 1),
        ("update", "account", 10),
        ("update", "account", 100),
        ("insert", "entry", 1),
    ]
    assert {(work.rows_sorted, work.rows_sent) for work in works} == {(0, 0)}


def test_counts_follow_committed_changes_only():
    bank = Bank(accounts=100)
    in_branch = select(account.c.id).where(account.c.branch == bindparam("b"))
    move = update(account).where(account.c.id == bindparam("of_id")).values(branch=bindparam("to"))
    look = (in_branch, {"b": 3})

    def visited(*statements):
        return [work.rows_visited for work in charged(bank, *statements) if work.kind == "select"]

    assert visited(look) == [10]
    assert visited((move, {"of_id": 3, "to": 4}), (move, {"of_id": 5, "to": 3}), look) == [10]
    assert visited((move, {"of_id": 5, "to": 4})) == []
    assert visited(look) == [9]
    assert visited((in_branch, {"b": 4})) == [12]
    assert visited((account.insert(), {"owner": "new", "branch": 3, "balance": 1})) == []
    assert visited(look) == [10]


def test_the_service_pages_through_free_seats_at_the_price_of_a_page():
    page = (
        select(seat.c.id)
        .where(seat.c.schedule_id == bindparam("schedule"), seat.c.is_occupied == 0)
        .order_by(seat.c.row_no, seat.c.seat_no)
    )
    works = {}
    for policy in (Policy(), Policy.incident()):
        env, meter, db = database(SERVICE_METADATA, lambda e, p=policy: create_all(e, p))
        fill_seats(db, 1_000, occupied=400)

        def run(db=db):
            with db.begin() as connection:
                connection.execute(page.limit(100), {"schedule": 1})
                connection.execute(page, {"schedule": 1})

        env.spawn("one", run)
        env.run()
        works[policy.seats_paged] = [work[2:] for work in meter.work]
    assert works[True] == [(100, 0, 100), (600, 0, 600)]
    assert works[False] == [(1_000, 600, 100), (1_000, 600, 600)]


def fill_seats(db, number, occupied=0):
    tables = SERVICE_METADATA.tables
    db.seed_rows(tables["concert"], [{"id": 1, "title": "t", "capacity": 5}])
    dates = {"concert_id": 1, "concert_date": "2024-11-20", "capacity": 5, "occupied_count": 0}
    db.seed_rows(tables["concert_schedule"], [{"id": 1, **dates}])
    db.seed_rows(
        seat,
        [
            {
                "id": n + 1,
                "schedule_id": 1,
                "row_no": n // 100,
                "seat_no": n % 100,
                "price": 1,
                "is_occupied": int(n < occupied),
            }
            for n in range(number)
        ],
    )


def test_a_repeated_select_is_answered_from_memory_until_its_table_changes():
    bank = Bank(accounts=50)
    look = (BALANCES, None)
    other = (select(func.count()).select_from(entry), None)
    first, again, _ = charged(bank, look, look, other)
    assert first == again
    assert (bank.db.executed["select"], bank.db.memo_hits) == (2, 1)
    charged(bank, (BOOK, {"account_id": 1, "day": 1, "amount": 1}))
    charged(bank, look)
    assert (bank.db.executed["select"], bank.db.memo_hits) == (2, 2)
    charged(bank, (ADD, {"of_id": 1, "amount": 1}))
    charged(bank, look)
    assert (bank.db.executed["select"], bank.db.memo_hits) == (3, 2)
    charged(bank, other)
    assert (bank.db.executed["select"], bank.db.memo_hits) == (4, 2)


def test_results_from_memory_are_as_good_as_new():
    bank = Bank()

    def read(connection):
        return [
            connection.execute(BALANCES).all(),
            connection.execute(BALANCES).first(),
            connection.execute(BALANCES).fetchone(),
            connection.execute(BALANCES).fetchmany(2),
            connection.execute(BALANCES).scalars().all(),
            connection.execute(BALANCES).scalars(1).first(),
            connection.execute(BALANCES).mappings().all(),
            connection.execute(BALANCES).columns("balance").all(),
            connection.execute(BALANCES).unique().all(),
            next(connection.execute(BALANCES).partitions(2)),
            list(connection.execute(BALANCES)),
            connection.execute(BALANCE, {"of_id": 2}).one(),
            connection.execute(BALANCE, {"of_id": 2}).one_or_none(),
            connection.execute(BALANCE, {"of_id": 2}).scalar_one(),
            connection.execute(BALANCE, {"of_id": 9}).first(),
            connection.execute(BALANCE, {"of_id": 9}).all(),
            list(connection.execute(BALANCES).keys()),
        ]

    def run():
        with bank.db.begin() as connection:
            answers = [read(connection), read(connection)]
            rows = connection.execute(BALANCES)
            rows.fetchone()
            assert rows.all() == answers[0][0][1:]
            row = connection.execute(BALANCES).first()
            assert (row.balance, row[1], row._mapping[account.c.balance]) == (100, 100, 100)
            connection.execute(BALANCES).all().clear()
            assert len(connection.execute(BALANCES).all()) == 3
            return answers

    first, second = bank.run(one=run)["one"]
    assert first == second
    assert first[0] == [(1, 100), (2, 100), (3, 100)]
    assert first[4] == [1, 2, 3]
    assert first[7] == [(100,), (100,), (100,)]


def test_memory_for_results_is_bounded():
    bank = Bank(accounts=50, memo_rows=100)
    for of_id in range(1, 51):
        charged(bank, (BALANCE, {"of_id": of_id}), (BALANCES, None))
    assert bank.db.storage._memo.held_rows <= 100
    assert bank.db.memo_hits > 40


def test_of_rows_read_by_key_only_the_latest_are_remembered():
    memo = ResultMemo(1_000, most_small=10)
    tables = frozenset({"account"})
    many = StoredRows([(number,) for number in range(20)], None)
    memo.put(tables, "all", many)
    for key in range(35):
        memo.put(tables, key, StoredRows([(key,)], None))
        assert memo.get(tables, key) is not None
        assert memo.held_rows <= 21 + 2 * 10
    assert memo.get(tables, "all") is many
    assert [key for key in range(35) if memo.get(tables, key)] == [30, 31, 32, 33, 34]
    memo.forget("account")
    assert memo.held_rows == 0


def test_statements_made_anew_for_each_use_do_not_pile_up():
    bank = Bank()
    for number in range(1_200):
        charged(bank, (select(account.c.id).where(account.c.id == number), None))
    assert len(bank.db.storage._prepared) <= 512


def test_seeding_and_lookups_of_the_full_incident_take_little_real_time():
    env, _, db = database(SERVICE_METADATA, lambda e: create_all(e, Policy.incident()))
    people = SERVICE_METADATA.tables["user"]
    began_s = time.perf_counter()
    db.seed_rows(people, [{"id": n, "uuid": f"u{n}", "name": "n"} for n in range(1, 30_003)])
    fill_seats(db, 20_000)
    assert time.perf_counter() - began_s < 2.0
    history = select(token_history.c.id).where(
        token_history.c.concert_id == bindparam("concert"),
        token_history.c.uuid == bindparam("uuid"),
    )
    row = {"concert_id": 1, "type": "WAIT", "issued_at": 0, "expires_at": 0}
    add = insert(token_history)

    def issue():
        for number in range(3_000):
            with db.begin() as connection:
                wanted = {"concert": 1, "uuid": f"u{number}"}
                assert connection.execute(history, wanted).first() is None
                connection.execute(add, {"uuid": f"u{number}", **row})

    began_s = time.perf_counter()
    env.spawn("issue", issue)
    env.run()
    # Without an index of the simulator's own this grows with the square of the number.
    assert time.perf_counter() - began_s < 3.0
