"""The rows of the simulated database: SQLite, with a separate view for each transaction.

See `views` for the views. The simulated cost of a statement comes from its plan in a second, empty
database with the same tables and indexes. So this database can have further indexes, which save
real time for statements that are slow in the simulated system. Only the order of rows without an
ORDER BY can depend on these indexes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
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
from sim.database.views import Changes, Image, RowKey, TransactionViews

_STATEMENTS: Final = 512
"""Prepared statements that sqlite3 keeps: more than any simulated service has."""


class Storage(TransactionViews):
    """Tables and rows, and the view of each transaction.

    `create` makes tables and indexes through the engine it is given. Results of SELECTs are kept
    and used again while no commit has touched their tables; `memo_rows` bounds the rows kept
    (0: none).
    """

    def __init__(
        self, metadata: MetaData, create: Callable[[Engine], None], *, memo_rows: int = 200_000
    ) -> None:
        raw, self._engine = _open(create)
        super().__init__(raw)
        self.connection: Final[Connection] = self._engine.connect()
        # This database has no rows and no additional indexes; costs are charged by its plans.
        self._planner, _ = _open(create)
        self.infos: Final[Mapping[str, TableInfo]] = {
            table.name: TableInfo.of(table) for table in metadata.sorted_tables
        }
        self._prepared: dict[sqlalchemy.Executable, Prepared] = {}
        self._next_id: dict[str, int] = dict.fromkeys(self.infos, 1)
        self._memo: Final = ResultMemo(memo_rows)
        self._metadata: dict[Prepared, ResultMetaData] = {}
        self._direct: dict[Prepared, DirectSelect | None] = {}
        self._direct_keys: dict[Prepared, DirectSelect | None] = {}
        self._direct_writes: dict[Any, DirectWrite | None] = {}
        self._changed_at = dict.fromkeys(self.infos, 0)
        self.executed: Counter[str] = Counter()
        """Statements that ran, by kind."""
        self.memo_hits = 0
        """SELECTs answered without running them."""
        self.rewound = 0
        """Reads as of an earlier commit for which rows had to be put back."""
        self.counts: Final = GroupCounts(self.raw, self.infos, self.hide)
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
            self.apply(changes)
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
        self.apply(changes)
        direct = self._direct_keys.get(prepared)
        found = None if direct is None else direct.tuples(self.raw, parameters)
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
        return not self.changed_since(row, snapshot)

    def _read_committed(self, prepared: Prepared, parameters: Parameters) -> StoredRows:
        tables = prepared.tables
        # Names, then values: the same content as pairs, without an object for each pair.
        key: Any = (prepared, *parameters, *parameters.values())
        try:
            stored = self._memo.get(tables, key)
        except TypeError:  # a list among the parameters
            self.reveal(tables)
            return self._fetch(prepared, parameters)
        if stored is not None:
            self.memo_hits += 1
            return stored
        self.reveal(tables)
        stored = self._fetch(prepared, parameters)
        self._memo.put(tables, key, stored)
        return stored

    def _read_rewound(
        self, prepared: Prepared, parameters: Parameters, changes: Changes, snapshot: int
    ) -> StoredRows:
        """Put rows back to their state at `snapshot`, except rows that the reader changed."""
        self.rewound += 1
        with self.as_of(snapshot, changes, prepared.tables):
            return self._fetch(prepared, parameters)

    def _fetch(self, prepared: Prepared, parameters: Parameters) -> StoredRows:
        self.executed["select"] += 1
        metadata = self._metadata.get(prepared)
        if metadata is None:
            return self._fetch_first(prepared, parameters)
        direct = self._direct[prepared]
        rows = None if direct is None else direct.rows(self.raw, parameters)
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
        self.apply(changes)
        name = prepared.table.name
        before = changes.before
        fresh = [(name, key) for key in keys if (name, key) not in before]
        images: list[Image] = [None] * len(fresh)
        if prepared.kind != "insert":
            images = [self.image(row) for row in fresh]
        self.executed[prepared.kind] += 1
        self.begin_write(changes)
        result, sql, values = self._execute_write(prepared, parameters, keys)
        for row, image in zip(fresh, images, strict=True):
            # As in InnoDB, a row that is written with its old values has not changed.
            if prepared.kind == "insert" or image != self.image(row):
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
            changes.log.extend(
                self._physical((name, key), self.image((name, key))) for key in changed
            )
        return result

    def _execute_write(
        self, prepared: Prepared, parameters: Parameters, keys: list[Any]
    ) -> tuple[CursorResult[Any], str, Any]:
        """Run a write on the driver if possible; return its result, its SQL and its values."""
        form = (prepared, *parameters)
        direct = self._direct_writes.get(form)
        if direct is not None:
            values = direct.values(parameters)
            rowcount = direct.run(self.raw, values)
            if rowcount is not None:
                key = (keys[0],) if prepared.kind == "insert" else None
                return cast("CursorResult[Any]", WriteResult(rowcount, key)), direct.sql, values
        # SQLAlchemy runs a write the first time, and raises its own errors.
        result = self.connection.execute(prepared.statement, parameters)
        if form not in self._direct_writes:
            self._direct_writes[form] = direct_write(prepared, self._engine, parameters, result)
        return result, result.context.statement, result.context.parameters[0]

    def image(self, row: RowKey) -> Image:
        """Row as the connection sees it now."""
        found: Image = self.raw.execute(self._image_sql[row[0]], (row[1],)).fetchone()
        return found

    def own_image(self, row: RowKey, changes: Changes) -> Image:
        """Row as the transaction with these changes sees it."""
        self.apply(changes)
        return self.image(row)

    def undo(self, changes: Changes) -> None:
        """Discard the changes of a transaction."""
        if self._applied is changes:
            self.hide()
        if changes.log:
            changes.clear()

    def commit(self, changes: Changes, *, keep_history: bool) -> None:
        """Make changes permanent; `keep_history` if a transaction still reads an earlier state."""
        self.apply(changes)
        for (table, key), image in changes.before.items():
            if self.counts.tracks(table):
                self.counts.changed(table, image, self.image((table, key)))
        self.make_permanent(changes, keep_history=keep_history)
        for table in changes.tables:
            self._memo.forget(table)

    def load(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows directly, as if they had always been there."""
        self.hide()
        self.raw.execute("BEGIN")
        try:
            self._insert_all(table, list(rows))
        except BaseException:
            self.raw.execute("ROLLBACK")
            raise
        self.raw.execute("COMMIT")
        key = self.infos[table.name].key.name
        (top,) = self.raw.execute(f'SELECT max("{key}") FROM "{table.name}"').fetchone()  # noqa: S608
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
        self.raw.executemany(sql, rows)

    def committed(self, statement: sqlalchemy.Executable, parameters: Parameters) -> Any:
        """Run a SELECT on the committed rows; counts no statement and keeps no result."""
        self.hide()
        return self.connection.execute(statement, parameters)

    def speed_up(self, table: str, columns: tuple[str, ...]) -> None:
        """Add an index that the simulated database does not have; it saves only real time."""
        self.hide()
        names = ", ".join(f'"{column}"' for column in columns)
        name = "_".join(("speed_up", table, *columns))
        self.raw.execute(f'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" ({names})')

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

    def _physical(self, row: RowKey, image: Image) -> tuple[str, Any]:
        table, key = row
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
