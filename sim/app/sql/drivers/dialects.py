"""SQLAlchemy on simulated databases: its pool, sessions and unit of work stay as they are.

The dialects are SQLAlchemy's own, with another driver below them. They are named in SQLAlchemy's
public registry, so `create_engine` finds them in any order of imports. No driver has to be
installed.
"""

# mypy: disable-error-code="override,misc"
# SQLAlchemy calls these methods by name, with what its own dialects take.
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from sim.app.aio.database import AsyncConnection
from sim.app.errors import RefusedCallError, caller
from sim.app.seams.runtime import RUNTIME
from sim.app.sql.drivers.driver import Driver
from sim.app.sql.drivers.modules import module_of
from sim.app.sql.drivers.psycopg import PSYCOPG, PSYCOPG2

if TYPE_CHECKING:
    import types

    from sqlalchemy.engine import URL

    from sim.app.sql.drivers.sessions import Connection

MYSQL: Final = Driver("PyMySQL", "mysql", "pymysql.err", "8.4.3")
MARIADB: Final = Driver("PyMySQL", "mysql", "pymysql.err", "10.11.6-MariaDB")
POSTGRES: Final = PSYCOPG2
_MYSQL_DRIVERS: Final = ("pymysql", "mysqldb", "mysqlconnector")
_POSTGRES_DRIVERS: Final = ("psycopg2", "psycopg", "pg8000")
_ASYNC_MYSQL_DRIVERS: Final = ("aiomysql", "asyncmy")
_ASYNC_POSTGRES_DRIVERS: Final = ("asyncpg", "psycopg_async")
_REFUSED: Final = (
    "mysql.cymysql",
    "mysql.pyodbc",
    "mariadb.mariadbconnector",
    "oracle",
    "mssql",
)


class _Common(DefaultDialect):
    """What both have in common; a session is one of ours."""

    supports_statement_cache = True
    is_async = False
    _simulated: Driver

    @classmethod
    def get_pool_class(cls, _url: Any) -> type[QueuePool]:
        """Pool as the real driver has it."""
        return QueuePool

    def create_connect_args(self, url: Any) -> Any:
        """Connect by the database's name; other parts of the URL are ignored."""
        return [url.database or "main"], {}

    def on_connect(self) -> Any:
        """Nothing to set."""
        return None

    def on_connect_url(self, _url: Any) -> Any:
        """Nothing to set."""
        return None

    def is_disconnect(self, _error: Any, _connection: Any, _cursor: Any) -> bool:
        """A simulated session is never lost."""
        return False

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Isolation of a session."""
        if dbapi_connection.autocommit_on:
            return "AUTOCOMMIT"
        return dbapi_connection.level

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """Isolation of a new session."""
        return dbapi_conn.database.default_level

    def get_isolation_level_values(self, _dbapi_conn: Any) -> Any:
        """Levels that may be requested; not all of them are simulated."""
        return (
            "AUTOCOMMIT",
            "READ UNCOMMITTED",
            "READ COMMITTED",
            "REPEATABLE READ",
            "SERIALIZABLE",
        )

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Set the isolation of a session."""
        if level != "AUTOCOMMIT":
            dbapi_connection.set_autocommit(False)
        dbapi_connection.set_level(level)

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Whether every statement is a separate transaction."""
        return bool(dbapi_conn.autocommit_on)

    def do_ping(self, dbapi_connection: Any) -> bool:
        """A way there and back."""
        dbapi_connection.ping()
        return True

    def has_table(self, connection: Any, table_name: str, **_: Any) -> bool:
        """Whether the table exists."""
        return table_name in _session(connection).database.store.tables

    def has_index(self, _connection: Any, _table: str, _index: str, **_: Any) -> bool:
        """Always false, so that SQLAlchemy always sends CREATE INDEX."""
        return False

    def get_table_names(self, connection: Any, **_: Any) -> list[str]:
        """Names of the tables."""
        return sorted(_session(connection).database.store.tables)

    def get_view_names(self, _connection: Any, **_: Any) -> list[str]:
        """Views are not simulated."""
        return []

    def do_executemany(
        self,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any = None,  # noqa: ARG002 - SQLAlchemy's
    ) -> None:
        """One statement after the other."""
        cursor.executemany(statement, parameters)


def _session(connection: Any) -> Connection:
    found: Connection = connection.connection.dbapi_connection
    return found


class _MySQL(_Common, MySQLDialect):
    """MySQL as PyMySQL and mysqlclient reach it."""

    supports_statement_cache = True
    driver = "pymysql"
    supports_sane_rowcount = True
    supports_sane_multi_rowcount = True
    supports_native_decimal = True
    default_paramstyle = "named"
    _simulated = MYSQL

    @classmethod
    def import_dbapi(cls) -> types.ModuleType:
        """The driver: ours."""
        return module_of("pymysql", cls._simulated)

    def _get_server_version_info(self, _connection: Any) -> tuple[int, ...]:
        return self._parse_server_version(self._simulated.version)

    def _get_default_schema_name(self, connection: Any) -> str:
        return _session(connection).database.name

    def _detect_charset(self, _connection: Any) -> str:
        return "utf8mb4"

    def _detect_sql_mode(self, _connection: Any) -> None:
        self._sql_mode = "STRICT_TRANS_TABLES"

    def _detect_casing(self, _connection: Any) -> int:
        self._casing = 0
        return 0

    def _extract_error_code(self, exception: BaseException) -> Any:
        return exception.args[0] if exception.args else None


class _MariaDB(_MySQL):
    """MariaDB as PyMySQL and mysqlclient reach it."""

    supports_statement_cache = True
    is_mariadb = True
    name = "mariadb"
    _simulated = MARIADB


class _Postgres(_Common, PGDialect):
    """PostgreSQL as psycopg2 and psycopg reach it."""

    supports_statement_cache = True
    driver = "psycopg2"
    default_paramstyle = "named"
    supports_sane_multi_rowcount = True
    _simulated = POSTGRES
    colspecs = {  # noqa: RUF012 - as SQLAlchemy has it
        **PGDialect.colspecs,
        sqltypes.Numeric: sqltypes.Numeric,
    }

    @classmethod
    def import_dbapi(cls) -> types.ModuleType:
        """The driver: ours."""
        return module_of("psycopg2", cls._simulated)

    def _get_server_version_info(self, _connection: Any) -> tuple[int, ...]:
        return (15, 5)

    def _get_default_schema_name(self, _connection: Any) -> str:
        return "public"

    def _set_backslash_escapes(self, _connection: Any) -> None:
        self._backslash_escapes = False

    def has_sequence(self, _connection: Any, _sequence: str, **_: Any) -> bool:
        """Sequences belong to their tables."""
        return True


class _Psycopg(_Postgres):
    """PostgreSQL as psycopg reaches it."""

    supports_statement_cache = True
    driver = "psycopg"
    _simulated = PSYCOPG

    @classmethod
    def import_dbapi(cls) -> types.ModuleType:
        """The driver: ours."""
        return module_of("psycopg", cls._simulated)


class _Async:
    """A dialect for `create_async_engine`: its sessions await."""

    is_async = True
    has_terminate = True

    @classmethod
    def get_pool_class(cls, _url: Any) -> type[AsyncAdaptedQueuePool]:
        """Pool as the real driver has it."""
        return AsyncAdaptedQueuePool

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Drop a session without a word to the server."""
        dbapi_connection.terminate()


class _AsyncMySQL(_Async, _MySQL):
    """MySQL as aiomysql and asyncmy reach it."""

    supports_statement_cache = True
    driver = "aiomysql"

    @classmethod
    def import_dbapi(cls) -> types.ModuleType:
        """The driver: ours."""
        return module_of("aiomysql", cls._simulated, connection=AsyncConnection)


class _AsyncMariaDB(_AsyncMySQL):
    """MariaDB as aiomysql and asyncmy reach it."""

    supports_statement_cache = True
    is_mariadb = True
    name = "mariadb"
    _simulated = MARIADB


class _AsyncPostgres(_Async, _Postgres):
    """PostgreSQL as asyncpg and psycopg reach it."""

    supports_statement_cache = True
    driver = "asyncpg"

    @classmethod
    def import_dbapi(cls) -> types.ModuleType:
        """The driver: ours."""
        return module_of("asyncpg", cls._simulated, connection=AsyncConnection)


def _refusal(url: URL, why: str) -> RefusedCallError:
    """Make the error that ends the run, and note it."""
    error = RefusedCallError(
        f"{caller(RUNTIME.roots)}: create_engine({url.render_as_string(hide_password=True)!r}): "
        f"{why}; allowed: mysql or mariadb with {', '.join(_MYSQL_DRIVERS)}, postgresql with "
        f"{', '.join(_POSTGRES_DRIVERS)}; for create_async_engine "
        f"{', '.join((*_ASYNC_MYSQL_DRIVERS, *_ASYNC_POSTGRES_DRIVERS))}. Give the service a "
        "MySQL, MariaDB or PostgreSQL URL in [app.env]"
    )
    RUNTIME.refuse(error)
    return error


class _Refused(DefaultDialect):
    """The dialect of a driver that is not simulated: refuses to connect."""

    supports_statement_cache = True

    @classmethod
    def get_dialect_cls(cls, url: URL) -> type[Any]:
        """Say so."""
        raise _refusal(url, "this driver is not simulated")


class _NoSQLite:
    """SQLite waits for locks of its file in real time, so an application must not use it.

    Outside a run of an application the dialect is SQLAlchemy's own.
    """

    @classmethod
    def get_dialect_cls(cls, url: URL) -> type[Any]:
        """Refuse SQLite, if the application asks for it."""
        if RUNTIME.simulates:
            raise _refusal(url, "SQLite waits for its locks in real time and is not simulated")
        return cls


class _SQLite(_NoSQLite, SQLiteDialect_pysqlite):
    supports_statement_cache = True


class _AsyncSQLite(_NoSQLite, SQLiteDialect_aiosqlite):
    supports_statement_cache = True


def _registered() -> dict[str, str]:
    found = {"mysql": "_MySQL", "mariadb": "_MariaDB", "postgresql": "_Postgres"}
    for driver in _MYSQL_DRIVERS:
        found[f"mysql.{driver}"] = "_MySQL"
        found[f"mariadb.{driver}"] = "_MariaDB"
    for driver in _POSTGRES_DRIVERS:
        found[f"postgresql.{driver}"] = "_Psycopg" if driver == "psycopg" else "_Postgres"
    for driver in _ASYNC_MYSQL_DRIVERS:
        found[f"mysql.{driver}"] = "_AsyncMySQL"
        found[f"mariadb.{driver}"] = "_AsyncMariaDB"
    for driver in _ASYNC_POSTGRES_DRIVERS:
        found[f"postgresql.{driver}"] = "_AsyncPostgres"
    found.update(dict.fromkeys(_REFUSED, "_Refused"))
    found |= {"sqlite": "_SQLite", "sqlite.pysqlite": "_SQLite", "sqlite.aiosqlite": "_AsyncSQLite"}
    return found


def install() -> None:
    """Let `create_engine` find simulated databases."""
    for name, dialect in _registered().items():
        registry.register(name, __name__, dialect)
