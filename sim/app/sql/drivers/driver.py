"""The drivers that an application's library would import: their errors and codes.

MySQL and MariaDB as PyMySQL and mysqlclient know them, PostgreSQL as psycopg2 does. Where the real
driver is installed the errors are subclasses of its own, so that `except` clauses catch them.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sim.app.sql.transactions.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sim.app.sql.errors import ErrorKind, SqlError
    from sim.app.sql.transactions.database import Database, Dialect

# MariaDB and MySQL: error code and PyMySQL's class.
_MYSQL: Final[dict[ErrorKind, tuple[int, str]]] = {
    "unique": (1062, "IntegrityError"),
    "no_parent": (1452, "IntegrityError"),
    "has_children": (1451, "IntegrityError"),
    "not_null": (1048, "IntegrityError"),
    "check": (4025, "OperationalError"),
    "too_long": (1406, "DataError"),
    "out_of_range": (1264, "DataError"),
    "lock_timeout": (1205, "OperationalError"),
    "deadlock": (1213, "OperationalError"),
    "nowait": (1205, "OperationalError"),
    "no_table": (1146, "ProgrammingError"),
    "no_column": (1054, "OperationalError"),
    "disk_full": (1114, "OperationalError"),
    "syntax": (1064, "ProgrammingError"),
    "no_savepoint": (1305, "OperationalError"),
    "division_by_zero": (1365, "DataError"),
    "gone": (2006, "OperationalError"),
    "serialization": (1213, "OperationalError"),
    "aborted": (1213, "OperationalError"),
}
# PostgreSQL: SQLSTATE, psycopg2's class, and the base it has in PEP 249.
_POSTGRES: Final[dict[ErrorKind, tuple[str, str, str]]] = {
    "unique": ("23505", "UniqueViolation", "IntegrityError"),
    "no_parent": ("23503", "ForeignKeyViolation", "IntegrityError"),
    "has_children": ("23503", "ForeignKeyViolation", "IntegrityError"),
    "not_null": ("23502", "NotNullViolation", "IntegrityError"),
    "check": ("23514", "CheckViolation", "IntegrityError"),
    "too_long": ("22001", "StringDataRightTruncation", "DataError"),
    "out_of_range": ("22003", "NumericValueOutOfRange", "DataError"),
    "lock_timeout": ("55P03", "LockNotAvailable", "OperationalError"),
    "deadlock": ("40P01", "DeadlockDetected", "OperationalError"),
    "nowait": ("55P03", "LockNotAvailable", "OperationalError"),
    "serialization": ("40001", "SerializationFailure", "OperationalError"),
    "aborted": ("25P02", "InFailedSqlTransaction", "InternalError"),
    "no_table": ("42P01", "UndefinedTable", "ProgrammingError"),
    "no_column": ("42703", "UndefinedColumn", "ProgrammingError"),
    "disk_full": ("53100", "DiskFull", "OperationalError"),
    "syntax": ("42601", "SyntaxError", "ProgrammingError"),
    "no_savepoint": ("3B001", "InvalidSavepointSpecification", "InternalError"),
    "no_transaction": ("25P01", "NoActiveSqlTransaction", "InternalError"),
    "twice_in_one": ("21000", "CardinalityViolation", "ProgrammingError"),
    "no_arbiter": ("42P10", "InvalidColumnReference", "ProgrammingError"),
    "not_supported": ("0A000", "FeatureNotSupported", "NotSupportedError"),
    "division_by_zero": ("22012", "DivisionByZero", "DataError"),
    "gone": ("08006", "OperationalError", "OperationalError"),
}
_BASES: Final = (
    "Warning",
    "Error",
    "InterfaceError",
    "DatabaseError",
    "DataError",
    "OperationalError",
    "IntegrityError",
    "InternalError",
    "ProgrammingError",
    "NotSupportedError",
)


def own_errors() -> dict[str, type[Exception]]:
    """PEP 249's exceptions, where no driver is installed."""
    found: dict[str, type[Exception]] = {
        "Warning": type("Warning", (Exception,), {}),
        "Error": type("Error", (Exception,), {}),
    }
    found["InterfaceError"] = type("InterfaceError", (found["Error"],), {})
    found["DatabaseError"] = type("DatabaseError", (found["Error"],), {})
    for name in _BASES[4:]:
        found[name] = type(name, (found["DatabaseError"],), {})
    return found


def _errors_of(module: str) -> dict[str, type[Exception]]:
    try:
        real = importlib.import_module(module)
    except ImportError:
        return own_errors()
    return {name: getattr(real, name) for name in _BASES}


class Driver:
    """One kind of driver: its errors, and the server's answers about itself."""

    def __init__(self, name: str, dialect: Dialect, errors_module: str, version: str) -> None:
        self.name = name
        self.dialect: Dialect = dialect
        self.errors = _errors_of(errors_module)
        self._errors_module = errors_module
        self.version = version
        self.connect_s = 0.001
        self._classes: dict[str, type[Exception]] = {}

    def error(self, error: SqlError) -> Exception:
        """The driver's own exception."""
        if self.dialect == "mysql":
            code, name = _MYSQL[error.kind]
            return self.errors[name](code, str(error))
        state, name, base = _POSTGRES[error.kind]
        kind = self._classes.get(name)
        if kind is None:
            kind = self._classes[name] = type(name, (self._postgres(name, base),), {})
        found = kind(f"{error}\n")
        found.pgcode = state  # type: ignore[attr-defined]  # as psycopg2's have
        found.sqlstate = state  # type: ignore[attr-defined]  # as psycopg's have
        return found

    def _postgres(self, name: str, base: str) -> type[Exception]:
        """A class with room for the code, as psycopg2's own keeps it where only C can write."""
        parent = self.errors[base]
        with suppress(ImportError, AttributeError):
            parent = getattr(importlib.import_module(f"{self._errors_module}.errors"), name)
        return type(name, (parent,), {"pgcode": None, "sqlstate": None})

    def interface_error(self, text: str) -> Exception:
        """The error of a call on a closed connection."""
        return self.errors["InterfaceError"](text)

    def programming_error(self, text: str) -> Exception:
        """The error of a call with wrong arguments."""
        return self.errors["ProgrammingError"](text)

    def server_answer(
        self, database: Database, sql: str, parameters: Mapping[str, Any]
    ) -> Answer | None:
        """The answer to a question about the server or its tables; None for other statements."""
        text = " ".join(sql.split())
        lower = text.lower()
        store = database.store
        if lower.startswith(("describe", "desc ")):
            name = text.split()[1].rpartition(".")[2].strip('`";')
            if name not in store.tables:
                raise self.errors["ProgrammingError"](1146, f"Table '{name}' doesn't exist")
            fields = [(column,) for column in store.tables[name].columns]
            return Answer(fields, ("Field",), (), len(fields))
        if lower.startswith("show") and "tables" in lower:
            rows = [(name, "BASE TABLE") for name in sorted(store.tables)]
            return Answer(rows, ("Tables", "Table_type"), (), len(rows))
        if "from information_schema.tables" in lower and "table_type" in lower:
            listed = [(name, "BASE TABLE", "") for name in sorted(store.tables)]
            return Answer(listed, ("name", "type", "comment"), (), len(listed))
        if lower.startswith("select engine from information_schema.tables"):
            return Answer([("InnoDB",)], ("engine",), (), 1)
        if "@@sql_mode" in lower and "version()" in lower:
            row = (self.version, "STRICT_TRANS_TABLES", "InnoDB", 0, 0, 1)
            return Answer([row], tuple("abcdef"), (), 1)
        if lower in {"select version()", "select pg_catalog.version()"}:
            return Answer([(self.version,)], ("version()",), (), 1)
        if lower in {"select database()", "select current_schema()"}:
            name = database.name if self.dialect == "mysql" else "public"
            return Answer([(name,)], ("name",), (), 1)
        if parameters and "pg_class" in lower:
            wanted = set(map(str, parameters.values()))
            found = [(name,) for name in sorted(store.tables) if name in wanted]
            return Answer(found, ("relname",), (), len(found))
        return None
