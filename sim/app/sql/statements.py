"""Analysis of a statement's text, once: kind, tables, locked rows, types of its result.

sqlglot parses the statement in the dialect of the database and writes it for SQLite. SQL that is
not on the lists here is refused (`UnsupportedSqlError`), because a wrong translation would give a
wrong result.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlglot
from sqlglot import exp

from sim.app.errors import UnsupportedSqlError
from sim.app.sql.schema import Type, quoted, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sim.app.sql.schema import Column, Table

logging.getLogger("sqlglot").setLevel(logging.ERROR)

Kind = Literal["select", "insert", "update", "delete", "schema"]
ROW: Final = "app_row"
"""Name of the parameter that is the row to change."""

_ALLOWED: Final[tuple[type[exp.Expression], ...]] = (
    exp.Count,
    exp.Sum,
    exp.Avg,
    exp.Min,
    exp.Max,
    exp.Coalesce,
    exp.Nullif,
    exp.Lower,
    exp.Upper,
    exp.Length,
    exp.Concat,
    exp.Cast,
    exp.TryCast,
    exp.If,
    exp.Case,
    exp.Exists,
    exp.Abs,
    exp.Round,
    exp.Ceil,
    exp.Floor,
    exp.Greatest,
    exp.Least,
    exp.Substring,
    exp.Trim,
    exp.Replace,
    exp.GroupConcat,
    exp.RowNumber,
    exp.And,
    exp.Or,
    exp.Mod,
    exp.Sign,
    exp.Filter,
)
_NOW: Final = frozenset({"NOW", "SYSDATE", "LOCALTIMESTAMP", "LOCALTIME", "TRANSACTION_TIMESTAMP"})
_UNITS: Final = frozenset(
    {"MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"}
)
_BOOLEANS: Final = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.Boolean, exp.Exists)
_BOOL: Final = Type("bool")
_NOT_KEPT: Final = frozenset({"int", "text", "bytes", "float", "json"})


@dataclass(slots=True)
class Insert:
    """Rows of an INSERT: one statement per row, because each row has its own locks."""

    columns: tuple[str, ...]
    rows: list[list[exp.Expression]]
    select: str = ""
    """The source of the rows, if not VALUES."""
    conflict: str = ""
    """The action if a unique value exists already, as SQLite's ON CONFLICT clause."""
    ignores: bool = False
    replaces: bool = False
    row_sql: list[str] = field(default_factory=list)
    given: list[dict[str, exp.Expression]] = field(default_factory=list)


@dataclass(slots=True)
class Statement:
    """One statement, analysed."""

    text: str
    kind: Kind
    tables: tuple[str, ...]
    """Names, the first one first mentioned."""
    sql: str
    """The statement for SQLite; of an UPDATE or DELETE that of one row, `ROW`."""
    types: tuple[tuple[int, Type], ...] = ()
    """Columns of the result that have to be converted, with their types."""
    names: tuple[str, ...] | None = None
    lock: Literal["", "shared", "update"] = ""
    wait: Literal["wait", "nowait", "skip"] = "wait"
    locked: tuple[tuple[str, str], ...] = ()
    """(alias, table) of the rows that it locks, in the order of `candidates`' columns."""
    candidates: str = ""
    """The rowids of those rows, without its LIMIT."""
    restricted: str = ""
    """The statement on the rows in `%s` alone, of a locking SELECT."""
    limit: str | int | None = None
    offset: str | int | None = None
    """Number, or name of the parameter."""
    assigned: tuple[str, ...] = ()
    """Columns that an UPDATE sets."""
    insert: Insert | None = None
    returning: str = ""
    """What a write returns, as a SELECT on the rows in `%s`."""
    tree: Any = None


def parse(text: str, dialect: str) -> exp.Expression:
    """The only statement in `text`. Raises `UnsupportedSqlError`."""
    try:
        found = [tree for tree in sqlglot.parse(text, read=dialect) if tree is not None]
    except sqlglot.errors.SqlglotError as error:
        raise UnsupportedSqlError(f"it cannot be read: {str(error).splitlines()[0]}") from error
    if len(found) != 1:
        raise UnsupportedSqlError(f"{len(found)} statements in one text")
    tree: Any = found[0]
    return tree  # type: ignore[no-any-return]  # sqlglot's types are of several kinds


def analyse(text: str, dialect: str, tables: Mapping[str, Table]) -> Statement:
    """Analyse a statement in the dialect "mysql" or "postgres". Raises `UnsupportedSqlError`."""
    tree = parse(text, dialect)
    if isinstance(tree, exp.Create | exp.Drop | exp.Alter | exp.TruncateTable):
        return Statement(text, "schema", (), "", tree=tree)
    return _Reader(text, dialect, tables).read(tree)


def _part(tree: exp.Expression, name: str) -> Any:
    """An argument that newer versions of sqlglot have under a name with an underscore."""
    return tree.args.get(f"{name}_") or tree.args.get(name)


class _Reader:
    def __init__(self, text: str, dialect: str, tables: Mapping[str, Table]) -> None:
        self._text = text
        self._dialect = dialect
        self._tables = tables

    def read(self, tree: exp.Expression) -> Statement:
        """The statement of a tree."""
        tree = self._translated(tree)
        names = self._names(tree)
        match tree:
            case exp.Select() | exp.Union() | exp.Intersect() | exp.Except() | exp.Subquery():
                return self._select(tree, names)
            case exp.Insert():
                return self._insert(tree)
            case exp.Update():
                return self._update(tree)
            case exp.Delete():
                return self._delete(tree)
            case _:
                raise UnsupportedSqlError(f"neither SELECT, INSERT, UPDATE nor DELETE: {tree.key}")

    def _sql(self, tree: exp.Expression) -> str:
        text: str = tree.sql(dialect="sqlite", unsupported_level=sqlglot.ErrorLevel.IGNORE)
        return text

    def _names(self, tree: exp.Expression) -> tuple[str, ...]:
        own = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
        found = dict.fromkeys(table.name for table in tree.find_all(exp.Table))
        return tuple(name for name in found if name not in own)

    # Translation

    def _translated(self, tree: exp.Expression) -> exp.Expression:
        for table in tree.find_all(exp.Table):
            table.set("db", None)
            table.set("catalog", None)
        changed: exp.Expression = tree.transform(self._replaced)
        for function in changed.find_all(exp.Func):
            self._check(function)
        return changed

    def _check(self, function: Any) -> None:
        if isinstance(function, exp.Anonymous):
            name = str(function.this)
            if not name.lower().startswith("app_"):
                raise UnsupportedSqlError(f"function {name}()")
        elif isinstance(function, exp.Cast):
            # Values of these are kept as text, as they are.
            if function.to.this.name in {"TIMESTAMP", "TIMESTAMPTZ", "DATETIME", "UUID", "JSON"}:
                function.replace(function.this)
        elif not isinstance(function, _ALLOWED):
            raise UnsupportedSqlError(f"function {function.sql(dialect=self._dialect)}")

    def _replaced(self, node: exp.Expression) -> exp.Expression:
        own = exp.Anonymous
        match node:
            case exp.CurrentTimestamp() | exp.UtcTimestamp():
                return own(this="app_now")
            case exp.CurrentDate():
                return own(this="app_today")
            case exp.DateAdd() | exp.DateSub() | exp.TimestampAdd() | exp.TimestampSub():
                sign = -1 if isinstance(node, exp.DateSub | exp.TimestampSub) else 1
                return self._shift(node.this, node.expression, node.args.get("unit"), sign)
            case exp.Add() | exp.Sub() if isinstance(node.expression, exp.Interval):
                sign = -1 if isinstance(node, exp.Sub) else 1
                interval = node.expression
                return self._shift(node.this, interval.this, interval.args.get("unit"), sign)
            case exp.Extract() if node.name.upper() == "EPOCH":
                return own(this="app_epoch", expressions=[node.expression])
            case exp.TimeToUnix():
                return own(this="app_epoch", expressions=[node.this])
            case exp.Rand():
                return own(this="app_random")
            case exp.Uuid():
                return own(this="app_uuid")
            case exp.Anonymous():
                return self._renamed(node)
            case exp.ILike():
                # SQLite's LIKE ignores case; PostgreSQL's LIKE is made GLOB-like below.
                return exp.Like(this=node.this, expression=node.expression)
            case exp.Like() if self._dialect == "postgres":
                return own(this="app_like", expressions=[node.expression, node.this])
            case _:
                return node

    def _renamed(self, node: exp.Anonymous) -> exp.Expression:
        name = str(node.this).upper()
        own = exp.Anonymous
        if name in _NOW or name == "UTC_TIMESTAMP":
            return own(this="app_now")
        if name in {"CLOCK_TIMESTAMP", "STATEMENT_TIMESTAMP"}:
            return own(this="app_clock")
        if name == "UNIX_TIMESTAMP":
            return own(this="app_epoch", expressions=node.expressions or [own(this="app_now")])
        if name in {"RAND", "RANDOM"}:
            return own(this="app_random")
        if name in {"GEN_RANDOM_UUID", "UUID", "UUID_GENERATE_V4"}:
            return own(this="app_uuid")
        if name == "LAST_INSERT_ID":
            return own(this="app_last_id")
        if name == "VALUES" and len(node.expressions) == 1:
            return exp.column(node.expressions[0].name, table="excluded")
        if name == "CHAR_LENGTH":
            return exp.Length(this=node.expressions[0])
        return node

    def _shift(self, value: Any, amount: Any, unit: Any, sign: int) -> exp.Expression:
        text = amount.name if isinstance(amount, exp.Literal) else ""
        name = (unit.name if unit is not None else "").upper()
        if not name and len(text.split()) == 2:  # noqa: PLR2004 - '5 minutes'
            text, name = text.split()
            amount, name = exp.Literal.number(text), name.upper()
        name = name.removesuffix("S")
        if name not in _UNITS:
            raise UnsupportedSqlError(f"interval in {name or 'no unit'}")
        if isinstance(amount, exp.Literal) and amount.is_string:
            amount = exp.Literal.number(amount.name)
        return exp.Anonymous(
            this="app_shift",
            expressions=[value, amount, exp.Literal.string(name), exp.Literal.number(str(sign))],
        )

    # SELECT

    def _select(self, tree: exp.Expression, names: tuple[str, ...]) -> Statement:
        locks = tree.args.get("locks") or ()
        tree.set("locks", None)
        found = Statement(self._text, "select", names, self._sql(tree))
        found.types = self._result_types(tree)
        if locks:
            self._locks(found, tree, locks)
        return found

    def _locks(self, found: Statement, tree: exp.Expression, locks: Iterable[exp.Lock]) -> None:
        if not isinstance(tree, exp.Select):
            raise UnsupportedSqlError("FOR UPDATE of a UNION")
        lock = next(iter(locks))
        found.lock = "update" if lock.args.get("update") else "shared"
        wait = lock.args.get("wait")
        # sqlglot: True for NOWAIT, False for SKIP LOCKED, None for neither.
        found.wait = "wait" if wait is None else "nowait" if wait else "skip"
        sources = self._sources(tree)
        wanted = {table.alias_or_name for table in lock.expressions}
        found.locked = tuple(
            (alias, table)
            for alias, table in sources
            if table in self._tables and (not wanted or alias in wanted)
        )
        if not found.locked:
            raise UnsupportedSqlError("FOR UPDATE of no table")
        found.limit = self._number(tree.args.get("limit"))
        found.offset = self._number(tree.args.get("offset"))
        rows = tree.copy()
        for name in ("limit", "offset", "distinct", "group", "having"):
            rows.set(name, None)
        rows.set("expressions", [self._rowid(alias) for alias, _ in found.locked])
        found.candidates = self._sql(rows)
        rest = tree.copy()
        rest.set("offset", None)
        rest.set("limit", None)
        first = found.locked[0][0]
        marker = exp.In(this=self._rowid(first), expressions=[exp.column("app_rows")])
        found.restricted = self._sql(rest.where(marker)).replace("(app_rows)", "(%s)")

    @staticmethod
    def _rowid(alias: str) -> exp.Column:
        return exp.column("rowid", table=exp.to_identifier(alias, quoted=True))

    def _sources(self, tree: exp.Select) -> list[tuple[str, str]]:
        found = []
        source = _part(tree, "from")
        parts = [] if source is None else [source.this]
        parts += [join.this for join in tree.args.get("joins") or ()]
        found += [(part.alias_or_name, part.name) for part in parts if isinstance(part, exp.Table)]
        return found

    @staticmethod
    def _number(node: Any) -> str | int | None:
        if node is None:
            return None
        value = node.expression
        if isinstance(value, exp.Placeholder):
            return str(value.this)
        if isinstance(value, exp.Literal) and value.name.isdigit():
            return int(value.name)
        raise UnsupportedSqlError(f"LIMIT {value.sql()} of a locking SELECT")

    # Types of results

    def _result_types(self, tree: exp.Expression) -> tuple[tuple[int, Type], ...]:
        found = []
        for at, (_, type_) in enumerate(self._projected(tree, {})):
            if type_ is not None and (type_.kind not in _NOT_KEPT):
                found.append((at, type_))
        return tuple(found)

    def _projected(
        self, tree: Any, ctes: Mapping[str, list[tuple[str, Type | None]]]
    ) -> list[tuple[str, Type | None]]:
        """(name, type) of each column of a query."""
        if isinstance(tree, exp.Subquery):
            return self._projected(tree.this, ctes)
        if isinstance(tree, exp.SetOperation):
            return self._projected(tree.left, ctes)
        if not isinstance(tree, exp.Select):
            return []
        known = dict(ctes)
        with_ = _part(tree, "with")
        for cte in () if with_ is None else with_.expressions:
            known[cte.alias_or_name] = self._projected(cte.this, known)
        scope = self._scope(tree, known)
        found: list[tuple[str, Type | None]] = []
        for part in tree.expressions:
            if isinstance(part, exp.Star):
                found += [pair for columns in scope.values() for pair in columns]
            elif isinstance(part, exp.Column) and isinstance(part.this, exp.Star):
                found += scope.get(part.table, [])
            else:
                found.append((part.alias_or_name, self._type(part, scope, known)))
        return found

    def _scope(
        self, tree: exp.Select, ctes: Mapping[str, list[tuple[str, Type | None]]]
    ) -> dict[str, list[tuple[str, Type | None]]]:
        scope: dict[str, list[tuple[str, Type | None]]] = {}
        source = _part(tree, "from")
        parts = [] if source is None else [source.this]
        parts += [join.this for join in tree.args.get("joins") or ()]
        for part in parts:
            if isinstance(part, exp.Table):
                table = self._tables.get(part.name)
                if table is not None:
                    scope[part.alias_or_name] = [(c.name, c.type) for c in table.columns.values()]
                else:
                    scope[part.alias_or_name] = ctes.get(part.name, [])
            elif isinstance(part, exp.Subquery):
                scope[part.alias_or_name] = self._projected(part.this, ctes)
        return scope

    def _type(
        self, node: Any, scope: dict[str, list[tuple[str, Type | None]]], ctes: Any
    ) -> Type | None:
        match node:
            case exp.Alias() | exp.Paren() | exp.Filter() | exp.Window():
                return self._type(node.this, scope, ctes)
            case exp.Column():
                scopes = [scope.get(node.table, [])] if node.table else list(scope.values())
                return next(
                    (type_ for part in scopes for name, type_ in part if name == node.name), None
                )
            case exp.Max() | exp.Min() | exp.Coalesce() | exp.Nullif() | exp.Greatest():
                return self._type(node.this, scope, ctes)
            case exp.Sum():
                inner = self._type(node.this, scope, ctes)
                kind = "int" if inner is None else inner.kind
                if kind == "decimal" or (kind == "int" and self._dialect == "mysql"):
                    return Type("decimal", scale=inner.scale if kind == "decimal" and inner else 0)
                return inner
            case exp.Avg():
                inner = self._type(node.this, scope, ctes)
                if inner is not None and inner.kind == "float":
                    return inner
                return Type("decimal", scale=4 if self._dialect == "mysql" else None)
            case exp.Case():
                branches = node.args.get("ifs") or ()
                return self._type(branches[0].args["true"], scope, ctes) if branches else None
            case exp.If():
                return self._type(node.args["true"], scope, ctes)
            case exp.Subquery():
                inner_columns = self._projected(node.this, ctes)
                return inner_columns[0][1] if inner_columns else None
            case exp.Anonymous() if str(node.this) in {"app_now", "app_clock", "app_shift"}:
                return Type("timestamptz" if self._dialect == "postgres" else "datetime", scale=6)
            case exp.Cast():
                return type_of(node.to, self._dialect)
            case _:
                is_bool = isinstance(node, _BOOLEANS) and self._dialect == "postgres"
                return _BOOL if is_bool else None

    # Writes

    def _target(self, node: Any) -> Table:
        if not isinstance(node, exp.Table):
            raise UnsupportedSqlError("a write to more than one table")
        table = self._tables.get(node.name)
        if table is None:
            raise UnsupportedSqlError(f"no table {node.name}: no CREATE TABLE was seen")
        return table

    def _assignments(self, table: Table, settings: Iterable[Any]) -> list[tuple[str, Any]]:
        found = []
        for setting in settings:
            if not isinstance(setting, exp.EQ) or not isinstance(setting.this, exp.Column):
                raise UnsupportedSqlError(f"SET {setting.sql()}")
            name = setting.this.name
            column = table.columns.get(name)
            if column is None:
                raise UnsupportedSqlError(f"no column {name} in {table.name}")
            found.append((name, stored(setting.expression, column)))
        return found

    def _update(self, tree: exp.Update) -> Statement:
        if _part(tree, "from") is not None or tree.this.args.get("joins"):
            raise UnsupportedSqlError("an UPDATE of joined tables")
        table = self._target(tree.this)
        settings = self._assignments(table, tree.expressions)
        found = Statement(self._text, "update", self._names(tree), "", lock="update")
        self._rows_of(found, table, tree)
        sets = ", ".join(f"{quoted(name)} = {self._sql(value)}" for name, value in settings)
        alias = tree.this.alias
        named = f"{quoted(table.name)} AS {quoted(alias)}" if alias else quoted(table.name)
        found.sql = f"UPDATE {named} SET {sets} WHERE {quoted(alias or table.name)}.rowid = :{ROW}"  # noqa: S608
        found.assigned = tuple(name for name, _ in settings)
        return found

    def _delete(self, tree: exp.Delete) -> Statement:
        if tree.args.get("using") or tree.args.get("tables"):
            raise UnsupportedSqlError("a DELETE of joined tables")
        table = self._target(tree.this)
        found = Statement(self._text, "delete", self._names(tree), "", lock="update")
        self._rows_of(found, table, tree)
        found.sql = f"DELETE FROM {quoted(table.name)} WHERE rowid = :{ROW}"  # noqa: S608
        return found

    def _rows_of(self, found: Statement, table: Table, tree: exp.Expression) -> None:
        """The rows that an UPDATE or DELETE touches, and what it returns of them."""
        target = tree.this
        alias = target.alias_or_name
        found.locked = ((alias, table.name),)
        found.limit = self._number(tree.args.get("limit"))
        rows = exp.select(self._rowid(alias)).from_(target.copy())
        with_ = _part(tree, "with")
        if with_ is not None:
            raise UnsupportedSqlError("a write with WITH")
        if tree.args.get("where") is not None:
            rows.set("where", tree.args["where"].copy())
        order = tree.args.get("order")
        rows.set("order", order.copy() if order is not None else None)
        found.candidates = self._sql(rows)
        self._return(found, table, alias, tree.args.get("returning"))

    def _return(self, found: Statement, table: Table, alias: str, returning: Any) -> None:
        if returning is None:
            return
        source = exp.to_table(table.name)
        source.set("this", exp.to_identifier(table.name, quoted=True))
        if alias != table.name:
            source = exp.alias_(source, alias, table=True)  # type: ignore[assignment]  # sqlglot's types
        query = exp.select(*[part.copy() for part in returning.expressions]).from_(source)
        found.types = self._result_types(query)
        marker = exp.In(this=self._rowid(alias), expressions=[exp.column("app_rows")])
        text = self._sql(query.where(marker)).replace("(app_rows)", "(%s)")
        found.returning = f"{text} ORDER BY {quoted(alias)}.rowid"

    def _insert(self, tree: exp.Insert) -> Statement:
        schema = tree.this
        target = schema.this if isinstance(schema, exp.Schema) else schema
        table = self._target(target)
        columns = (
            tuple(part.name for part in schema.expressions)
            if isinstance(schema, exp.Schema)
            else tuple(table.columns)
        )
        for name in columns:
            if name not in table.columns:
                raise UnsupportedSqlError(f"no column {name} in {table.name}")
        source = tree.expression
        insert = Insert(columns, [], ignores=bool(tree.args.get("ignore")))
        if isinstance(source, exp.Values):
            insert.rows = [list(row.expressions) for row in source.expressions]
        elif source is None or tree.args.get("default"):
            insert.columns, insert.rows = (), [[]]
        elif isinstance(source, exp.Select | exp.Union):
            insert.select = self._sql(source)
            insert.rows = [[exp.Placeholder(this=f"app_{name}") for name in columns]]
        else:
            raise UnsupportedSqlError(f"INSERT with {source.key}")
        alias = source.alias if isinstance(source, exp.Values) else ""
        self._conflict(insert, table, tree.args.get("conflict"), alias)
        for row in insert.rows:
            self._row(insert, table, row)
        found = Statement(self._text, "insert", self._names(tree), "", insert=insert)
        self._return(found, table, table.name, tree.args.get("returning"))
        return found

    def _row(self, insert: Insert, table: Table, row: list[exp.Expression]) -> None:
        given = {
            name: value
            for name, value in zip(insert.columns, row, strict=True)
            if not _is_default(value)
        }
        insert.given.append(given)
        if table.key is not None:
            given = {table.key: exp.Placeholder(this=ROW)} | {
                name: value for name, value in given.items() if name != table.key
            }
            names = list(given)
        else:
            names = ["rowid", *given]
        values = [] if table.key is not None else [f":{ROW}"]
        values += [
            self._sql(value if name == table.key else stored(value, table.columns[name]))
            for name, value in given.items()
        ]
        columns = ", ".join(quoted(name) for name in names)
        insert.row_sql.append(
            f"INSERT INTO {quoted(table.name)} ({columns}) VALUES ({', '.join(values)})"  # noqa: S608
        )

    def _conflict(self, insert: Insert, table: Table, conflict: Any, alias: str) -> None:
        if conflict is None:
            return
        action = str(conflict.args.get("action") or "").upper()
        if "NOTHING" in action:
            insert.ignores = True
            return
        for column in conflict.find_all(exp.Column):
            if alias and column.table == alias:
                column.set("table", exp.to_identifier("excluded"))
        settings = self._assignments(table, conflict.expressions)
        sets = ", ".join(f"{quoted(name)} = {self._sql(value)}" for name, value in settings)
        where = conflict.args.get("where")
        insert.conflict = f"UPDATE SET {sets}{' ' + self._sql(where) if where is not None else ''}"


def _is_default(value: Any) -> bool:
    if isinstance(value, exp.Var | exp.Column) and value.name.upper() == "DEFAULT":
        return True
    return "nextval" in value.sql().lower()


def stored(value: exp.Expression, column: Column) -> exp.Expression:
    """The value as the column stores it: rounded to the column's digits."""
    type_ = column.type
    if type_.scale is None or isinstance(value, exp.Null):
        return value
    if type_.kind == "decimal":
        return exp.Round(this=value, decimals=exp.Literal.number(str(type_.scale)))
    if type_.kind == "datetime" and type_.scale < 6:  # noqa: PLR2004 - microseconds
        digits = exp.Literal.number(str(type_.scale))
        return exp.Anonymous(this="app_round", expressions=[value, digits])
    return value
