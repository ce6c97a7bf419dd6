"""One session's statements on a real server and on the simulated database, answer by answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from sim.app.errors import UnsupportedSqlError
from sim.app.sql.drivers.dialects import MARIADB, POSTGRES
from sim.app.sql.drivers.sessions import Connection
from sim.app.sql.transactions.database import Database
from sim.kernel.environment import Environment
from tests.contract.own_app.statements import ROWS, TABLES, Statements, schema


@dataclass
class Figures:
    """What was tried."""

    statements: int = 0
    refused: dict = field(default_factory=dict)
    errors: int = 0
    differences: list = field(default_factory=list)


class Free:
    """Work that takes no time."""

    def begin(self, read_only):
        pass

    def statement(self, work):
        pass

    def end(self, committed, wrote):
        pass


def simulated_database(dialect, env, lock_wait_timeout_s=50.0):
    return Database(
        env,
        "shop",
        dialect,
        charge=Free(),
        lock_wait_timeout_s=lock_wait_timeout_s,
        epoch_s=lambda: 1.7e9 + env.now,
        random=lambda: 0.5,
    )


def driver_of(dialect):
    return MARIADB if dialect == "mysql" else POSTGRES


def code_of(error, dialect):
    """What an application can tell errors apart by: class and code."""
    if dialect == "mysql":
        names = [each.__name__ for each in type(error).__mro__ if "pymysql" in each.__module__]
        return "error", names[0], error.args[0]
    return "error", type(error).__name__, getattr(error, "pgcode", None)


def answer(connection, sql, values, dialect):
    """Rows with their types, or a count, or an error."""
    try:
        return given(connection, sql, values, dialect)
    except UnsupportedSqlError:
        raise
    except Exception as error:  # noqa: BLE001 - errors are answers here
        return code_of(error, dialect)


def given(connection, sql, values, dialect):
    if sql in {"COMMIT", "ROLLBACK"}:
        getattr(connection, sql.lower())()
        return ("done",)
    cursor = connection.cursor()
    cursor.execute(sql, values or None)
    if cursor.description is not None:
        rows = [tuple(typed(value, dialect) for value in row) for row in cursor.fetchall()]
        if sql.startswith(("UPDATE", "DELETE")):
            # Their order is that of the server's plan. MariaDB has no result at all where a
            # DELETE's condition is false for every row.
            return ("rows", sorted(rows)) if rows else ("count", 0, None)
        return "rows", rows
    if sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
        return ("done",)
    last = cursor.lastrowid if dialect == "mysql" and sql.startswith("INSERT") else None
    return "count", cursor.rowcount, last


def typed(value, dialect):
    """A value with its type; floats to 12 digits, as PostgreSQL's decimals."""
    if isinstance(value, float):
        return "float", f"{value:.12g}"
    if isinstance(value, Decimal) and dialect == "postgres":
        # Digits depend on the value there.
        return "Decimal", f"{float(value):.12g}"
    return type(value).__name__, str(value)


def both_refuse(sql, ours, theirs):
    """Several rows of an INSERT may have several faults: which one is told first may differ."""
    return ours[0] == theirs[0] == "error" and sql.startswith("INSERT") and "), (" in sql


def prepare(connection, dialect):
    connection.rollback()
    cursor = connection.cursor()
    for table in reversed(TABLES):
        cursor.execute(
            f"DROP TABLE IF EXISTS {table}" + (" CASCADE" if dialect == "postgres" else "")
        )
    for sql in [*schema(dialect), *ROWS]:
        cursor.execute(sql)
    connection.commit()


def compare(real, dialect, seed, count, figures):
    """Send the same statements to both until they differ."""
    env = Environment()
    database = simulated_database(dialect, env)
    simulated = Connection(database, driver_of(dialect))
    prepare(real, dialect)
    prepare(simulated, dialect)
    statements = Statements(seed, dialect)

    def run():
        history = []
        failed = False
        for _ in range(count):
            sql, values = statements.next()
            if failed and dialect == "postgres":
                sql, values = statements.after_error(sql, values)
            try:
                ours = answer(simulated, sql, values, dialect)
            except UnsupportedSqlError as error:
                reason = re.sub(r"'[^']*'|\d+", "?", str(error.__cause__ or error))[:60]
                figures.refused[reason] = figures.refused.get(reason, 0) + 1
                if sql.startswith("INSERT"):
                    # A run would end here; the ids that it has taken are not given back.
                    return
                continue
            theirs = answer(real, sql, values, dialect)
            figures.statements += 1
            failed = theirs[0] == "error"
            figures.errors += failed
            history.append((sql, values))
            if ours != theirs and not both_refuse(sql, ours, theirs):
                figures.differences.append((seed, sql, values, theirs, ours, history[:-1]))
                real.rollback()
                return

    env.spawn("session", run)
    env.run()
