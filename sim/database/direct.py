"""SELECTs run on the driver: what SQLAlchemy compiles, without what it does at each execution."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Engine, Row
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import ResultMetaData

from sim.database.statements import Parameters, Prepared

_MISSING: Final = object()


class DirectSelect:
    """One SELECT whose values are all named parameters, and need no conversion either way."""

    __slots__ = ("_metadata", "_names", "_sql")

    def __init__(self, sql: str, names: tuple[str, ...], metadata: ResultMetaData) -> None:
        self._sql = sql
        self._names = names
        self._metadata = metadata

    def rows(
        self, raw: sqlite3.Connection, parameters: Parameters
    ) -> Sequence[Row[*tuple[Any, ...]]] | None:
        """Run it; None if it cannot be run like this, which changes nothing."""
        try:
            found = raw.execute(self._sql, [parameters[name] for name in self._names]).fetchall()
        except (KeyError, sqlite3.Error):
            return None
        return IteratorResult(self._metadata, iter(found)).all()


def direct_select(
    prepared: Prepared, engine: Engine, fetched: Any, metadata: ResultMetaData
) -> DirectSelect | None:
    """A SELECT that has run once, if it can be run on the driver.

    `fetched` says what SQLAlchemy did to the rows it got, `metadata` how they are called.
    """
    compiled: Any = prepared.statement.compile(engine)  # type: ignore[attr-defined]
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


__all__ = ["DirectSelect", "direct_select"]
