"""One SQLite database in memory, with a separate view for each transaction.

SQLite itself holds the committed rows. The changes of an open transaction are a log of SQL that can
be applied inside a savepoint and rolled back again. At any time the changes of at most one
transaction are applied. They stay applied until another transaction must not see them. A statement
runs at one instant of simulated time, so no other transaction can read in between. Row locks (see
`locks`) make sure that a log changes the same rows in the same way each time it is applied.

For a read as of an earlier commit, the rows that later commits changed are put back from the images
in the history, inside the same savepoint.

The simulated cost of a statement comes from its plan in a second, empty database with the same
tables and indexes. So this database can have further indexes, which save real time for statements
that are slow in the simulated system. Only the order of rows without an ORDER BY can depend on
these indexes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import sqlalchemy
from sqlalchemy import Connection, CursorResult, Engine, MetaData, StaticPool, Table
from sqlalchemy.engine.result import ResultMetaData

from sim.database.cardinality import GroupCounts
from sim.database.direct import (
    DirectSelect,
    DirectWrite,
    WriteResult,
    direct_select,
    direct_write,
)
from sim.database.result_memo import ResultMemo
from sim.database.results import StoredRows
from sim.database.statements import Parameters, Prepared, TableInfo, prepare

RowKey = tuple[str, Any]
Image = tuple[Any, ...] | None
"""A row's columns as SQLite stores them; None if there is no row."""

_STATEMENTS: Final = 512
"""Prepared statements that sqlite3 keeps: more than any simulated service has."""


class Changes:
    """The changes of one transaction so far."""

    __slots__ = ("before", "log", "tables")

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.tables: set[str] = set()
        self.before: dict[RowKey, Image] = {}
        """Committed image of each changed row; the row is locked, so the image stays valid."""

    def clear(self) -> None:
        """Remove all changes."""
        self.log.clear()
        self.tables.clear()
        self.before.clear()


class Storage:
    """Tables and rows, and the view of each transaction.

    `create` makes tables and indexes through the engine it is given. Results of SELECTs are kept
    and used again while no commit has touched their tables; `memo_rows` bounds the rows kept
    (0: none).
    """

    def __init__(
        self, metadata: MetaData, create: Callable[[Engine], None], *, memo_rows: int = 200_000
    ) -> None:
        self._raw, self._engine = _open(create)
        self.connection: Final[Connection] = self._engine.connect()
        # This database has no rows and no additional indexes; costs are charged by its plans.
        self._planner, _ = _open(create)
        self.infos: Final[Mapping[str, TableInfo]] = {
            table.name: TableInfo.of(table) for table in metadata.sorted_tables
        }
        self._prepared: dict[sqlalchemy.Executable, Prepared] = {}
        self._applied: Changes | None = None
        self._next_id: dict[str, int] = dict.fromkeys(self.infos, 1)
        self._memo: Final = ResultMemo(memo_rows)
        self._metadata: dict[Prepared, ResultMetaData] = {}
        self._direct: dict[Prepared, DirectSelect | None] = {}
        self._direct_keys: dict[Prepared, DirectSelect | None] = {}
        self._direct_writes: dict[Any, DirectWrite | None] = {}
        self.version = 0
        """Commits so far."""
        self._changed_at: dict[str, int] = dict.fromkeys(self.infos, 0)
        self._history: deque[tuple[int, dict[RowKey, Image]]] = deque()
        self.executed: Counter[str] = Counter()
        """Statements that ran, by kind."""
        self.memo_hits = 0
        """SELECTs answered without running them."""
        self.replayed = 0
        """Logged changes applied again."""
        self.rewound = 0
        """Reads as of an earlier commit for which rows had to be put back."""
        self.counts: Final = GroupCounts(self._raw, self.infos, self._hide)
        self._image_sql: Final = {
            name: f'SELECT * FROM "{name}" WHERE "{info.key.name}" = ?'  # noqa: S608 - own names
            for name, info in self.infos.items()
        }

    def prepare(self, statement: sqlalchemy.Executable) -> Prepared:
        """Analyse a statement; each object is analysed once."""
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = prepare(statement, self.infos)
            if len(self._prepared) >= _STATEMENTS:
                # Some statements are made anew for each use; keeping all of them would fill the
                # memory.
                self._prepared.clear()
                self._metadata.clear()
                self._direct.clear()
                self._direct_keys.clear()
                self._direct_writes.clear()
                self._memo.clear()
            self._prepared[statement] = prepared
        return prepared

    def next_id(self, table: str) -> int:
        """Take the next generated id of a table, for good."""
        number = self._next_id[table]
        self._next_id[table] = number + 1
        return number

    def reserve_id(self, table: str, number: int) -> None:
        """Make generated ids continue after an explicit id."""
        self._next_id[table] = max(self._next_id[table], number + 1)

    def changed_at(self, table: str) -> int:
        """Newest commit that changed a table."""
        return self._changed_at[table]

    @property
    def has_history(self) -> bool:
        """Whether history is kept for readers of earlier states."""
        return bool(self._history)

    # Reading.

    def read(
        self, prepared: Prepared, parameters: Parameters, changes: Changes, snapshot: int
    ) -> StoredRows:
        """Run a SELECT on the state as of commit `snapshot`, plus the reader's own changes."""
        tables = prepared.tables
        changed_at = max(map(self._changed_at.__getitem__, tables))
        if changes.tables and not changes.tables.isdisjoint(tables):
            if changed_at > snapshot:
                return self._read_rewound(prepared, parameters, changes, snapshot)
            self._apply(changes)
            return self._fetch(prepared, parameters)
        if changed_at > snapshot and not self._same_row(prepared, parameters, snapshot):
            return self._read_rewound(prepared, parameters, changes, snapshot)
        return self._read_committed(prepared, parameters)

    def read_newest(
        self, prepared: Prepared, parameters: Parameters, changes: Changes
    ) -> StoredRows:
        """Run a SELECT on the rows committed now, plus the reader's own changes."""
        return self.read(prepared, parameters, changes, self.version)

    def keys(
        self, prepared: Prepared, parameters: Parameters, changes: Changes
    ) -> list[tuple[Any, ...]]:
        """Primary keys of the rows a locking statement would touch now."""
        self._apply(changes)
        direct = self._direct_keys.get(prepared)
        found = None if direct is None else direct.tuples(self._raw, parameters)
        return self._fetch_keys(prepared, parameters) if found is None else found

    def _fetch_keys(self, prepared: Prepared, parameters: Parameters) -> list[tuple[Any, ...]]:
        """Find keys through SQLAlchemy; the first time, prepare the same SELECT for the driver."""
        keys = cast("sqlalchemy.Executable", prepared.keys)
        result = self.connection.execute(keys, parameters)
        if prepared not in self._direct_keys:
            metadata = result._metadata  # noqa: SLF001 - no public reader
            found = direct_select(keys, self._engine, metadata, metadata)
            self._direct_keys[prepared] = found
        return [tuple(row) for row in result]

    def _same_row(self, prepared: Prepared, parameters: Parameters, snapshot: int) -> bool:
        """Whether a SELECT reads only one row, and this row has not changed since `snapshot`."""
        if prepared.key is None:
            return False
        row = (prepared.table.name, prepared.key_value(parameters))
        for version, before in reversed(self._history):
            if version <= snapshot:
                return True
            if row in before:
                return False
        return True

    def _read_committed(self, prepared: Prepared, parameters: Parameters) -> StoredRows:
        tables = prepared.tables
        # Names, then values: the same content as pairs, without an object for each pair.
        key: Any = (prepared, *parameters, *parameters.values())
        try:
            stored = self._memo.get(tables, key)
        except TypeError:  # a list among the parameters
            self._reveal(tables)
            return self._fetch(prepared, parameters)
        if stored is not None:
            self.memo_hits += 1
            return stored
        self._reveal(tables)
        stored = self._fetch(prepared, parameters)
        self._memo.put(tables, key, stored)
        return stored

    def _read_rewound(
        self, prepared: Prepared, parameters: Parameters, changes: Changes, snapshot: int
    ) -> StoredRows:
        """Put rows back to their state at `snapshot`, except rows that the reader changed."""
        self.rewound += 1
        self._apply(changes)
        own = [(row, self.image(*row)) for row in changes.before if row[0] in prepared.tables]
        self._hide()
        self._raw.execute("SAVEPOINT view")
        try:
            # A parent row may be removed before its children; constraints are checked at the
            # savepoint's end.
            self._raw.execute("PRAGMA defer_foreign_keys = ON")
            for version, before in reversed(self._history):
                if version <= snapshot:
                    break
                for row, image in reversed(before.items()):
                    if row[0] in prepared.tables and row not in changes.before:
                        self._put(*row, image)
            for row, image in own:
                self._put(*row, image)
            return self._fetch(prepared, parameters)
        finally:
            self._raw.execute("ROLLBACK TO view")
            self._raw.execute("RELEASE view")

    def _fetch(self, prepared: Prepared, parameters: Parameters) -> StoredRows:
        self.executed["select"] += 1
        metadata = self._metadata.get(prepared)
        if metadata is None:
            return self._fetch_first(prepared, parameters)
        direct = self._direct[prepared]
        rows = None if direct is None else direct.rows(self._raw, parameters)
        if rows is None:
            rows = self.connection.execute(prepared.statement, parameters).all()
        return StoredRows(rows, metadata)

    def _fetch_first(self, prepared: Prepared, parameters: Parameters) -> StoredRows:
        """Run a SELECT for the first time, and prepare it for the driver."""
        result = self.connection.execute(prepared.statement, parameters)
        metadata = result._metadata  # noqa: SLF001 - no public reader
        frozen = result.freeze()
        self._metadata[prepared] = frozen.metadata
        self._direct[prepared] = direct_select(
            prepared.statement, self._engine, metadata, frozen.metadata
        )
        return StoredRows(frozen.data, frozen.metadata)

    # Writing.

    def write(
        self,
        prepared: Prepared,
        parameters: Parameters,
        changes: Changes,
        keys: list[Any],
    ) -> CursorResult[Any]:
        """Run a write that touches the rows with these `keys` (locked) and log it."""
        self._apply(changes)
        name = prepared.table.name
        before = changes.before
        fresh = [(name, key) for key in keys if (name, key) not in before]
        images: list[Image] = [None] * len(fresh)
        if prepared.kind != "insert":
            images = [self.image(*row) for row in fresh]
        self.executed[prepared.kind] += 1
        if self._applied is None:
            self._raw.execute("SAVEPOINT view")
            self._applied = changes
        result, sql, values = self._execute_write(prepared, parameters, keys)
        for row, image in zip(fresh, images, strict=True):
            # As in InnoDB, a row that is written with its old values has not changed.
            if prepared.kind == "insert" or image != self.image(*row):
                before[row] = image
        changed = [key for key in keys if (name, key) in before]
        if not changed:
            return result
        changes.tables.add(name)
        if prepared.keys is None:
            changes.log.append((sql, values))
        else:
            # The write's condition may match other rows later: log the rows that the write
            # produced.
            changes.log.extend(self._physical(name, key, self.image(name, key)) for key in changed)
        return result

    def _execute_write(
        self, prepared: Prepared, parameters: Parameters, keys: list[Any]
    ) -> tuple[CursorResult[Any], str, Any]:
        """Run a write on the driver if possible; return its result, its SQL and its values."""
        form = (prepared, *parameters)
        direct = self._direct_writes.get(form)
        if direct is not None:
            values = direct.values(parameters)
            rowcount = direct.run(self._raw, values)
            if rowcount is not None:
                key = (keys[0],) if prepared.kind == "insert" else None
                return cast("CursorResult[Any]", WriteResult(rowcount, key)), direct.sql, values
        # SQLAlchemy runs a write the first time, and raises its own errors.
        result = self.connection.execute(prepared.statement, parameters)
        if form not in self._direct_writes:
            self._direct_writes[form] = direct_write(prepared, self._engine, parameters, result)
        return result, result.context.statement, result.context.parameters[0]

    def image(self, table: str, key: Any) -> Image:
        """Row as the connection sees it now."""
        row: Image = self._raw.execute(self._image_sql[table], (key,)).fetchone()
        return row

    def own_image(self, table: str, key: Any, changes: Changes) -> Image:
        """Row as the transaction with these changes sees it."""
        self._apply(changes)
        return self.image(table, key)

    def undo(self, changes: Changes) -> None:
        """Discard the changes of a transaction."""
        if self._applied is changes:
            self._hide()
        if changes.log:
            changes.clear()

    def commit(self, changes: Changes, *, keep_history: bool) -> None:
        """Make changes permanent; `keep_history` if a transaction still reads an earlier state."""
        self._apply(changes)
        for (table, key), image in changes.before.items():
            if self.counts.tracks(table):
                self.counts.changed(table, image, self.image(table, key))
        self._raw.execute("RELEASE view")
        self._applied = None
        self.version += 1
        for table in changes.tables:
            self._changed_at[table] = self.version
            self._memo.forget(table)
        if keep_history:
            self._history.append((self.version, changes.before))

    def trim(self, oldest: int) -> None:
        """Drop history: no transaction reads a state before commit `oldest` any more."""
        history = self._history
        while history and history[0][0] <= oldest:
            history.popleft()

    def load(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows directly, as if they had always been there."""
        self._hide()
        self._raw.execute("BEGIN")
        try:
            self._insert_all(table, list(rows))
        except BaseException:
            self._raw.execute("ROLLBACK")
            raise
        self._raw.execute("COMMIT")
        key = self.infos[table.name].key.name
        (top,) = self._raw.execute(f'SELECT max("{key}") FROM "{table.name}"').fetchone()  # noqa: S608
        if isinstance(top, int):
            self.reserve_id(table.name, top)
        self._memo.clear()
        self.counts.forget(table.name)

    def _insert_all(self, table: Table, rows: list[Mapping[str, Any]]) -> None:
        """Insert rows of equal columns without SQLAlchemy, which takes ten times as long."""
        if not rows:
            return
        columns = [table.columns[name] for name in rows[0]]
        names = ", ".join(f'"{column.name}"' for column in columns)
        marks = ", ".join(f":{column.name}" for column in columns)
        sql = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'  # noqa: S608 - own names
        dialect = self._engine.dialect
        processors = {
            column.name: processor
            for column in columns
            if (processor := column.type.dialect_impl(dialect).bind_processor(dialect))
        }
        if processors:
            rows = [
                {
                    name: processors[name](value) if name in processors else value
                    for name, value in row.items()
                }
                for row in rows
            ]
        self._raw.executemany(sql, rows)

    def committed(self, statement: sqlalchemy.Executable, parameters: Parameters) -> Any:
        """Run a SELECT on the committed rows; counts no statement and keeps no result."""
        self._hide()
        return self.connection.execute(statement, parameters)

    def speed_up(self, table: str, columns: tuple[str, ...]) -> None:
        """Add an index that the simulated database does not have; it saves only real time."""
        self._hide()
        names = ", ".join(f'"{column}"' for column in columns)
        name = "_".join(("speed_up", table, *columns))
        self._raw.execute(f'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" ({names})')

    def explain(self, prepared: Prepared, parameters: Parameters) -> list[str]:
        """SQLite's plan of a statement with the declared indexes only, one line per step."""
        compiled = prepared.statement.compile(  # type: ignore[attr-defined]
            self._engine,
            column_keys=sorted(parameters),
            compile_kwargs={"render_postcompile": True},
        )
        values = (0,) * (len(compiled.positiontup or ()))
        rows = self._planner.execute(f"EXPLAIN QUERY PLAN {compiled}", values)
        return [row[3] for row in rows]

    # Views.

    def _apply(self, changes: Changes) -> None:
        """Show exactly the committed rows plus these changes."""
        if self._applied is changes:
            return
        self._hide()
        if changes.log:
            self._raw.execute("SAVEPOINT view")
            self._applied = changes
            self._replay(changes)

    def _reveal(self, tables: frozenset[str]) -> None:
        """Show only committed rows, at least in these tables."""
        if self._applied is not None and not self._applied.tables.isdisjoint(tables):
            self._hide()

    def _hide(self) -> None:
        if self._applied is not None:
            self._applied = None
            self._raw.execute("ROLLBACK TO view")
            self._raw.execute("RELEASE view")

    def _replay(self, changes: Changes) -> None:
        execute = self._raw.execute
        for sql, values in changes.log:
            execute(sql, values)
        self.replayed += len(changes.log)

    def _put(self, table: str, key: Any, image: Image) -> None:
        sql, values = self._physical(table, key, image)
        self._raw.execute(sql, values)

    def _physical(self, table: str, key: Any, image: Image) -> tuple[str, Any]:
        """SQL that gives one row the values of `image`."""
        if image is None:
            column = self.infos[table].key.name
            return f'DELETE FROM "{table}" WHERE "{column}" = ?', (key,)  # noqa: S608
        marks = ", ".join("?" * len(image))
        return f'INSERT OR REPLACE INTO "{table}" VALUES ({marks})', image  # noqa: S608


def _open(create: Callable[[Engine], None]) -> tuple[sqlite3.Connection, Engine]:
    """A new database in memory, with tables."""
    # One thread uses the connection; the garbage collector may close it in another thread.
    raw = sqlite3.connect(
        ":memory:", isolation_level=None, cached_statements=_STATEMENTS, check_same_thread=False
    )
    raw.execute("PRAGMA foreign_keys = ON")
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    create(engine)
    return raw, engine
