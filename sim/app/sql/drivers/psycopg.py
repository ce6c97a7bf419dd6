"""Connections and modules of PostgreSQL as psycopg2 and psycopg have them: Django imports both."""

from __future__ import annotations

import importlib
import math
import re
from datetime import date, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sim.app.errors import RefusedCallError, caller
from sim.app.seams.runtime import RUNTIME
from sim.app.sql.drivers.driver import Driver
from sim.app.sql.drivers.sessions import Connection, Cursor

if TYPE_CHECKING:
    from collections.abc import Callable

PSYCOPG2: Final = Driver("psycopg2", "postgres", "psycopg2", "PostgreSQL 15.5")
PSYCOPG: Final = Driver("psycopg", "postgres", "psycopg", "PostgreSQL 15.5")
_SERVER_VERSION: Final = 150005
_LEVELS: Final = {1: "READ COMMITTED", 2: "REPEATABLE READ", 3: "SERIALIZABLE", 4: "READ COMMITTED"}
"""Numbers of psycopg2's levels."""
_PSYCOPG_LEVELS: Final = {1: "READ COMMITTED", 2: "READ COMMITTED", 3: "REPEATABLE READ"}
_PLACEHOLDER: Final = re.compile(r"%%|%s|%\((\w+)\)s")
_PARAMETERS: Final = {"TimeZone": "UTC", "server_version": "15.5", "client_encoding": "UTF8"}


class PostgresConnection(Connection):
    """A session with the attributes that psycopg2 and psycopg add to PEP 249."""

    encoding = "UTF8"
    server_version = _SERVER_VERSION

    def __init__(self, *args: Any, context: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.adapters = context
        self.info = SimpleNamespace(
            server_version=_SERVER_VERSION,
            parameter_status=_PARAMETERS.get,
            encoding="utf-8",
            dbname=self.database.name,
        )

    @property  # type: ignore[override]  # PyMySQL's is a method
    def autocommit(self) -> bool:
        """Whether every statement is a separate transaction."""
        return self.autocommit_on

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self.set_autocommit(value)

    @property
    def isolation_level(self) -> str:
        """The isolation of the next transaction."""
        return self.level

    @isolation_level.setter
    def isolation_level(self, level: Any) -> None:
        self._set_isolation(level)

    def _set_isolation(self, level: Any) -> None:
        if isinstance(level, str):
            self.set_level(level)
        elif level == 0:
            self.set_autocommit(True)
        elif level is not None:
            known = _PSYCOPG_LEVELS if self.driver is PSYCOPG else _LEVELS
            self.set_level(known.get(int(level), "SERIALIZABLE"))

    set_isolation_level = _set_isolation

    def set_session(
        self,
        isolation_level: Any = None,
        readonly: Any = None,  # noqa: ARG002 - psycopg2's: nothing depends on it
        deferrable: Any = None,  # noqa: ARG002 - likewise
        autocommit: bool | None = None,
    ) -> None:
        """Set what the next transactions are like."""
        self._set_isolation(isolation_level)
        if autocommit is not None:
            self.set_autocommit(autocommit)

    def set_client_encoding(self, _encoding: str) -> None:
        """Nothing to do: texts are Unicode here."""

    def cursor(self, *_args: Any, **_options: Any) -> PostgresCursor:
        """Make a cursor."""
        return PostgresCursor(self)

    def get_transaction_status(self) -> int:
        """0: idle, 2: in a transaction, 3: in one that has failed."""
        return 0 if self._transaction is None else 3 if self._transaction.failed else 2

    def __enter__(self) -> Any:
        return self


class PostgresCursor(Cursor):
    """A cursor with the methods that psycopg2's adds to PEP 249."""

    def mogrify(self, sql: str, parameters: Any = None) -> bytes:
        """The statement with the parameters in it, as psycopg2 sends it. Takes no time.

        Raises the driver's ProgrammingError for a wrong number of parameters, or one that has no
        literal.
        """
        if parameters is None:
            return sql.encode()
        fails = self.connection.driver.programming_error
        at = 0

        def filled(match: re.Match[str]) -> str:
            nonlocal at
            if match[0] == "%%":
                return "%"
            try:
                if match[1]:
                    return literal(parameters[match[1]])
                at += 1
                return literal(parameters[at - 1])
            except (TypeError, LookupError) as error:
                raise fails(f"{match[0]}: {error}") from error

        text = _PLACEHOLDER.sub(filled, sql)
        if not isinstance(parameters, dict) and at != len(parameters):
            raise fails(f"{at} parameters expected, {len(parameters)} given")
        return text.encode()


def literal(value: Any) -> str:
    """A value as PostgreSQL reads it in a statement. Raises TypeError: there is no literal."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return _signed(str(value))
        case float():
            return _signed(repr(value)) if math.isfinite(value) else f"'{value}'::float"
        case str() | UUID():
            quoted = str(value).replace("'", "''")
            return f"'{quoted}'"
        case datetime():
            kind = "timestamp" if value.tzinfo is None else "timestamptz"
            return f"'{value.isoformat()}'::{kind}"
        case date():
            return f"'{value.isoformat()}'::date"
        case time():
            return f"'{value.isoformat()}'::time"
        case bytes() | bytearray() | memoryview():
            return f"'\\x{bytes(value).hex()}'::bytea"
        case list():
            return f"ARRAY[{', '.join(map(literal, value))}]" if value else "'{}'"
        case tuple():
            return f"({', '.join(map(literal, value))})"
        case _:
            raise TypeError(f"can't adapt type '{type(value).__name__}'")


def _signed(number: str) -> str:
    """A minus behind another one would begin a comment."""
    return f" {number}" if number.startswith("-") else number


def _connecting(driver: Driver, real: Callable[..., Any]) -> Callable[..., Any]:
    """`connect` of a driver: simulated in a simulated thread, the real one elsewhere."""

    def connect(*args: Any, **options: Any) -> Any:
        if not RUNTIME.simulates:
            return real(*args, **options)
        given = args[0] if args and isinstance(args[0], str) else ""
        if given.startswith(("postgres://", "postgresql://")):
            words = {"dbname": given.rpartition("/")[2].partition("?")[0]}
        else:
            words = dict(part.split("=", 1) for part in given.split())
        name = options.get("dbname") or options.get("database") or words.get("dbname") or "main"
        return PostgresConnection(
            RUNTIME.database(str(name), "postgres"),
            driver,
            autocommit=bool(options.get("autocommit", False)),
            context=options.get("context"),
        )

    return connect


def _refusing(real: Any, name: str) -> Any:
    def connect(*args: Any, **options: Any) -> Any:
        if not RUNTIME.simulates:
            return real(*args, **options)
        error = RefusedCallError(
            f"{caller(RUNTIME.roots)}: {name}: asyncio drivers are not simulated; use "
            "psycopg.connect"
        )
        RUNTIME.refuse(error)
        raise error

    return connect


def _unless_simulated(real: Callable[..., Any]) -> Callable[..., Any]:
    """A function that registers types with a connection: nothing to do with a simulated one."""

    def register(*args: Any, **options: Any) -> Any:
        given = (*args, *options.values())
        return (
            None if any(isinstance(part, Connection) for part in given) else real(*args, **options)
        )

    return register


def install() -> None:
    """Give code that imports psycopg2 or psycopg itself the simulated databases, permanently."""
    try:
        module: Any = importlib.import_module("psycopg2")
        extras: Any = importlib.import_module("psycopg2.extras")
    except ImportError:
        pass
    else:
        module.connect = _connecting(PSYCOPG2, module.connect)
        for name in ("register_default_jsonb", "register_default_json", "register_uuid"):
            setattr(extras, name, _unless_simulated(getattr(extras, name)))
        module.extensions.register_type = _unless_simulated(module.extensions.register_type)
    try:
        newer: Any = importlib.import_module("psycopg")
    except ImportError:
        return
    newer.connect = _connecting(PSYCOPG, newer.connect)
    newer.Connection.connect = newer.connect
    newer.AsyncConnection.connect = _refusing(newer.AsyncConnection.connect, "AsyncConnection")
