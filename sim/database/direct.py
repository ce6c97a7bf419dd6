"""Statements compiled by SQLAlchemy and run directly on the driver, to save real time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import CursorResult, Engine, Executable, Row
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import ResultMetaData

from sim.database.statements import Parameters, Prepared

_MISSING: Final = object()


class DirectSelect:
    """A SELECT whose values are all named parameters, with no conversion in either direction."""

    __slots__ = ("_metadata", "_names", "_sql")

    def __init__(self, sql: str, names: tuple[str, ...], metadata: ResultMetaData) -> None:
        self._sql = sql
        self._names = names
        self._metadata = metadata

    def rows(
        self, raw: sqlite3.Connection, parameters: Parameters
    ) -> Sequence[Row[*tuple[Any, ...]]] | None:
        """Run the SELECT; None if it cannot run on the driver; this changes nothing."""
        found = self.tuples(raw, parameters)
        return None if found is None else IteratorResult(self._metadata, iter(found)).all()

    def tuples(
        self, raw: sqlite3.Connection, parameters: Parameters
    ) -> list[tuple[Any, ...]] | None:
        """The same rows without names of their columns."""
        try:
            return raw.execute(self._sql, [parameters[name] for name in self._names]).fetchall()
        except (KeyError, sqlite3.Error):
            return None


def direct_select(
    statement: Executable, engine: Engine, fetched: Any, metadata: ResultMetaData
) -> DirectSelect | None:
    """A SELECT that has run once, if it can be run on the driver.

    `fetched` says how SQLAlchemy converts fetched rows; `metadata` has the columns' names.
    """
    compiled: Any = statement.compile(engine)  # type: ignore[attr-defined]
    # SQLAlchemy has no public reader for any of these.
    converts = getattr(fetched, "_effective_processors", _MISSING)
    if (
        converts is not None
        or compiled._bind_processors  # noqa: SLF001
        or compiled.post_compile_params
        or compiled.literal_execute_params
        or compiled.escaped_bind_names
    ):
        return None
    names = tuple(compiled.positiontup or ())
    if any(not compiled.binds[name].required for name in names):
        return None
    return DirectSelect(str(compiled), names, metadata)


class WriteResult:
    """The result of an INSERT of one row, an UPDATE or a DELETE (`model.ports`)."""

    __slots__ = ("inserted_primary_key", "rowcount")

    returns_rows = False

    def __init__(self, rowcount: int, inserted_primary_key: tuple[Any, ...] | None) -> None:
        self.rowcount = rowcount
        self.inserted_primary_key = inserted_primary_key

    def close(self) -> None:
        """Do nothing: the result holds no open cursor."""


class DirectWrite:
    """A write whose values need no conversion and have parameters of the same names."""

    __slots__ = ("_names", "_values", "sql")

    def __init__(
        self, sql: str, names: tuple[str, ...], fixed: tuple[tuple[str, Any], ...]
    ) -> None:
        self.sql = sql
        self._names = names
        self._values = dict(fixed)

    def values(self, parameters: Parameters) -> tuple[Any, ...]:
        """Values in the order of the statement."""
        fixed = self._values
        return tuple(
            [parameters[name] if name in parameters else fixed[name] for name in self._names]
        )

    def run(self, raw: sqlite3.Connection, values: tuple[Any, ...]) -> int | None:
        """Run the write; return the number of changed rows; None: it failed and changed nothing."""
        try:
            return raw.execute(self.sql, values).rowcount
        except sqlite3.Error:
            return None


def direct_write(
    prepared: Prepared, engine: Engine, parameters: Parameters, result: CursorResult[Any]
) -> DirectWrite | None:
    """A write that has run once with `parameters`, if it can be run on the driver.

    `result` is the result of that run; the driver would have got the same SQL and values.
    """
    compiled: Any = prepared.statement.compile(  # type: ignore[attr-defined]
        engine, column_keys=sorted(parameters)
    )
    # SQLAlchemy has no public reader for any of these.
    if (
        compiled._bind_processors  # noqa: SLF001
        or compiled.post_compile_params
        or compiled.literal_execute_params
        or compiled.escaped_bind_names
        or compiled.insert_prefetch
        or compiled.update_prefetch
        or compiled.effective_returning
    ):
        return None
    names = tuple(compiled.positiontup or ())
    fixed = tuple(
        (name, bind.value)
        for name, bind in compiled.binds.items()
        if not bind.required and bind.callable is None
    )
    write = DirectWrite(str(compiled), names, fixed)
    context: Any = result.context
    try:
        same = write.values(parameters) == tuple(context.parameters[0])
    except KeyError:
        return None
    return write if same and write.sql == context.statement else None


__all__ = ["DirectSelect", "DirectWrite", "WriteResult", "direct_select", "direct_write"]
