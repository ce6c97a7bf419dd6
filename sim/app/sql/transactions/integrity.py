"""What SQLite refuses, as the database's own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.app.sql.errors import SqlError

if TYPE_CHECKING:
    import sqlite3


def is_unique(error: sqlite3.IntegrityError) -> bool:
    """Whether another row has the value of a unique index."""
    return error.sqlite_errorname in {
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_ROWID",
    }


def integrity_error(error: sqlite3.IntegrityError) -> SqlError:
    """The database's own error for a refusal of SQLite."""
    detail = str(error).partition(": ")[2]
    if is_unique(error):
        return SqlError("unique", f"Duplicate entry for key '{detail}'")
    if error.sqlite_errorname == "SQLITE_CONSTRAINT_NOTNULL":
        return SqlError("not_null", f"Column '{detail.rpartition('.')[2]}' cannot be null")
    if detail.startswith("long "):
        return SqlError("too_long", f"Data too long for column '{detail[5:]}'")
    if detail.startswith("range "):
        return SqlError("out_of_range", f"Out of range value for column '{detail[6:]}'")
    return SqlError("check", f"CONSTRAINT `{detail}` failed")
