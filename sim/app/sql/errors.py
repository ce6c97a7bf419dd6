"""The errors of a database, by kind; `drivers` makes the driver's own error of each."""

from __future__ import annotations

from typing import Literal

ErrorKind = Literal[
    "unique",
    "no_parent",
    "has_children",
    "not_null",
    "check",
    "too_long",
    "out_of_range",
    "lock_timeout",
    "deadlock",
    "nowait",
    "serialization",
    "aborted",
    "no_table",
    "no_column",
    "disk_full",
    "syntax",
    "no_savepoint",
    "no_transaction",
    "twice_in_one",
    "division_by_zero",
    "not_supported",
    "no_arbiter",
    "gone",
]


class SqlError(Exception):
    """The statement failed as the real database would let it fail."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
