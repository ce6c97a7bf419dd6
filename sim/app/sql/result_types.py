"""Types of the columns of a result, as the database works them out from a statement's expressions.

MySQL gives a decimal a fixed number of digits after the point: one more step of division adds four.
In PostgreSQL each value has digits of its own. Where they depend on the value, the decimal has the
digits of a double (`scale` is None).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from sim.app.sql.schema import Type, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sim.app.sql.schema import Table

Columns = list[tuple[str, Type | None]]
_PREDICATES: Final = (
    exp.Predicate,
    exp.Not,
    exp.And,
    exp.Or,
    exp.Boolean,
    exp.Exists,
    exp.LogicalAnd,
    exp.LogicalOr,
)
_TEXTS: Final = (
    exp.Lower,
    exp.Upper,
    exp.Concat,
    exp.DPipe,
    exp.Substring,
    exp.Trim,
    exp.Replace,
    exp.GroupConcat,
)
_INT: Final = Type("int", most=2**31 - 1)
_BIGINT: Final = Type("int", most=2**63 - 1)
_MORE_DIGITS: Final = 4
"""Digits that a division adds to a decimal of MySQL (`div_precision_increment`)."""
_AS_STORED: Final = frozenset({"int", "text", "bytes", "float", "json"})
_COMPUTED: Final = frozenset({"text", "bytes", "json"})


def part_of(tree: exp.Expression, name: str) -> Any:
    """An argument that newer versions of sqlglot have under a name with an underscore."""
    return tree.args.get(f"{name}_") or tree.args.get(name)


class ResultTypes:
    """Types of expressions over these tables."""

    def __init__(self, dialect: str, tables: Mapping[str, Table]) -> None:
        self._mysql = dialect == "mysql"
        self._dialect = dialect
        self._tables = tables

    def converted(self, tree: exp.Expression) -> tuple[tuple[int, Type], ...]:
        """Columns of a query's result that are not as SQLite gives them, with their types."""
        found = []
        parts = tree.expressions if isinstance(tree, exp.Select) else []
        for at, (_, type_) in enumerate(self._projected(tree, {})):
            part = parts[at].unalias() if len(parts) > at else None
            plain = part is None or isinstance(part, exp.Column | exp.Star | exp.Count)
            stored = _AS_STORED if plain else _COMPUTED
            if type_ is not None and type_.kind not in stored:
                found.append((at, type_))
        return tuple(found)

    def _projected(self, tree: Any, ctes: Mapping[str, Columns]) -> Columns:
        """(name, type) of each column of a query."""
        if isinstance(tree, exp.Subquery):
            return self._projected(tree.this, ctes)
        if isinstance(tree, exp.SetOperation):
            left, right = (self._projected(side, ctes) for side in (tree.left, tree.right))
            if len(left) != len(right):
                return left
            both = zip(left, right, strict=True)
            return [(name, self._merged([one, other])) for (name, one), (_, other) in both]
        if not isinstance(tree, exp.Select):
            return []
        known = dict(ctes)
        with_ = part_of(tree, "with")
        for cte in () if with_ is None else with_.expressions:
            known[cte.alias_or_name] = self._projected(cte.this, known)
        scope = self._scope(tree, known)
        found: Columns = []
        for part in tree.expressions:
            if isinstance(part, exp.Star):
                found += [pair for columns in scope.values() for pair in columns]
            elif isinstance(part, exp.Column) and isinstance(part.this, exp.Star):
                found += scope.get(part.table, [])
            else:
                found.append((part.alias_or_name, self._type(part, scope, known)))
        return found

    def _scope(self, tree: exp.Select, ctes: Mapping[str, Columns]) -> dict[str, Columns]:
        scope: dict[str, Columns] = {}
        source = part_of(tree, "from")
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

    # Expressions

    def _type(self, node: Any, scope: Mapping[str, Columns], ctes: Any) -> Type | None:
        def inner(part: Any) -> Type | None:
            return self._type(part, scope, ctes)

        match node:
            case exp.Alias() | exp.Paren() | exp.Filter() | exp.Window() | exp.Neg():
                return inner(node.this)
            case exp.Abs() | exp.Max() | exp.Min() | exp.Nullif() | exp.Order() | exp.Distinct():
                return inner(node.this or node.expressions[0])
            case exp.Column():
                scopes = [scope.get(node.table, [])] if node.table else list(scope.values())
                return next(
                    (type_ for part in scopes for name, type_ in part if name == node.name), None
                )
            case exp.Literal():
                return self._literal(node)
            case exp.Coalesce() | exp.Greatest() | exp.Least():
                return self._merged([inner(part) for part in (node.this, *node.expressions)])
            case exp.Case():
                ends = [branch.args["true"] for branch in node.args.get("ifs") or ()]
                return self._merged([inner(part) for part in (*ends, node.args.get("default"))])
            case exp.If():
                ends = [node.args.get("true"), node.args.get("false")]
                return self._merged([inner(part) for part in ends])
            case exp.Count() | exp.RowNumber():
                return _BIGINT
            case exp.Length() | exp.IntDiv():
                return _INT
            case exp.Subquery():
                columns = self._projected(node.this, ctes)
                return columns[0][1] if columns else None
            case exp.Cast():
                return type_of(node.to, self._dialect)
            case exp.Anonymous():
                return self._function(node, inner)
            case _:
                return self._computed(node, inner)

    def _literal(self, node: exp.Literal) -> Type | None:
        if node.is_string:
            return Type("text")
        text = node.name.lower()
        if "e" in text:
            return Type("float") if self._mysql else Type("decimal")
        return Type("decimal", scale=len(text.partition(".")[2])) if "." in text else _INT

    def _function(self, node: exp.Anonymous, inner: Any) -> Type | None:
        match str(node.this):
            case "app_now" | "app_clock" | "app_shift":
                return Type("datetime" if self._mysql else "timestamptz", scale=6)
            case "app_today":
                return Type("date")
            case "app_divide" | "app_divide_real":
                return self._quotient([inner(part) for part in node.expressions])
            case "app_modulo":
                return self._arithmetic([inner(part) for part in node.expressions])
            case "app_rounded" | "app_rounded_even":
                return self._rounded(inner(node.expressions[0]), node.expressions[1])
            case "app_concat":
                return Type("text")
            case "app_bytes":
                return _INT
            case "app_like":
                return _INT if self._mysql else Type("bool")
            case _:
                return None

    def _computed(self, node: Any, inner: Any) -> Type | None:
        match node:
            case exp.Sum():
                return self._sum(inner(node.this))
            case exp.Avg():
                return self._quotient([inner(node.this), _INT], mean=True)
            case exp.Add() | exp.Sub():
                return self._arithmetic([inner(node.this), inner(node.expression)])
            case exp.Mul():
                return self._arithmetic([inner(node.this), inner(node.expression)], product=True)
            case exp.Ceil() | exp.Floor():
                return self._rounded(inner(node.this), None)
            case _ if isinstance(node, _TEXTS):
                return Type("text")
            case _ if isinstance(node, _PREDICATES):
                return _INT if self._mysql else Type("bool")
            case _:
                return None

    def _merged(self, types: Iterable[Type | None]) -> Type | None:
        """The type of one of several values; of a NULL or a parameter nothing is known."""
        known = [type_ for type_ in types if type_ is not None]
        kinds = {type_.kind for type_ in known}
        if not known or len(kinds) == 1 == len(set(known)):
            return known[0] if known else None
        if kinds <= {"int", "decimal", "float"}:
            return self._arithmetic(known, merges=True)
        if "text" in kinds and self._mysql:
            return Type("text")
        return known[0]

    def _arithmetic(
        self, types: Sequence[Type | None], *, product: bool = False, merges: bool = False
    ) -> Type | None:
        if None in types:
            return None
        known = [type_ for type_ in types if type_ is not None]
        kinds = {type_.kind for type_ in known}
        if kinds <= {"int", "bool"}:
            return max(known, key=lambda type_: type_.most or 0)
        if not kinds <= {"int", "decimal"}:
            return Type("float")
        scales = [type_.scale if type_.kind == "decimal" else 0 for type_ in known]
        if None in scales or (merges and not self._mysql and len(set(scales)) > 1):
            return Type("decimal")
        digits = [scale for scale in scales if scale is not None]
        return Type("decimal", scale=sum(digits) if product else max(digits))

    def _quotient(self, types: list[Type | None], *, mean: bool = False) -> Type | None:
        if None in types and not self._mysql:
            return None
        first = types[0]
        kinds = {type_.kind for type_ in types if type_ is not None}
        if not self._mysql and kinds == {"int"} and not mean:
            return self._arithmetic(types)
        if not kinds <= {"int", "decimal", "bool"}:
            return Type("float")
        if not self._mysql or first is None:
            return Type("decimal")
        scale = first.scale if first.kind == "decimal" else 0
        return Type("decimal", scale=None if scale is None else scale + _MORE_DIGITS)

    def _sum(self, type_: Type | None) -> Type | None:
        if type_ is None or type_.kind not in {"int", "decimal", "bool"}:
            return Type("float") if self._mysql else type_
        if type_.kind == "decimal":
            return replace(type_, least=None, most=None)
        if self._mysql or type_.most == _BIGINT.most:
            return Type("decimal", scale=0)
        return _BIGINT

    def _rounded(self, type_: Type | None, digits: Any) -> Type | None:
        if type_ is None:
            return None
        if type_.kind == "int":
            return _INT if self._mysql else Type("float")
        if type_.kind == "decimal":
            count = 0 if digits is None else int(digits.sql())
            if self._mysql and type_.scale is not None:
                count = min(count, type_.scale)
            return Type("decimal", scale=count)
        return type_
