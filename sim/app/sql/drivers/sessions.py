"""A session of the application with a database; replaces the driver's connection.

A session takes text in the driver's style and returns rows in the driver's form. Errors are the
driver's own classes with the server's own codes (`driver`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Self

from sim.app.errors import UnsupportedSqlError, caller
from sim.app.seams.runtime import RUNTIME
from sim.app.sql.errors import SqlError
from sim.app.sql.transactions.answers import Answer
from sim.app.sql.transactions.database import Level
from sim.app.sql.transactions.transaction import Transaction
from sim.app.sql.values import converted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sim.app.sql.drivers.driver import Driver
    from sim.app.sql.transactions.database import Database, Dialect

_CONTROL: Final = re.compile(
    r"\s*(BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|SHOW|USE|END|DESCRIBE|"
    r"DEALLOCATE|DISCARD)\b",
    re.IGNORECASE,
)
_SAVEPOINT: Final = re.compile(
    r"\s*(?:SAVEPOINT|ROLLBACK\s+TO(?:\s+SAVEPOINT)?|RELEASE(?:\s+SAVEPOINT)?)\s+([`\"]?)(\w+)\1\s*;?\s*$",
    re.IGNORECASE,
)
_LEVEL: Final = re.compile(r"ISOLATION\s+LEVEL\s+([A-Z ]+)", re.IGNORECASE)
_ASKS_SERVER: Final = re.compile(
    r"@@|\bVERSION\s*\(\)|information_schema|\bpg_|current_schema|\bDATABASE\s*\(\)|^\s*DESCRIBE",
    re.IGNORECASE,
)
_LEVELS: Final[dict[str, Level]] = {
    "READ COMMITTED": "READ COMMITTED",
    "REPEATABLE READ": "REPEATABLE READ",
}
_PYFORMAT: Final = re.compile(r"'(?:[^']|'')*'|%%|%s|%\((\w+)\)s")
_KIND_CODES: Final = {"decimal": 1700, "int": 23, "float": 701}
_texts: dict[tuple[str, bool], tuple[str, int]] = {}


def named(sql: str, *, percents: bool) -> tuple[str, int]:
    """The text with `:name` in place of `%(name)s` and `:p0`, `:p1`, ... in place of `%s`."""
    found = _texts.get((sql, percents))
    if found is not None:
        return found
    count = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal count
        text = match[0]
        if text == "%%":
            return "%"
        if text == "%s":
            count += 1
            return f":p{count - 1}"
        if match[1]:
            return f":{match[1]}"
        return text.replace("%%", "%")

    result = (_PYFORMAT.sub(replaced, sql) if percents else sql), count
    if len(_texts) > 10_000:  # noqa: PLR2004 - texts made anew for each use
        _texts.clear()
    _texts[sql, percents] = result
    return result


def asks_server(sql: str) -> bool:
    """Whether a statement asks about the server or its tables."""
    return _ASKS_SERVER.search(sql) is not None


class Connection:
    """PEP 249's connection."""

    def __init__(self, database: Database, driver: Driver, *, autocommit: bool = False) -> None:
        self._database: Database | None = database
        self._place: tuple[str, Dialect] = (database.name, database.dialect)
        self.driver = driver
        self.level: Level = database.default_level
        self.autocommit_on = autocommit
        self.closed = 0
        self.encoders: dict[Any, Any] = {}
        self._transaction: Transaction | None = None
        self._begun = False
        RUNTIME.held.add(self)
        self._connect()

    @property
    def database(self) -> Database:
        """The database of this run: a pool of modules that are kept may be older than the run."""
        if self._database is None:
            self._database = RUNTIME.database(*self._place)
        return self._database

    def let_go(self) -> None:
        """The run is over."""
        self._database = self._transaction = None
        self._begun = False

    def _connect(self) -> None:
        """Spend the time that it takes to connect."""
        if RUNTIME.thread is not None and not RUNTIME.is_free:
            RUNTIME.wait("connect")
            RUNTIME.sleep(self.driver.connect_s)

    def __getattr__(self, name: str) -> Any:
        # Methods of a driver beyond PEP 249 are not simulated: the error says so.
        raise AttributeError(f"{name} of a connection is not simulated ({self.driver.name})")

    def transaction(self) -> Transaction:
        """The transaction under way, or a new one."""
        if self.closed:
            raise self.driver.interface_error("connection already closed")
        if self._transaction is None:
            self._transaction = Transaction(self.database, self.level)
        return self._transaction

    def cursor(self, *_args: Any, **_options: Any) -> Cursor:
        """Make a cursor."""
        return Cursor(self)

    def begin(self) -> None:
        """Begin a transaction, also where every statement would be one of its own."""
        self._begun = True

    def commit(self) -> None:
        """Commit what is under way."""
        self._begun = False
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            transaction.commit()

    def rollback(self) -> None:
        """Roll back what is under way."""
        self._begun = False
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        if RUNTIME.thread is None:
            # The garbage collector ends this session, and no time can pass in it.
            transaction.leave()
        else:
            transaction.rollback()

    def close(self) -> None:
        """Close the session; a transaction under way is rolled back."""
        if not self.closed:
            self.closed = 1
            transaction, self._transaction = self._transaction, None
            if transaction is not None:
                transaction.leave()

    def ping(self, *_args: Any, **_options: Any) -> None:
        """Ask whether the server is up: takes one round trip."""
        if RUNTIME.thread is not None and not RUNTIME.is_free:
            RUNTIME.wait("ping")

    def autocommit(self, value: bool) -> None:
        """PyMySQL's name of `set_autocommit`."""
        self.set_autocommit(value)

    def set_autocommit(self, value: bool) -> None:
        """Set whether every statement is a separate transaction."""
        if value and self._transaction is not None:
            self.commit()
        self.autocommit_on = bool(value)

    def get_autocommit(self) -> bool:
        """Whether every statement is a separate transaction."""
        return self.autocommit_on

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    # Statements

    def run(self, sql: str, parameters: Mapping[str, Any]) -> Answer:
        """Run one statement given with `:name` parameters."""
        if _CONTROL.match(sql):
            return self._control(sql)
        try:
            return self._answer(sql, parameters)
        except UnsupportedSqlError as error:
            refused = UnsupportedSqlError(
                f"{caller(RUNTIME.roots)}: the statement is not simulated: {error}. Statement: "
                f"{' '.join(sql.split())[:2_000]}. Write it with what docs/how-to/your-own-service "
                "lists, or leave it out of the simulated configuration"
            )
            RUNTIME.refuse(refused)
            raise refused from error
        except SqlError as error:
            if error.kind == "deadlock" and self.database.dialect == "mysql":
                # The server has rolled the transaction back: the next statement begins a new
                # transaction.
                transaction, self._transaction = self._transaction, None
                if transaction is not None:
                    transaction.leave()
            raise self.driver.error(error) from error

    def _answer(self, sql: str, parameters: Mapping[str, Any]) -> Answer:
        """Run a statement, or a question about the server. Raises SqlError, UnsupportedSqlError."""
        if asks_server(sql):
            answer = self.driver.server_answer(self.database, sql, parameters)
            if answer is not None:
                return answer
        return self._statement(sql, parameters)

    def _statement(self, sql: str, parameters: Mapping[str, Any]) -> Answer:
        try:
            statement = self.database.statement(sql)
        except SqlError as error:
            if self.database.dialect == "postgres" and (self._begun or not self.autocommit_on):
                self.transaction().refuse(error)
            raise
        if statement.kind == "schema":
            self.commit()
            self.database.change_schema(sql)
            return Answer(None, (), (), 0)
        alone = self.autocommit_on and not self._begun and self._transaction is None
        RUNTIME.wait(f"{statement.kind} {statement.tables[0] if statement.tables else ''}".rstrip())
        try:
            transaction = self.transaction()
            answer = transaction.execute(statement, parameters)
        except BaseException:
            if alone:
                self.rollback()
            raise
        if answer.rows is not None and answer.types:
            rows = converted(answer.rows, answer.types, self.database.dialect)
            answer = answer._replace(rows=rows)
        if alone:
            self.commit()
        return answer

    def _control(self, sql: str) -> Answer:
        word = sql.split(None, 1)[0].upper().rstrip(";")
        match word:
            case "BEGIN" | "START":
                if self.database.dialect == "mysql":
                    self.commit()
                self.begin()
                self._set_level(sql)
            case "COMMIT" | "END":
                self.commit()
            case "ROLLBACK" if not _SAVEPOINT.match(sql):
                self.rollback()
            case "SAVEPOINT" | "ROLLBACK" | "RELEASE":
                self._savepoint(word, sql)
            case "SET":
                self._set(sql)
            case "SHOW" | "DESCRIBE":
                answer = self.driver.server_answer(self.database, sql, {})
                if answer is not None:
                    return answer
                raise UnsupportedSqlError(f"{caller(RUNTIME.roots)}: {sql.strip()}")
            case _:
                pass
        return Answer(None, (), (), 0)

    def _savepoint(self, word: str, sql: str) -> None:
        match = _SAVEPOINT.match(sql)
        name = "" if match is None else match[2].lower()
        transaction = self.transaction()
        try:
            if word == "SAVEPOINT":
                transaction.savepoint(name)
            elif word == "ROLLBACK":
                transaction.rollback_to(name)
            else:
                transaction.release(name)
        except SqlError as error:
            raise self.driver.error(error) from error

    def _set(self, sql: str) -> None:
        for part in sql.split(";"):
            self._set_level(part)
            words = part.replace("=", " ").lower().split()
            if words[:2] == ["set", "autocommit"]:
                self.set_autocommit(words[2] in {"1", "on", "true"})

    def _set_level(self, sql: str) -> None:
        match = _LEVEL.search(sql)
        if match is not None:
            self.set_level(match[1])

    def set_level(self, level: str) -> None:
        """Isolation of the transactions that begin from now on."""
        wanted = " ".join(level.upper().replace("_", " ").split()[:2])
        if wanted == "READ UNCOMMITTED" and self.database.dialect == "postgres":
            wanted = "READ COMMITTED"
        if wanted == "AUTOCOMMIT":
            self.set_autocommit(True)
        elif wanted in _LEVELS:
            self.level = _LEVELS[wanted]
        else:
            refused = UnsupportedSqlError(
                f"{caller(RUNTIME.roots)}: isolation {wanted} is not simulated; allowed: READ "
                "COMMITTED and REPEATABLE READ"
            )
            RUNTIME.refuse(refused)
            raise refused


class Cursor:
    """PEP 249's cursor."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: Sequence[tuple[Any, ...]] = ()
        self._at = 0

    def execute(self, sql: str, parameters: Any = None) -> int:
        """Run a statement with parameters in the driver's style."""
        connection = self.connection
        if isinstance(parameters, dict):
            text = named(sql, percents=True)[0] if "%(" in sql or "%%" in sql else sql
            values: Mapping[str, Any] = parameters
        elif parameters:
            text, count = named(sql, percents=True)
            if count != len(parameters):
                raise connection.driver.programming_error(
                    f"{count} parameters expected, {len(parameters)} given"
                )
            values = {f"p{at}": value for at, value in enumerate(parameters)}
        else:
            text, values = sql, {}
        return self._take(connection.run(text, values))

    def _take(self, answer: Answer) -> int:
        self._at = 0
        self.rowcount = answer.changed
        self.lastrowid = answer.last_id
        if answer.last_id is None and self.connection.database.dialect == "mysql":
            self.lastrowid = 0
        if answer.rows is None:
            self.description, self._rows = None, ()
        else:
            codes = {at: _KIND_CODES.get(type_.kind, 0) for at, type_ in answer.types}
            self.description = [
                (name, codes.get(at, 23), None, None, None, None, True)
                for at, name in enumerate(answer.names)
            ]
            self._rows = answer.rows
        return answer.changed

    def executemany(self, sql: str, rows: Sequence[Any]) -> int:
        """Run a statement once for each of `rows`."""
        count = 0
        for row in rows:
            self.execute(sql, row)
            count += max(0, self.rowcount)
        self.rowcount = count
        return count

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, None if there is none."""
        if self._at >= len(self._rows):
            return None
        self._at += 1
        return self._rows[self._at - 1]

    def _listed(self, rows: Sequence[tuple[Any, ...]]) -> Any:
        """Rows in what the driver has them in: Django compares the end with an empty one."""
        return tuple(rows) if self.connection.database.dialect == "mysql" else list(rows)

    def fetchmany(self, size: int | None = None) -> Any:
        """The next rows."""
        end = self._at + (self.arraysize if size is None else size)
        found = self._rows[self._at : end]
        self._at += len(found)
        return self._listed(found)

    def fetchall(self) -> Any:
        """All rows that are left."""
        found = self._rows[self._at :] if self._at else self._rows
        self._at = len(self._rows)
        return self._listed(found)

    def nextset(self) -> None:
        """Return None: there is only one result."""

    def setinputsizes(self, *_: Any) -> None:
        """Nothing to do."""

    def setoutputsize(self, *_: Any) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Drop the rows."""
        self._rows = ()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchall())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
