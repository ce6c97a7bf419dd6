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
from sim.app.sql.errors import SqlError
from sim.app.sql.result_types import ResultTypes, part_of
from sim.app.sql.schema import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sim.app.sql.schema import Column, Table, Type

logging.getLogger("sqlglot").setLevel(logging.ERROR)

Kind = Literal["select", "insert", "update", "delete", "schema"]
ROW: Final = "app_row"
"""Name of the parameter that is the row to change."""
ROWS: Final = "(app_rows)"
"""In the place of a list of rowids."""

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
_LISTED: Final = "json_each"
_NOW: Final = frozenset({"NOW", "SYSDATE", "LOCALTIMESTAMP", "LOCALTIME", "TRANSACTION_TIMESTAMP"})
_UNITS: Final = frozenset(
    {"MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"}
)


@dataclass(slots=True)
class Insert:
    """Rows of an INSERT: one statement per row, because each row has its own locks."""

    columns: tuple[str, ...]
    rows: list[list[exp.Expression]]
    select: str = ""
    """The source of the rows, if not VALUES."""
    conflict: str = ""
    """The action if a unique value exists already, as SQLite's ON CONFLICT clause."""
    arbiter: tuple[str, ...] = ()
    """The columns that ON CONFLICT names."""
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
    key_only: bool = False
    """FOR KEY SHARE of PostgreSQL."""
    locks_keys: bool = False
    """FOR UPDATE, which a foreign key of PostgreSQL waits for; an UPDATE or FOR NO KEY UPDATE is
    none."""
    locked: tuple[tuple[str, str], ...] = ()
    """(alias, table) of the rows that it locks, in the order of `candidates`' columns."""
    candidates: str = ""
    """The rowids of those rows, without its LIMIT."""
    restricted: str = ""
    """The statement on the rows in `ROWS` alone, of a locking SELECT."""
    limit: str | int | None = None
    offset: str | int | None = None
    """Number, or name of the parameter."""
    assigned: tuple[str, ...] = ()
    """Columns that an UPDATE sets."""
    insert: Insert | None = None
    returning: str = ""
    """The RETURNING part of a write, as a SELECT on the rows in `ROWS`."""
    tree: Any = None


def parse(text: str, dialect: str) -> exp.Expression:
    """The only statement in `text`. Raises `UnsupportedSqlError`."""
    try:
        found = [tree for tree in sqlglot.parse(text, read=dialect) if tree is not None]
    except sqlglot.errors.SqlglotError as error:
        raise UnsupportedSqlError(
            f"the statement cannot be read: {str(error).splitlines()[0]}"
        ) from error
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


class _Reader:
    def __init__(self, text: str, dialect: str, tables: Mapping[str, Table]) -> None:
        self._text = text
        self._dialect = dialect
        self._tables = tables
        self._types = ResultTypes(dialect, tables)

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
        found = dict.fromkeys(
            table.name
            for table in tree.find_all(exp.Table)
            if isinstance(table.this, exp.Identifier)
        )
        return tuple(name for name in found if name not in own)

    # Translation

    def _translated(self, tree: exp.Expression) -> exp.Expression:
        for table in tree.find_all(exp.Table):
            table.set("db", None)
            table.set("catalog", None)
        changed = self._transformed(tree)
        if self._dialect == "mysql":
            _ignore_case(changed)
        for function in changed.find_all(exp.Func):
            self._check(function)
        return changed

    def _transformed(self, tree: exp.Expression) -> exp.Expression:
        """The tree with every node replaced, the innermost first."""
        kinds = {
            column.name: column.type.kind
            for table in tree.find_all(exp.Table)
            if table.name in self._tables
            for column in self._tables[table.name].columns.values()
        }
        nodes: list[Any] = list(tree.walk())
        for node in reversed(nodes):
            inside = _kinds_in(node, kinds) if isinstance(node, exp.Round | exp.Div) else set()
            found = self._replaced(node)
            if isinstance(node, exp.Round) and "float" in inside:
                found.set("this", "app_rounded_even")
            elif isinstance(node, exp.Div) and inside & {"float", "decimal"}:
                # SQLite may hold a whole decimal as an integer, which would be divided as such.
                found.set("this", "app_divide_real")
            if found is node:
                continue
            if node is tree:
                tree = found
            else:
                node.replace(found)
        return tree

    def _check(self, function: Any) -> None:
        if isinstance(function, exp.Anonymous):
            name = str(function.this)
            if not name.lower().startswith("app_") and name != _LISTED:
                raise UnsupportedSqlError(f"function {name}()")
        elif isinstance(function, exp.Collate):
            if function.expression.name != "NOCASE":
                raise UnsupportedSqlError(function.sql(dialect=self._dialect))
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
            case exp.Unnest():
                return _unnested(  # type: ignore[no-any-return]  # sqlglot's types
                    [_array(part) for part in node.expressions], node.alias or "unnest"
                )
            case exp.EQ() if isinstance(node.expression, exp.Any):
                values = exp.select("value").from_(_listed(_array(node.expression.this), "listed"))
                return exp.In(this=node.this, query=exp.Subquery(this=values))
            case exp.Escape() if isinstance(node.this, exp.Like | exp.ILike):
                return self._like(node.this, node.expression)
            case exp.Like() | exp.ILike() if not isinstance(node.parent, exp.Escape):
                return self._like(node, None)
            case exp.Div():
                return own(this="app_divide", expressions=[node.this, node.expression])
            case exp.Mod():
                return own(this="app_modulo", expressions=[node.this, node.expression])
            case exp.Concat() if self._dialect == "postgres":
                return own(this="app_concat", expressions=node.expressions)
            case exp.Length() if node.args.get("binary"):
                return own(this="app_bytes", expressions=[node.this])
            case exp.Round():
                digits = node.args.get("decimals") or exp.Literal.number("0")
                return own(this="app_rounded", expressions=[node.this, digits])
            case _:
                return node

    def _like(self, node: Any, escape: Any) -> exp.Expression:
        """LIKE with the database's escapes, and its upper and lower case."""
        pattern = node.expression
        exact = isinstance(node, exp.Like) and self._dialect == "postgres"
        if isinstance(pattern, exp.Cast) and pattern.to.this.name == "BINARY":
            pattern, exact = pattern.this, True
        mark = exp.Literal.string("\\") if escape is None else escape
        flag = exp.Literal.number(str(int(exact)))
        return exp.Anonymous(this="app_like", expressions=[pattern, node.this, mark, flag])

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
        found.types = self._types.converted(tree)
        if locks:
            self._locks(found, tree, locks)
        return found

    def _locks(self, found: Statement, tree: exp.Expression, locks: Iterable[exp.Lock]) -> None:
        if self._dialect == "postgres":
            _check_lockable(tree, {table.name for lock in locks for table in lock.expressions})
        if not isinstance(tree, exp.Select):
            raise UnsupportedSqlError("FOR UPDATE of a UNION")
        lock = next(iter(locks))
        found.lock = "update" if lock.args.get("update") else "shared"
        keyed = bool(lock.args.get("key"))
        found.key_only = keyed and found.lock == "shared"
        found.locks_keys = not keyed and found.lock == "update"
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
        found.restricted = self._sql(rest.where(marker))

    @staticmethod
    def _rowid(alias: str) -> exp.Column:
        return exp.column("rowid", table=exp.to_identifier(alias, quoted=True))

    def _sources(self, tree: exp.Select) -> list[tuple[str, str]]:
        found = []
        source = part_of(tree, "from")
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
        if part_of(tree, "from") is not None or tree.this.args.get("joins"):
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
        with_ = part_of(tree, "with")
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
        found.types = self._types.converted(query)
        marker = exp.In(this=self._rowid(alias), expressions=[exp.column("app_rows")])
        text = self._sql(query.where(marker))
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
        if conflict.args.get("constraint") is not None:
            raise UnsupportedSqlError("ON CONFLICT ON CONSTRAINT; name the columns instead")
        insert.arbiter = tuple(
            part.find(exp.Identifier).name for part in conflict.args.get("conflict_keys") or ()
        )
        groups = [set(group) for group in (*table.unique, table.primary)]
        if insert.arbiter and set(insert.arbiter) not in groups:
            raise SqlError(
                "no_arbiter",
                "there is no unique or exclusion constraint matching the ON CONFLICT specification",
            )
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


def _array(node: exp.Expression) -> exp.Expression:
    """The parameter of an array, which is given as JSON."""
    inner = node.unnest()
    while isinstance(inner, exp.Cast):
        inner = inner.this.unnest()
    if not isinstance(inner, exp.Placeholder):
        raise UnsupportedSqlError(f"{node.sql()}: an array that is no parameter")
    return inner


def _listed(array: exp.Expression, alias: str) -> Any:
    table = exp.Table(this=exp.Anonymous(this=_LISTED, expressions=[array.copy()]))
    return exp.alias_(table, alias, table=True)


def _unnested(arrays: list[exp.Expression], alias: str) -> Any:
    """Arrays side by side, each a column."""
    columns = [
        exp.alias_(exp.column("value", table=f"array{at}"), f"column{at}")
        for at in range(len(arrays))
    ]
    query = exp.select(*columns).from_(_listed(arrays[0], "array0"))
    for at, array in enumerate(arrays[1:], 1):
        same = exp.EQ(
            this=exp.column("key", table="array0"), expression=exp.column("key", table=f"array{at}")
        )
        query = query.join(_listed(array, f"array{at}"), on=same)
    return query.order_by(exp.column("key", table="array0")).subquery(alias)


def _kinds_in(tree: exp.Expression, kinds: Mapping[str, str]) -> set[str]:
    """Kinds of the columns and literals below a node, without what is only counted."""
    found = set()
    for node in tree.walk(prune=lambda part: isinstance(part, exp.Count)):
        if isinstance(node, exp.Column):
            found.add(kinds.get(node.name, ""))
        elif isinstance(node, exp.Literal) and not node.is_string and "." in node.name:
            found.add("decimal")
    return found


_COMPARISONS: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between)
_SORTED_AS_GIVEN: Final = (exp.Column, exp.Literal, exp.Placeholder, exp.Null, exp.Collate)


def _ignore_case(tree: exp.Expression) -> None:
    """Compare and sort texts without regard to case, also those that are no plain columns."""
    for node in list(tree.find_all(*_COMPARISONS, exp.Ordered)):
        inner = node.this
        if not isinstance(inner, (*_SORTED_AS_GIVEN, exp.Query, exp.Tuple)):
            inner.replace(
                exp.Collate(this=exp.paren(inner.copy()), expression=exp.to_identifier("NOCASE"))
            )


def _check_lockable(tree: exp.Expression, wanted: set[str]) -> None:
    """Raise the error of PostgreSQL for a FOR UPDATE of what are no rows of a table."""
    for name, told in (("group", "GROUP BY"), ("distinct", "DISTINCT"), ("having", "HAVING")):
        if tree.args.get(name):
            raise SqlError("not_supported", f"FOR UPDATE is not allowed with {told} clause")
    if isinstance(tree, exp.SetOperation):
        raise SqlError("not_supported", "FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT")
    if any(isinstance(part.unalias(), exp.AggFunc) for part in tree.expressions):
        raise SqlError("not_supported", "FOR UPDATE is not allowed with aggregate functions")
    for join in tree.args.get("joins") or ():
        nullable = join.side.upper() in {"LEFT", "FULL"}
        if nullable and (not wanted or join.this.alias_or_name in wanted):
            raise SqlError(
                "not_supported",
                "FOR UPDATE cannot be applied to the nullable side of an outer join",
            )


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
        digits = exp.Literal.number(str(type_.scale))
        return exp.Anonymous(this="app_decimal", expressions=[value, digits])
    if type_.kind == "datetime" and type_.scale < 6:  # noqa: PLR2004 - microseconds
        digits = exp.Literal.number(str(type_.scale))
        return exp.Anonymous(this="app_round", expressions=[value, digits])
    return value
