"""CREATE, ALTER, DROP and TRUNCATE."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from sim.app.errors import UnsupportedSqlError
from sim.app.sql.errors import SqlError
from sim.app.sql.schema import (
    Foreign,
    Table,
    add_constraint,
    create_sql,
    default_sql,
    quoted,
    read_create,
    type_of,
    unique_sql,
)

if TYPE_CHECKING:
    from sim.app.sql.store import Store


class SchemaChanges:
    """Changes of the tables of one database.

    Args:
        store: has the tables.
        dialect: "mysql" (MariaDB too) or "postgres".
    """

    def __init__(self, store: Store, dialect: str) -> None:
        self._store = store
        self._dialect = dialect

    def run(self, tree: exp.Expression) -> None:
        """Run one statement. Raises `SqlError`, `UnsupportedSqlError`."""
        match tree:
            case exp.Create() if str(tree.args.get("kind")).upper() == "TABLE":
                self._create(tree)
            case exp.Create() if str(tree.args.get("kind")).upper() == "INDEX":
                self._index(tree)
            case exp.Create() if str(tree.args.get("kind")).upper() in {"SCHEMA", "DATABASE"}:
                pass
            case exp.Drop():
                self._drop(tree)
            case exp.Alter():
                self._alter(tree)
            case exp.TruncateTable():
                for table in tree.expressions:
                    self._store.hide()
                    self._store.raw.execute(f"DELETE FROM {quoted(table.name)}")  # noqa: S608
            case _:
                raise UnsupportedSqlError(f"{tree.key} {tree.args.get('kind')}")

    def _create(self, tree: exp.Create) -> None:
        name = (tree.this.this if isinstance(tree.this, exp.Schema) else tree.this).name
        if name in self._store.tables:
            if tree.args.get("exists"):
                return
            raise SqlError("syntax", f"Table '{name}' already exists")
        table = read_create(tree, self._dialect)
        for foreign in list(table.foreign):
            if not foreign.parent_columns:
                self._complete(table, foreign)
        self._store.add(table, create_sql(table, self._dialect))
        for foreign in table.foreign:
            self._time_saver(table.name, foreign.columns)

    def _complete(self, table: Table, foreign: Foreign) -> None:
        parent = table if foreign.parent == table.name else self._store.tables.get(foreign.parent)
        if parent is None:
            raise SqlError("no_table", f"Table '{foreign.parent}' doesn't exist")
        at = table.foreign.index(foreign)
        table.foreign[at] = replace(foreign, parent_columns=parent.primary)

    def _time_saver(self, table: str, columns: tuple[str, ...]) -> None:
        name = quoted("_".join(("index", table, *columns)))
        listed = ", ".join(map(quoted, columns))
        self._store.raw.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {quoted(table)} ({listed})")

    def _index(self, tree: exp.Create) -> None:
        index = tree.this
        name = index.args["table"].name
        table = self._store.tables.get(name)
        if table is None:
            raise SqlError("no_table", f"Table '{name}' doesn't exist")
        params = index.args["params"]
        parts = [
            part.this if isinstance(part, exp.Ordered) else part for part in params.args["columns"]
        ]
        self._store.hide()
        if not all(isinstance(part, exp.Column) for part in parts):
            if tree.args.get("unique"):
                raise UnsupportedSqlError("a unique index on an expression")
            return
        columns = tuple(part.name for part in parts)
        if not tree.args.get("unique"):
            self._time_saver(name, columns)
            return
        if params.args.get("where") is not None:
            raise UnsupportedSqlError("a unique index with WHERE")
        table.unique.append(columns)
        self._store.raw.execute(unique_sql(name, columns))

    def _drop(self, tree: exp.Drop) -> None:
        if str(tree.args.get("kind")).upper() != "TABLE":
            return
        # Newer versions of sqlglot have the first table in the list too.
        first = [] if tree.this is None else [tree.this]
        for name in [part.name for part in (*first, *tree.expressions)]:
            if name in self._store.tables:
                self._store.drop(name)
            elif not tree.args.get("exists"):
                raise SqlError("no_table", f"Unknown table '{name}'")

    def _alter(self, tree: exp.Alter) -> None:
        table = self._store.tables.get(tree.this.name)
        if table is None:
            raise SqlError("no_table", f"Table '{tree.this.name}' doesn't exist")
        self._store.hide()
        for action in tree.args.get("actions") or ():
            match action:
                case exp.AddConstraint():
                    for part in action.expressions:
                        add_constraint(table, part, self._dialect)
                    for group in table.unique:
                        self._store.raw.execute(unique_sql(table.name, group))
                case exp.ColumnDef():
                    self._add_column(table, action)
                case _:
                    raise UnsupportedSqlError(
                        f"ALTER TABLE ... {action.sql(dialect=self._dialect)}"
                    )

    def _add_column(self, table: Table, part: exp.ColumnDef) -> None:
        extra = read_create(
            exp.Create(
                this=exp.Schema(this=exp.to_table(table.name), expressions=[part.copy()]),
                kind="TABLE",
            ),
            self._dialect,
        )
        column = extra.columns[part.name]
        column.type = type_of(part.args["kind"], self._dialect)
        default = next(
            (
                constraint.kind.this
                for constraint in part.args.get("constraints") or ()
                if isinstance(constraint.kind, exp.DefaultColumnConstraint)
            ),
            None,
        )
        name = quoted(column.name)
        given = f" DEFAULT {default_sql(default).strip('()')}" if default is not None else ""
        self._store.raw.execute(f"ALTER TABLE {quoted(table.name)} ADD COLUMN {name}{given}")
        table.columns[column.name] = column
        table.unique += extra.unique
        table.foreign += extra.foreign
        self._store.refresh(table)
