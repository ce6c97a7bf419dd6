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
import time

import pytest

from sim.app.sql.drivers.driver import _MYSQL, _POSTGRES
from sim.app.sql.drivers.sessions import Connection
from sim.kernel.environment import Environment
from tests.contract.own_app.one_session import driver_of, simulated_database

STEP_S = 0.001
"""Simulated: all steps are over before PostgreSQL looks for a deadlock, as on the real server."""
LOOK_S = {"mysql": 0.11, "postgres": 0.004}
"""Between two looks at what waits for a lock: InnoDB's list is a tenth of a second old."""
WAITING = {
    "mysql": "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' "
    "AND trx_mysql_thread_id = {}",
    "postgres": "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND pid = {}",
}
COUNTS = (
    "SELECT s.id, COUNT(b.id), SUM(s.n) FROM seats s LEFT JOIN bookings b ON b.seat_id = s.id "
    "GROUP BY s.id ORDER BY s.id"
)
SCHEMA = {
    "mysql": [
        "CREATE TABLE seats (id INT PRIMARY KEY, name VARCHAR(10) NOT NULL UNIQUE, n INT NOT NULL)",
        "CREATE TABLE bookings (id INT AUTO_INCREMENT PRIMARY KEY, seat_id INT NOT NULL, who INT, "  # noqa: ISC004 - one statement
        "FOREIGN KEY (seat_id) REFERENCES seats (id))",
        "CREATE TABLE payments (id INT AUTO_INCREMENT PRIMARY KEY, booking_id INT NOT NULL, n INT, "  # noqa: ISC004 - one statement
        "FOREIGN KEY (booking_id) REFERENCES bookings (id) ON DELETE CASCADE)",
    ],
    "postgres": [
        "CREATE TABLE seats (id INT PRIMARY KEY, name VARCHAR(10) NOT NULL UNIQUE, n INT NOT NULL)",
        "CREATE TABLE bookings (id SERIAL PRIMARY KEY, seat_id INT REFERENCES seats (id), who INT)",
        "CREATE TABLE payments (id SERIAL PRIMARY KEY, booking_id INT NOT NULL "  # noqa: ISC004 - one statement
        "REFERENCES bookings (id) ON DELETE CASCADE, n INT)",
    ],
}
ROWS = [
    "INSERT INTO seats (id, name, n) VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)",
    "INSERT INTO bookings (seat_id, who) VALUES (1, 7)",
    "INSERT INTO payments (booking_id, n) VALUES (1, 5)",
]
TABLES = ("seats", "bookings", "payments")


SHARED = {"mysql": "LOCK IN SHARE MODE", "postgres": "FOR SHARE"}


def upsert(dialect, key):
    if dialect == "mysql":
        return "ON DUPLICATE KEY UPDATE n = seats.n + 1"
    return f"ON CONFLICT ({key}) DO UPDATE SET n = seats.n + 1"


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
        f"SELECT n FROM seats WHERE id = {k} {SHARED[dialect]}",
        f"INSERT INTO payments (booking_id, n) VALUES (1, {j})",
        "SELECT booking_id, n FROM payments ORDER BY id",
        "SELECT id FROM bookings WHERE id = 1 FOR UPDATE",
        f"INSERT INTO bookings (seat_id, who) VALUES ({k}, {j}) RETURNING seat_id, who",
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
            "SELECT id FROM seats WHERE n < 2 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
            "SELECT id, n FROM seats WHERE n < 2 ORDER BY id LIMIT 1 FOR UPDATE",
            "SELECT id FROM seats ORDER BY id FOR UPDATE NOWAIT",
            f"INSERT INTO seats VALUES ({k}, 'f', 0) {upsert(dialect, 'id')}",
            f"INSERT INTO seats VALUES (7, '{rng.choice('abcg')}', 0) {upsert(dialect, 'name')}",
        ]
    if dialect == "postgres":
        choices += [
            f"UPDATE seats SET n = n + 1 WHERE id = {k} RETURNING id, n",
            f"SELECT id FROM seats WHERE name <> '{rng.choice('ag')}' ORDER BY id",
            f"SELECT n FROM seats WHERE id = {k} FOR NO KEY UPDATE",
            f"SELECT n FROM seats WHERE id = {k} FOR KEY SHARE",
        ]
    return rng.choice(choices)


def schedule(seed, dialect, level):
    rng = random.Random(seed)
    steps = []
    updated = [False, False]
    for _ in range(rng.randint(4, 14)):
        at, sql = rng.randint(0, 1), statement(rng, dialect, level)
        if sql in {"COMMIT", "ROLLBACK"}:
            updated[at] = False
        elif dialect == "postgres" and level == "REPEATABLE READ":
            # docs/how-to/your-own-service.md: a row that is first changed, then locked.
            updated[at] |= "UPDATE seats" in sql or "DO UPDATE" in sql
            if updated[at] and "FOR UPDATE" in sql:
                continue
        steps.append((at, sql))
    return [*steps, (0, "COMMIT"), (1, "COMMIT")]


def execute(connection, cursor, sql):
    """Run a statement; a driver must be told of ends, or it thinks that a transaction goes on."""
    if sql in {"COMMIT", "ROLLBACK"}:
        getattr(connection, sql.lower())()
    else:
        cursor.execute(sql)


def answer_of(cursor, sql):
    if sql.startswith("SELECT") or "RETURNING" in sql:
        return "rows", [tuple(map(plain, row)) for row in cursor.fetchall()]
    if sql.startswith(("UPDATE", "INSERT", "DELETE")):
        return "count", cursor.rowcount
    return "done", None


def plain(value):
    return int(value) if value is not None and not isinstance(value, str) else value


KINDS = {code: kind for kind, (code, _) in reversed(_MYSQL.items())}
STATES = {state: kind for kind, (state, _, _) in reversed(_POSTGRES.items())}


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
        self.idle.set()
        self.lock = threading.Lock()
        self.start()

    def run(self):
        while (sql := self.asked.get()) is not None:
            with self.connection.cursor() as cursor:
                try:
                    execute(self.connection, cursor, sql)
                    self.answers.append((sql, *answer_of(cursor, sql)))
                except Exception as error:  # noqa: BLE001 - errors are answers here
                    self.answers.append((sql, "error", kind_of(error, self.dialect)))
            with self.lock:
                if self.asked.empty():
                    self.idle.set()

    def give(self, sql):
        with self.lock:
            self.idle.clear()
            self.asked.put(sql)

    @property
    def number(self):
        """The server's number of the session."""
        if self.dialect == "mysql":
            return self.connection.thread_id()
        return self.connection.info.backend_pid


def settle(sessions, watcher, dialect):
    """Wait until each session has answered, or waits for a lock."""
    give_up = time.monotonic() + 20
    busy = list(sessions)
    while busy and time.monotonic() < give_up:
        busy = [session for session in busy if not session.idle.wait(LOOK_S[dialect])]
        with watcher.cursor() as cursor:
            for session in list(busy):
                cursor.execute(WAITING[dialect].format(session.number))
                if cursor.fetchone()[0]:
                    busy.remove(session)
        watcher.rollback()


def run_real(connect, dialect, level, steps):
    first = connect()
    with first.cursor() as cursor:
        for table in reversed(TABLES):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
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
        settle(sessions, first, dialect)
    for session in sessions:
        session.asked.put(None)
    for session in sessions:
        session.join(10)
        assert not session.is_alive(), [each.answers for each in sessions]
        session.connection.close()
    with first.cursor() as cursor:
        rows = []
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            rows.append([tuple(row) for row in cursor.fetchall()])
    first.close()
    return [session.answers for session in sessions], rows


def run_simulated(dialect, level, steps):
    env = Environment()
    database = simulated_database(dialect, env)
    driver = driver_of(dialect)
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
            if env.now < when * STEP_S:
                env.sleep(when * STEP_S - env.now)
            cursor = connection.cursor()
            try:
                execute(connection, cursor, sql)
                answers[at].append((sql, *answer_of(cursor, sql)))
            except Exception as error:  # noqa: BLE001 - errors are answers here
                answers[at].append((sql, "error", kind_of(error, dialect)))

    for at in range(2):
        env.spawn(f"session {at}", lambda at=at: session(at))
    env.run()
    rows = [[tuple(row.values()) for row in database.store.rows(table)] for table in TABLES]
    return answers, rows


def compare(servers, figures, dialect, level, seeds):
    connect = servers(dialect)
    differences = []
    for seed in seeds:
        steps = schedule(seed, dialect, level)
        figures(f"transactions of two sessions, {dialect}", transactions(steps))
        figures(f"statements of two sessions, {dialect}", len(steps))
        real, simulated = run_real(connect, dialect, level, steps), None
        try:
            simulated = run_simulated(dialect, level, steps)
        except BaseException as error:  # noqa: BLE001 - shown as a difference
            simulated = repr(error)
        if other_victim(real, simulated):
            figures(f"schedules with another victim of a deadlock, {dialect}", 1)
        elif real != simulated:
            differences.append((seed, steps, real, simulated))
    figures(f"schedules of two sessions, {dialect}", len(seeds))
    figures(f"schedules that differ, {dialect}", len(differences))
    return differences


def other_victim(real, simulated):
    """Both have a deadlock, and InnoDB has rolled back the other session: it weighs lock records
    of whole pages, the simulation rows.
    """
    if isinstance(simulated, str):
        return False
    where = [
        [[step[-1] for step in session].count("deadlock") for session in answers]
        for answers, _ in (real, simulated)
    ]
    return where in ([[0, 1], [1, 0]], [[1, 0], [0, 1]])


def transactions(steps):
    return sum(sql in {"COMMIT", "ROLLBACK"} for _, sql in steps)


KNOWN = {("postgres", 525)}
"""Schedules that still differ: docs/how-to/your-own-service.md says how."""
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
def test_two_sessions_see_and_do_what_they_do_on_the_real_server(servers, figures, dialect, level):
    differences = compare(servers, figures, dialect, level, range(12))
    assert not differences, told(differences)


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "level"), LEVELS)
def test_many_schedules(servers, figures, dialect, level):
    count = int(os.environ.get("TICKETSIM_SCHEDULES", "50"))
    seeds = [seed for seed in range(500, 500 + count) if (dialect, seed) not in KNOWN]
    differences = compare(servers, figures, dialect, level, seeds)
    assert not differences, told(differences)
