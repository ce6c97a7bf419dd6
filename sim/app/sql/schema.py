"""Tables as the application's CREATE TABLE describes them, and their form in SQLite.

SQLite's rowid identifies a row. The rowid is the table's key if the key is one integer column, else
a number of the simulator. A column's type decides how a value is stored and returned, as by the
driver of the database: DECIMAL as Decimal, DATETIME as datetime, BOOLEAN of PostgreSQL as bool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sqlglot import exp

from sim.app.errors import UnsupportedSqlError

_INTEGERS: Final = {
    "TINYINT": 8,
    "SMALLINT": 16,
    "MEDIUMINT": 24,
    "INT": 32,
    "BIGINT": 64,
    "SMALLSERIAL": 16,
    "SERIAL": 32,
    "BIGSERIAL": 64,
}
_UNSIGNED: Final = {
    "UTINYINT": 8,
    "USMALLINT": 16,
    "UMEDIUMINT": 24,
    "UINT": 32,
    "UBIGINT": 64,
}
_SERIAL: Final = frozenset({"SMALLSERIAL", "SERIAL", "BIGSERIAL"})
_TEXTS: Final = frozenset(
    {"VARCHAR", "CHAR", "TEXT", "NVARCHAR", "NCHAR", "TINYTEXT", "MEDIUMTEXT"}
)
_LONG_TEXTS: Final = frozenset({"LONGTEXT", "ENUM", "BPCHAR", "NAME"})
_BLOBS: Final = frozenset({"BLOB", "VARBINARY", "BINARY", "LONGBLOB", "MEDIUMBLOB", "TINYBLOB"})
_TIMES: Final = {
    "DATETIME": "datetime",
    "TIMESTAMP": "datetime",
    "TIMESTAMPNTZ": "datetime",
    "TIMESTAMPTZ": "timestamptz",
    "DATE": "date",
    "TIME": "time",
}
_DECIMALS: Final = frozenset({"DECIMAL", "UDECIMAL", "BIGDECIMAL", "NUMERIC"})
_FLOATS: Final = frozenset({"DOUBLE", "FLOAT", "UDOUBLE", "REAL"})
_MICROSECONDS: Final = 6
_NOW: Final = frozenset({"NOW", "CURRENT_TIMESTAMP", "UTC_TIMESTAMP", "LOCALTIMESTAMP"})


@dataclass(frozen=True, slots=True)
class Type:
    """How a column's values are stored and returned."""

    kind: str
    """"int", "text", "bytes", "float", "decimal", "datetime", "timestamptz", "date", "time",
    "bool", "json" or "uuid"."""
    scale: int | None = None
    """Digits after the point of a decimal, or of the seconds of a datetime; None: as given."""
    length: int | None = None
    least: int | None = None
    most: int | None = None


@dataclass(slots=True)
class Column:
    """One column."""

    name: str
    type: Type
    generated: bool = False
    """AUTO_INCREMENT, SERIAL or an identity: the database numbers the rows."""
    nullable: bool = True
    default: str = ""
    """SQL for SQLite; empty for none."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign key: its columns, the parent's columns, and the action ON DELETE."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_delete: str = "NO ACTION"
    deferred: bool = False
    """Checked when the transaction commits (PostgreSQL: INITIALLY DEFERRED)."""


@dataclass(slots=True)
class Table:
    """One table. `key` is the column that is SQLite's rowid; None: no column is the rowid."""

    name: str
    columns: dict[str, Column]
    primary: tuple[str, ...]
    unique: list[tuple[str, ...]]
    """Groups of columns, the primary key first unless it is the rowid."""
    foreign: list[Foreign]
    key: str | None
    checks: list[str] = field(default_factory=list)
    next_id: int = 1

    @property
    def generated(self) -> Column | None:
        """The column that the database numbers, if there is one."""
        return next((column for column in self.columns.values() if column.generated), None)


def name_of(node: Any) -> str:
    """The name of a table or column in an expression, without its schema."""
    found: str = node.name
    return found


def read_create(tree: exp.Create, dialect: str) -> Table:
    """The table that a CREATE TABLE makes. Raises `UnsupportedSqlError`."""
    schema = tree.this
    if not isinstance(schema, exp.Schema):
        raise UnsupportedSqlError("CREATE TABLE ... AS SELECT and LIKE are not simulated")
    name = name_of(schema.this)
    table = Table(name, {}, (), [], [], None)
    for part in schema.expressions:
        if isinstance(part, exp.ColumnDef):
            _add_column(table, part, dialect)
        else:
            add_constraint(table, part, dialect)
    _settle_key(table)
    return table


def _add_column(table: Table, part: exp.ColumnDef, dialect: str) -> Column:
    kind = part.args.get("kind")
    if kind is None:
        raise UnsupportedSqlError(f"column {part.name} of {table.name} has no type")
    type_ = type_of(kind, dialect)
    column = Column(part.name, type_, generated=kind.this.name in _SERIAL)
    for constraint in part.args.get("constraints") or ():
        _constrain(table, column, constraint.kind, dialect)
    table.columns[column.name] = column
    return column


def _constrain(table: Table, column: Column, kind: Any, dialect: str) -> None:
    match kind:
        case exp.NotNullColumnConstraint():
            column.nullable = bool(kind.args.get("allow_null"))
        case exp.AutoIncrementColumnConstraint() | exp.GeneratedAsIdentityColumnConstraint():
            column.generated = True
        case exp.PrimaryKeyColumnConstraint():
            table.primary = (column.name,)
        case exp.UniqueColumnConstraint():
            table.unique.append((column.name,))
        case exp.DefaultColumnConstraint():
            if "nextval" in kind.sql().lower():
                column.generated = True
            else:
                column.default = default_sql(kind.this)
        case exp.Reference():
            table.foreign.append(_reference((column.name,), kind))
        case exp.CheckColumnConstraint():
            table.checks.append(kind.this.sql(dialect="sqlite"))
        case (
            exp.CollateColumnConstraint()
            | exp.CommentColumnConstraint()
            | exp.CharacterSetColumnConstraint()
        ):
            pass
        case _:
            raise UnsupportedSqlError(f"{kind.sql(dialect=dialect)} of {table.name}.{column.name}")


def default_sql(node: exp.Expression) -> str:
    """A default in SQLite's form: literals, and the time from the simulated clock."""
    inner = node.unnest()
    name = str(inner.this) if isinstance(inner, exp.Anonymous) else ""
    if isinstance(inner, exp.CurrentTimestamp) or name.upper() in _NOW:
        return "(app_now())"
    if isinstance(inner, exp.Func) and not isinstance(inner, exp.Cast):
        raise UnsupportedSqlError(f"DEFAULT {inner.sql()}")
    return f"({inner.sql(dialect='sqlite')})"


def _reference(columns: tuple[str, ...], node: exp.Reference) -> Foreign:
    target = node.this
    parent_columns: tuple[str, ...] = ()
    if isinstance(target, exp.Schema):
        parent_columns = tuple(column.name for column in target.expressions)
        target = target.this
    action, deferred = "NO ACTION", False
    for option in node.args.get("options") or ():
        words = (option if isinstance(option, str) else option.sql()).upper()
        if words.startswith("ON DELETE "):
            action = words.removeprefix("ON DELETE ")
        deferred = deferred or "INITIALLY DEFERRED" in words
    return Foreign(columns, name_of(target), parent_columns, action, deferred)


def _columns_of(node: Any) -> tuple[str, ...]:
    found = []
    for part in node:
        inner = part.this if isinstance(part, exp.Ordered) else part
        found.append(inner.name)
    return tuple(found)


def add_constraint(table: Table, part: Any, dialect: str) -> None:
    """Add what a CREATE TABLE or ALTER TABLE says about several columns."""
    match part:
        case exp.Constraint():
            for inner in part.expressions:
                add_constraint(table, inner, dialect)
        case exp.PrimaryKey():
            table.primary = _columns_of(part.expressions)
        case exp.UniqueColumnConstraint():
            inner = part.this
            columns = inner.expressions if isinstance(inner, exp.Schema) else [inner]
            table.unique.append(_columns_of(columns))
        case exp.ForeignKey():
            table.foreign.append(_reference(_columns_of(part.expressions), _with_actions(part)))
        case exp.CheckColumnConstraint():
            table.checks.append(part.this.sql(dialect="sqlite"))
        case exp.IndexColumnConstraint():
            pass  # `transactions.schema_changes` makes it: it only saves time
        case _:
            raise UnsupportedSqlError(f"{part.sql(dialect=dialect)} of table {table.name}")


def _with_actions(part: exp.ForeignKey) -> exp.Reference:
    """The reference; sqlglot keeps ON DELETE either there or at the key itself."""
    reference: exp.Reference = part.args["reference"]
    delete = part.args.get("delete")
    if delete:
        reference = reference.copy()
        reference.append("options", f"ON DELETE {delete}")
    return reference


def _settle_key(table: Table) -> None:
    generated = table.generated
    if not table.primary and generated is not None:
        table.primary = (generated.name,)
    if len(table.primary) == 1 and table.columns[table.primary[0]].type.kind == "int":
        table.key = table.primary[0]
    elif table.primary:
        table.unique.insert(0, table.primary)
    for name in table.primary:
        table.columns[name].nullable = False
    if generated is not None and generated.name != table.key:
        raise UnsupportedSqlError(
            f"{table.name}.{generated.name} is numbered by the database and not its primary key"
        )


def type_of(kind: exp.DataType, dialect: str) -> Type:
    """How values of an SQL type are kept."""
    name = kind.this.name if hasattr(kind.this, "name") else str(kind.this)
    sizes = [
        int(part.this.name)
        for part in kind.expressions
        if isinstance(part, exp.DataTypeParam) and part.this.name.isdigit()
    ]
    if name in _INTEGERS:
        bits = _INTEGERS[name]
        return Type("int", least=-(2 ** (bits - 1)), most=2 ** (bits - 1) - 1)
    if name in _UNSIGNED:
        return Type("int", least=0, most=2 ** _UNSIGNED[name] - 1)
    if name == "BOOLEAN":
        return Type("int", least=-128, most=127) if dialect == "mysql" else Type("bool")
    if name in _TEXTS or name in _LONG_TEXTS:
        return Type("text", length=sizes[0] if sizes else None)
    if name in _TIMES:
        scale = sizes[0] if sizes else (0 if dialect == "mysql" else _MICROSECONDS)
        return Type(_TIMES[name], scale=scale)
    if name in _DECIMALS:
        whole = 0 if sizes or dialect == "mysql" else None
        least = 0 if name == "UDECIMAL" else None
        return Type("decimal", scale=sizes[1] if len(sizes) > 1 else whole, least=least)
    if name in _FLOATS:
        return Type("float")
    if name in _BLOBS:
        return Type("bytes")
    if name in {"JSON", "JSONB"}:
        return Type("json")
    if name == "UUID":
        return Type("uuid")
    raise UnsupportedSqlError(f"column type {kind.sql(dialect=dialect)}")


_AFFINITY: Final = {
    "int": "INTEGER",
    "text": "TEXT",
    "bytes": "BLOB",
    "float": "REAL",
    "decimal": "REAL",
    "bool": "NUMERIC",
}


def quoted(name: str) -> str:
    """A name as SQLite takes any."""
    return '"' + name.replace('"', '""') + '"'


def create_sql(table: Table, dialect: str) -> list[str]:
    """CREATE TABLE and its unique indexes, for SQLite."""
    lines = []
    for column in table.columns.values():
        affinity = _AFFINITY.get(column.type.kind, "TEXT")
        line = f"{quoted(column.name)} {affinity}"
        if column.name == table.key:
            line = f"{quoted(column.name)} INTEGER PRIMARY KEY"
        elif not column.nullable:
            line += " NOT NULL"
        if column.default:
            line += f" DEFAULT {column.default}"
        if column.type.kind == "text" and dialect == "mysql":
            # The default collations of MySQL and MariaDB do not distinguish upper and lower case.
            line += " COLLATE NOCASE"
        lines.append(line)
    lines += [*_limits(table), *(f'CONSTRAINT "check" CHECK ({check})' for check in table.checks)]
    found = [f"CREATE TABLE {quoted(table.name)} ({', '.join(lines)})"]
    return found + [unique_sql(table.name, group) for group in table.unique]


def unique_sql(table: str, group: tuple[str, ...]) -> str:
    """A unique index, for SQLite."""
    name = quoted("_".join(("unique", table, *group)))
    columns = ", ".join(map(quoted, group))
    return f"CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {quoted(table)} ({columns})"


def _limits(table: Table) -> list[str]:
    """Constraints for values that the database would refuse: too long or out of range."""
    found = []
    for column in table.columns.values():
        name, type_ = quoted(column.name), column.type
        if type_.kind == "text" and type_.length is not None:
            found.append(
                f'CONSTRAINT "long {column.name}" CHECK (length({name}) <= {type_.length})'
            )
        if type_.least is not None:
            most = f" AND {name} <= {type_.most}" if type_.most is not None else ""
            found.append(f'CONSTRAINT "range {column.name}" CHECK ({name} >= {type_.least}{most})')
    return found
