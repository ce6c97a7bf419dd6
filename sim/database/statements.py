"""Analysis of a statement before it runs: its tables, rows and locks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Delete,
    Executable,
    ForeignKeyConstraint,
    Insert,
    Integer,
    Select,
    String,
    Table,
    UniqueConstraint,
    Update,
    select,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ClauseElement, Null
from sqlalchemy.sql.selectable import AliasedReturnsRows

Kind = Literal["select", "insert", "update", "delete"]
Parameters = Mapping[str, Any]
Binds = dict[str, ColumnElement[Any]]


class UnsupportedStatementError(NotImplementedError):
    """A statement or table whose locks or costs the simulated database cannot work out."""


@dataclass(frozen=True, slots=True, eq=False)
class TableInfo:
    """A table's key, the keys of other tables it points at, and its unique column groups."""

    table: Table
    name: str
    key: Column[Any]
    parents: tuple[tuple[str, str], ...]
    """(column, parent table) of each foreign key."""
    unique: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, table: Table) -> TableInfo:
        """Read the keys of the table. Only keys of one integer or string column are supported."""
        key = tuple(table.primary_key.columns)
        if len(key) != 1 or not isinstance(key[0].type, Integer | String):
            raise UnsupportedStatementError(
                f"table {table.name}: primary key must be one integer or string column"
            )
        parents = []
        for constraint in table.constraints:
            if isinstance(constraint, ForeignKeyConstraint):
                (element,) = constraint.elements
                if not element.column.primary_key:
                    raise UnsupportedStatementError(
                        f"{table.name}.{element.parent.name}: must refer to a primary key"
                    )
                parents.append((element.parent.name, element.column.table.name))
        groups = {
            tuple(column.name for column in constraint.columns)
            for constraint in table.constraints
            if isinstance(constraint, UniqueConstraint)
        } | {
            tuple(column.name for column in index.columns)
            for index in table.indexes
            if index.unique
        }
        # In the order of the columns: sets have none, and locks are taken in this order.
        order = [column.name for column in table.columns]
        parents.sort(key=lambda parent: order.index(parent[0]))
        unique = sorted(groups, key=lambda group: [order.index(name) for name in group])
        return cls(table, table.name, key[0], tuple(parents), tuple(unique))


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The analysis of a statement object, made once."""

    statement: Executable
    kind: Kind
    table: TableInfo
    """Of a SELECT, the first table."""
    tables: frozenset[str]
    exclusive: bool | None
    """Row locks the statement takes: exclusive, shared, or none."""
    key: ColumnElement[Any] | None
    """The value that WHERE requires of the primary key, if there is one table and such a value."""
    keys: Select[Any] | None
    """Else, for a locking statement: primary keys of its rows, one column per table in `locked`."""
    locked: tuple[str, ...]
    assigned: Binds
    """Values named in an INSERT or UPDATE itself, by column; others come as parameters."""

    def assigned_value(self, column: str, parameters: Parameters) -> Any:
        """Value the statement gives `column`; None also if the statement gives no value."""
        element = self.assigned.get(column)
        if element is None:
            return parameters.get(column)
        return bound_value(element, parameters)

    def key_value(self, parameters: Parameters) -> Any:
        """Value that the WHERE clause demands of the primary key; None selects no row."""
        if self.key is None:
            return None
        value = bound_value(self.key, parameters)
        wanted: type = self.table.key.type.python_type
        if value is not None and not isinstance(value, wanted):
            # SQLite would convert the value and find the row, but the lock would be on another key.
            raise UnsupportedStatementError(
                f"{self.table.name}.{self.table.key.name} = {value!r}: must be {wanted.__name__}"
            )
        return value

    def assigns(self, column: str, parameters: Parameters) -> bool:
        """Whether the statement gives `column` a value."""
        return column in self.assigned or column in parameters


def bound_value(element: ColumnElement[Any], parameters: Parameters) -> Any:
    """Value of a bind parameter or NULL in a statement executed with `parameters`."""
    if isinstance(element, BindParameter):
        if element.key in parameters:
            return parameters[element.key]
        return element.effective_value
    if isinstance(element, Null):
        return None
    raise UnsupportedStatementError(f"the value of {element} is known to the database only")


def prepare(statement: Executable, infos: Mapping[str, TableInfo]) -> Prepared:
    """Analyse a statement. Raises `UnsupportedStatementError` naming what is not supported."""
    if isinstance(statement, Select):
        return _prepare_select(statement, infos)
    if isinstance(statement, Insert | Update | Delete):
        return _prepare_write(statement, infos)
    raise UnsupportedStatementError(f"neither SELECT, INSERT, UPDATE nor DELETE: {statement!r}")


def conjuncts(clause: ColumnElement[Any] | None) -> list[ColumnElement[Any]]:
    """Conditions joined by AND."""
    if clause is None:
        return []
    if isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        return [part for inner in clause.clauses for part in conjuncts(inner)]
    return [clause]


def equalities(clause: ColumnElement[Any] | None) -> dict[Column[Any], ColumnElement[Any]]:
    """Columns that AND-ed conditions require to equal a value."""
    found: dict[Column[Any], ColumnElement[Any]] = {}
    for part in conjuncts(clause):
        if isinstance(part, BinaryExpression) and part.operator is operators.eq:
            left, right = part.left, part.right
            if isinstance(left, Column):
                found.setdefault(left, right)
            if isinstance(right, Column):
                found.setdefault(right, left)
    return found


def tables_of(statement: ClauseElement) -> list[Table]:
    """Every table a statement mentions, in order of appearance."""
    found: dict[Table, None] = {}
    for element in visitors.iterate(statement):
        if isinstance(element, Table):
            found[element] = None
        elif isinstance(element, Column) and isinstance(element.table, Table):
            found[element.table] = None
    return list(found)


def _key_value(clause: ColumnElement[Any] | None, info: TableInfo) -> ColumnElement[Any] | None:
    value = equalities(clause).get(info.key)
    return value if isinstance(value, BindParameter) else None


def _prepare_select(statement: Select[Any], infos: Mapping[str, TableInfo]) -> Prepared:
    tables = tables_of(statement)
    if not tables:
        raise UnsupportedStatementError(f"SELECT from no table: {statement}")
    names = [table.name for table in tables]
    plain = not any(isinstance(part, AliasedReturnsRows) for part in visitors.iterate(statement))
    exclusive: bool | None = None
    keys = None
    key = _key_value(statement.whereclause, infos[names[0]]) if plain and len(names) == 1 else None
    locking = statement._for_update_arg  # noqa: SLF001 - with_for_update() has no public reader
    if locking is not None:
        if locking.nowait or locking.skip_locked or locking.of:
            raise UnsupportedStatementError("FOR UPDATE with NOWAIT, SKIP LOCKED or OF")
        if not plain:
            raise UnsupportedStatementError("FOR UPDATE with a subquery or an alias")
        exclusive = not locking.read
        if key is None:
            keys = statement.with_only_columns(
                *(infos[name].key for name in names), maintain_column_froms=True
            )
    return Prepared(
        statement,
        "select",
        infos[names[0]],
        frozenset(names),
        exclusive,
        key,
        keys,
        tuple(names),
        {},
    )


def _prepare_write(statement: Insert | Update | Delete, infos: Mapping[str, TableInfo]) -> Prepared:
    table = statement.table
    if not isinstance(table, Table) or tables_of(statement) != [table]:
        raise UnsupportedStatementError(f"a write that involves another table: {statement}")
    if statement._returning:  # noqa: SLF001 - no public reader
        raise UnsupportedStatementError(f"RETURNING: {statement}")
    info = infos[table.name]
    kind: Kind
    key: ColumnElement[Any] | None = None
    keys: Select[Any] | None = None
    assigned: Binds = {}
    if isinstance(statement, Insert | Update):
        assigned = _assigned(statement)
    if isinstance(statement, Insert):
        kind = "insert"
    else:
        kind = "update" if isinstance(statement, Update) else "delete"
        key = _key_value(statement.whereclause, info)
        if key is None:
            keys = select(info.key).order_by(info.key)
            if statement.whereclause is not None:
                keys = keys.where(statement.whereclause)
    names = (info.name,)
    return Prepared(statement, kind, info, frozenset(names), True, key, keys, names, assigned)


def _assigned(statement: Insert | Update) -> Binds:
    # Neither has a public reader for what .values() was given.
    if getattr(statement, "_multi_values", ()) or getattr(statement, "select", None) is not None:
        raise UnsupportedStatementError(f"INSERT of several rows: {statement}")
    values: Mapping[Any, ColumnElement[Any]] = statement._values or {}  # noqa: SLF001
    return {
        column if isinstance(column, str) else column.name: value
        for column, value in values.items()
    }
