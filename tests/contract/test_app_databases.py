"""Statements and transactions of two sessions, interleaved: simulated beside the real servers.

Every schedule is run on both. What is compared: rows and counts of each statement, the kind of
each error, and all rows at the end. docs/how-to/your-own-service.md lists what differs by design
(gap locks, rows that a plan without an index visits), and the schedules leave that out.
"""

from __future__ import annotations

import os
import queue
import random
import threading

import pytest

from sim.app.sql.dialects import MARIADB, POSTGRES
from sim.app.sql.drivers import _MYSQL, _POSTGRES
from sim.app.sql.engine import Database
from sim.app.sql.sessions import Connection
from sim.kernel.environment import Environment
from tests.support import database_servers

BLOCKED_S = 0.12
REQUIRED = bool(os.environ.get("TICKETSIM_REQUIRE_PEERS"))
COUNTS = (
    "SELECT s.id, COUNT(b.id), SUM(s.n) FROM seats s LEFT JOIN bookings b ON b.seat_id = s.id "
    "GROUP BY s.id ORDER BY s.id"
)
SCHEMA = {
    "mysql": [
        "CREATE TABLE seats (id INT PRIMARY KEY, name VARCHAR(10) NOT NULL UNIQUE, n INT NOT NULL)",
        "CREATE TABLE bookings (id INT AUTO_INCREMENT PRIMARY KEY, seat_id INT NOT NULL, who INT, "  # noqa: ISC004 - one statement
        "FOREIGN KEY (seat_id) REFERENCES seats (id))",
    ],
    "postgres": [
        "CREATE TABLE seats (id INT PRIMARY KEY, name VARCHAR(10) NOT NULL UNIQUE, n INT NOT NULL)",
        "CREATE TABLE bookings (id SERIAL PRIMARY KEY, seat_id INT REFERENCES seats (id), who INT)",
    ],
}
ROWS = [
    "INSERT INTO seats (id, name, n) VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)",
    "INSERT INTO bookings (seat_id, who) VALUES (1, 7)",
]


def statement(rng, dialect, level):
    """One statement at random."""
    k, j = rng.randint(1, 3), rng.randint(1, 3)
    free = dialect == "postgres" or level == "READ COMMITTED"
    choices = [
        f"SELECT id, name, n FROM seats WHERE id = {k}",
        "SELECT id, name, n FROM seats ORDER BY id",
        "SELECT seat_id, who FROM bookings ORDER BY id",
        COUNTS,
        f"SELECT n FROM seats WHERE id = {k} FOR UPDATE",
        f"SELECT id FROM seats WHERE id = {k} FOR UPDATE NOWAIT",
        f"SELECT id FROM seats WHERE id = {k} FOR UPDATE SKIP LOCKED",
        f"UPDATE seats SET n = n + 1 WHERE id = {k}",
        f"UPDATE seats SET n = n + 1 WHERE id = {k} AND n < 2",
        f"UPDATE seats SET n = {j} WHERE id = {k}",
        f"INSERT INTO bookings (seat_id, who) VALUES ({k}, {j})",
        f"INSERT INTO bookings (seat_id, who) VALUES ({k}, {j}), ({j}, {k})",
        f"INSERT INTO bookings (seat_id, who) VALUES (9{k}, 1)",
        "DELETE FROM seats WHERE id = 1",
        "SAVEPOINT a",
        "ROLLBACK TO SAVEPOINT a",
        "COMMIT",
        "ROLLBACK",
    ]
    if free:
        choices += [
            f"UPDATE seats SET name = '{rng.choice('abcde')}' WHERE id = {k}",
            f"INSERT INTO seats VALUES ({rng.randint(3, 6)}, '{rng.choice('cdef')}', 0)",
            f"DELETE FROM bookings WHERE id = {k}",
            f"DELETE FROM seats WHERE id = {rng.randint(2, 6)}",
        ]
    return rng.choice(choices)


def schedule(seed, dialect, level):
    rng = random.Random(seed)
    steps = [(rng.randint(0, 1), statement(rng, dialect, level)) for _ in range(rng.randint(4, 14))]
    return [*steps, (0, "COMMIT"), (1, "COMMIT")]


def execute(connection, cursor, sql):
    """Run a statement; a driver must be told of ends, or it thinks that a transaction goes on."""
    if sql in {"COMMIT", "ROLLBACK"}:
        getattr(connection, sql.lower())()
    else:
        cursor.execute(sql)


def answer_of(cursor, sql):
    if sql.startswith("SELECT"):
        return "rows", [tuple(map(plain, row)) for row in cursor.fetchall()]
    if sql.startswith(("UPDATE", "INSERT", "DELETE")):
        return "count", cursor.rowcount
    return "done", None


def plain(value):
    return int(value) if value is not None and not isinstance(value, str) else value


KINDS = {code: kind for kind, (code, _) in reversed(_MYSQL.items())}
STATES = {state: kind for kind, (state, _, _) in reversed(_POSTGRES.items())}
# A statement that cannot be a savepoint's is an error of other words everywhere.
KINDS |= {1305: "syntax", 3572: "nowait"}
STATES |= {"3B001": "syntax", "25P01": "syntax"}


def kind_of(error, dialect):
    if dialect == "mysql":
        return KINDS.get(error.args[0], repr(error))
    state = getattr(error, "pgcode", None)
    return STATES.get(state, f"{state} {error!r}")


class Session(threading.Thread):
    """One session of the real server, in a thread of its own."""

    def __init__(self, connection, dialect):
        super().__init__(daemon=True)
        self.connection, self.dialect = connection, dialect
        self.asked, self.answers, self.idle = queue.Queue(), [], threading.Event()
        self.start()

    def run(self):
        while (sql := self.asked.get()) is not None:
            with self.connection.cursor() as cursor:
                try:
                    execute(self.connection, cursor, sql)
                    self.answers.append((sql, *answer_of(cursor, sql)))
                except Exception as error:  # noqa: BLE001 - errors are answers here
                    self.answers.append((sql, "error", kind_of(error, self.dialect)))
            if self.asked.empty():
                self.idle.set()

    def give(self, sql):
        self.idle.clear()
        self.asked.put(sql)
        self.idle.wait(BLOCKED_S)


def run_real(connect, dialect, level, steps):
    first = connect()
    with first.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bookings")
        cursor.execute("DROP TABLE IF EXISTS seats")
        for sql in [*SCHEMA[dialect], *ROWS]:
            cursor.execute(sql)
    first.commit()
    sessions = []
    for _ in range(2):
        connection = connect()
        with connection.cursor() as cursor:
            if dialect == "mysql":
                cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            else:
                connection.set_session(isolation_level=level)
        connection.commit()
        sessions.append(Session(connection, dialect))
    for at, sql in steps:
        sessions[at].give(sql)
    for session in sessions:
        session.asked.put(None)
    for session in sessions:
        session.join(10)
        assert not session.is_alive(), [each.answers for each in sessions]
        session.connection.close()
    with first.cursor() as cursor:
        rows = []
        for table in ("seats", "bookings"):
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            rows.append([tuple(row) for row in cursor.fetchall()])
    first.close()
    return [session.answers for session in sessions], rows


class Free:
    def begin(self, read_only):
        pass

    def statement(self, work):
        pass

    def end(self, committed, wrote):
        pass


def run_simulated(dialect, level, steps):
    env = Environment()
    database = Database(
        env,
        "shop",
        dialect,
        charge=Free(),
        lock_wait_timeout_s=50.0,
        epoch_s=lambda: 1.7e9 + env.now,
        random=lambda: 0.5,
    )
    driver = MARIADB if dialect == "mysql" else POSTGRES
    first = Connection(database, driver)
    for sql in [*SCHEMA[dialect], *ROWS]:
        first.cursor().execute(sql)
    first.commit()
    answers = [[], []]

    def session(at):
        connection = Connection(database, driver)
        connection.set_level(level)
        for when, (who, sql) in enumerate(steps):
            if who != at:
                continue
            if env.now < when:
                env.sleep(when - env.now)
            cursor = connection.cursor()
            try:
                execute(connection, cursor, sql)
                answers[at].append((sql, *answer_of(cursor, sql)))
            except Exception as error:  # noqa: BLE001 - errors are answers here
                answers[at].append((sql, "error", kind_of(error, dialect)))

    for at in range(2):
        env.spawn(f"session {at}", lambda at=at: session(at))
    env.run()
    rows = [
        [tuple(row.values()) for row in database.store.rows(table)]
        for table in ("seats", "bookings")
    ]
    return answers, rows


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Both servers, each started when first asked for."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        started = {}

        def get(dialect):
            program = {"mysql": "mariadbd", "postgres": "postgres"}[dialect]
            if database_servers.find(program) is None:
                assert not REQUIRED, f"{program} is not there"
                pytest.skip(f"no {program}")
            if dialect not in started:
                start = getattr(
                    database_servers, {"mysql": "mariadb", "postgres": "postgres"}[dialect]
                )
                started[dialect] = stack.enter_context(start(tmp_path_factory.mktemp(dialect)))
            return started[dialect]

        yield get


def compare(servers, dialect, level, seeds):
    connect = servers(dialect)
    differences = []
    for seed in seeds:
        steps = schedule(seed, dialect, level)
        real, simulated = run_real(connect, dialect, level, steps), None
        try:
            simulated = run_simulated(dialect, level, steps)
        except BaseException as error:  # noqa: BLE001 - shown as a difference
            simulated = repr(error)
        if real != simulated:
            differences.append((seed, steps, real, simulated))
    return differences


LEVELS = [
    (dialect, level)
    for dialect in ("mysql", "postgres")
    for level in ("REPEATABLE READ", "READ COMMITTED")
]


def told(differences):
    lines = []
    for seed, steps, real, simulated in differences[:3]:
        lines += [f"schedule {seed}", *(f"  {who}: {sql}" for who, sql in steps)]
        lines += [f"  real      {real}", f"  simulated {simulated}"]
    return f"{len(differences)} schedules differ\n" + "\n".join(lines)


@pytest.mark.parametrize(("dialect", "level"), LEVELS)
def test_two_sessions_see_and_do_what_they_do_on_the_real_server(servers, dialect, level):
    differences = compare(servers, dialect, level, range(12))
    assert not differences, told(differences)


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "level"), LEVELS)
def test_many_schedules(servers, dialect, level):
    count = int(os.environ.get("TICKETSIM_SCHEDULES", "25"))
    differences = compare(servers, dialect, level, range(1_000, 1_000 + count))
    assert not differences, told(differences)
