"""The cost of a statement, from SQLite's own plan: rows visited, sorted and sent.

    SCAN of a table or index        every row of the table
    SEARCH by a key or index        rows that match the part of the index the plan names
    TEMP B-TREE                     rows sorted
    LIMIT without sorting           stops early: the share of the rows above that yields the limit

The plan is asked for once per statement; the numbers of rows are those committed when the
statement runs (`GroupCounts`). In a join every visited row of the outer table counts as a match.
A row to insert counts as one visit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Alias,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Integer,
    Select,
    String,
    Table,
    func,
    select,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, ClauseElement

from sim.database.statements import (
    Kind,
    Parameters,
    Prepared,
    UnsupportedStatementError,
    bound_value,
    conjuncts,
)
from sim.database.storage import Storage

_STEP: Final = re.compile(r"(SCAN|SEARCH) (\S+)(.*)$")
_TERM: Final = re.compile(r"(\w+)(=|>|<)\?")

_KNOWN: Final = 4_096
"""Counts of rows in a range that are kept."""
_SLOW: Final = 200
"""Rows visited from which an additional index saves real time."""
_SLOW_SHARE: Final = 4
"""... if the index skips all but one in this many rows."""

_COUNTED: Final = (Integer, String, Boolean)
"""Types whose values SQLite stores unchanged."""


class StatementWork(NamedTuple):
    """Work of one statement: its kind, its (first) table, and numbers of rows."""

    kind: Kind
    table: str
    rows_visited: int
    rows_sorted: int
    rows_sent: int


@dataclass(frozen=True, slots=True)
class _Step:
    """One table of a plan, read once per row of the step before."""

    table: str
    scan: bool
    equal: tuple[str, ...]
    """Columns whose index entries must equal a value."""
    ranged: tuple[str, ...]
    unique: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    steps: tuple[_Step, ...]
    sorts: bool
    groups: bool
    """Whether all visited rows are sorted, for GROUP BY or DISTINCT, not only the sent rows."""
    limit: ColumnElement[Any] | None
    offset: ColumnElement[Any] | None
    values: Mapping[tuple[str, str], tuple[ColumnElement[Any], bool]]
    """(table, column) -> the value, or (true) list of values, that the statement asks for."""
    clause: ColumnElement[Any] | None
    exact: bool
    """Whether `values` is the whole condition."""


class Costs:
    """Plans of the statements of one database."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._plans: dict[Prepared, _Plan] = {}
        self._faster: set[Prepared] = set()
        self._ranges: dict[Any, tuple[int, int]] = {}

    def work(self, prepared: Prepared, parameters: Parameters, sent: int) -> StatementWork:
        """Work of a statement that ran with `parameters` and sends `sent` rows."""
        name = prepared.table.name
        if prepared.kind == "insert":
            return StatementWork("insert", name, 1, 0, 0)
        plan = self._plans.get(prepared)
        if plan is None:
            if len(self._plans) >= _KNOWN:
                self._plans.clear()
                self._faster.clear()
            plan = self._plans[prepared] = self._read_plan(prepared, parameters)
        visited = self._visited(plan, parameters)
        matching = sent
        if plan.limit is not None:
            matching = self._matching(plan, parameters, sent)
            if not plan.sorts:
                wanted = self._number(plan.limit, parameters) + self._number(
                    plan.offset, parameters
                )
                if wanted < matching:
                    visited = math.ceil(visited * wanted / matching)
        if visited > _SLOW and visited > _SLOW_SHARE * matching:
            self._speed_up(prepared, plan)
        sorted_rows = round(visited) if plan.groups else matching if plan.sorts else 0
        return StatementWork(prepared.kind, name, round(visited), sorted_rows, sent)

    def _speed_up(self, prepared: Prepared, plan: _Plan) -> None:
        """Add an index so that SQLite finds the rows at once; each row is still charged."""
        if prepared not in self._faster and len(plan.steps) == 1:
            self._faster.add(prepared)
            columns = tuple(column for _, column in plan.values)
            if columns:
                self._storage.speed_up(plan.steps[0].table, columns)

    def lines(self, prepared: Prepared, parameters: Parameters) -> list[str]:
        """SQLite's plan in its own words."""
        return self._storage.explain(prepared, parameters)

    def _visited(self, plan: _Plan, parameters: Parameters) -> float:
        total = 0.0
        outer = 1.0
        for step in plan.steps:
            outer *= self._per_outer_row(step, plan, parameters)
            total += outer
        return total

    def _per_outer_row(self, step: _Step, plan: _Plan, parameters: Parameters) -> float:
        counts = self._storage.counts
        if step.scan:
            return counts.rows(step.table)
        values = self._values(step.table, step.equal, plan, parameters)
        if step.unique:
            return 1.0 if values is None else len(values)
        if step.ranged:
            return self._in_range(step, plan, parameters)
        if values is None:
            return counts.mean(step.table, step.equal)
        return sum(counts.matching(step.table, step.equal, value) for value in values)

    @staticmethod
    def _values(
        table: str, columns: tuple[str, ...], plan: _Plan, parameters: Parameters
    ) -> list[tuple[Any, ...]] | None:
        """Each combination of values asked for; None: they come from another table's rows."""
        combinations: list[tuple[Any, ...]] = [()]
        for column in columns:
            asked = plan.values.get((table, column))
            if asked is None:
                return None
            element, several = asked
            value = bound_value(element, parameters)
            options = list(value) if several else [value]
            combinations = [(*start, option) for start in combinations for option in options]
        return combinations

    def _in_range(self, step: _Step, plan: _Plan, parameters: Parameters) -> int:
        """Rows in a range of an index: counted by SQLite, once per state of the table."""
        columns = {*step.equal, *step.ranged}
        parts = [
            part
            for part in conjuncts(plan.clause)
            if (mentioned := _columns(part))
            and all(c.table.name == step.table and c.name in columns for c in mentioned)
        ]
        return self._counted((plan, step), step.table, parts, parameters)

    def _matching(self, plan: _Plan, parameters: Parameters, sent: int) -> int:
        """Rows that a statement with LIMIT would send without it."""
        if len(plan.steps) != 1:
            return sent
        table = plan.steps[0].table
        if plan.exact:
            columns = tuple(sorted(column for _, column in plan.values))
            values = self._values(table, columns, plan, parameters)
            if values is not None:
                return sum(self._storage.counts.matching(table, columns, v) for v in values)
        return self._counted((plan, None), table, conjuncts(plan.clause), parameters)

    def _counted(
        self,
        reason: tuple[_Plan, _Step | None],
        table: str,
        parts: list[ColumnElement[Any]],
        parameters: Parameters,
    ) -> int:
        values = tuple(
            repr(bound_value(element, parameters))
            for part in parts
            for element in visitors.iterate(part)
            if isinstance(element, BindParameter)
        )
        key = (*reason, values)
        changed_at = self._storage.changed_at(table)
        known = self._ranges.get(key)
        if known is not None and known[0] == changed_at:
            return known[1]
        source = self._storage.infos[table].table
        statement = select(func.count()).select_from(source).where(*parts)
        number = int(self._storage.committed(statement, parameters).scalar_one())
        if len(self._ranges) >= _KNOWN:
            self._ranges.clear()
        self._ranges[key] = (changed_at, number)
        return number

    @staticmethod
    def _number(element: ColumnElement[Any] | None, parameters: Parameters) -> int:
        return 0 if element is None else int(bound_value(element, parameters))

    def _read_plan(self, prepared: Prepared, parameters: Parameters) -> _Plan:
        statement = prepared.statement
        lines = self._storage.explain(prepared, parameters)
        if any("MULTI-INDEX OR" in line for line in lines):
            raise UnsupportedStatementError(f"OR over several indexes: {statement}")
        aliases = _aliases(statement)
        steps = tuple(self._step(match, aliases) for line in lines if (match := _STEP.match(line)))
        clause: ColumnElement[Any] | None = getattr(statement, "whereclause", None)
        values: dict[tuple[str, str], tuple[ColumnElement[Any], bool]] = {}
        exact = True
        for part in conjuncts(clause):
            found = _asked(part)
            exact = exact and found is not None
            if found is not None:
                column, element, several = found
                values.setdefault((column.table.name, column.name), (element, several))
        limit = offset = None
        if isinstance(statement, Select):
            # The values of limit() and offset() have no public reader.
            limit, offset = statement._limit_clause, statement._offset_clause  # noqa: SLF001
        sorts = any("TEMP B-TREE" in line for line in lines)
        groups = any(
            "TEMP B-TREE FOR GROUP BY" in line or "TEMP B-TREE FOR DISTINCT" in line
            for line in lines
        )
        return _Plan(steps, sorts, groups, limit, offset, values, clause, exact)

    def _step(self, match: re.Match[str], aliases: Mapping[str, str]) -> _Step:
        action, name, using = match.groups()
        table = aliases.get(name, name)
        info = self._storage.infos.get(table)
        if info is None:
            raise UnsupportedStatementError(f"a plan that reads {name}: {match.string}")
        if action == "SCAN":
            return _Step(table, scan=True, equal=(), ranged=(), unique=False)
        terms = [
            (info.key.name if column == "rowid" else column, operator)
            for column, operator in _TERM.findall(using)
        ]
        equal = tuple(column for column, operator in terms if operator == "=")
        ranged = tuple(dict.fromkeys(column for column, operator in terms if operator != "="))
        unique = not ranged and (
            equal == (info.key.name,) or any(set(group) <= set(equal) for group in info.unique)
        )
        return _Step(table, scan=False, equal=equal, ranged=ranged, unique=unique)


def _aliases(statement: Any) -> dict[str, str]:
    return {
        element.name: element.element.name
        for element in visitors.iterate(statement)
        if isinstance(element, Alias) and isinstance(element.element, Table)
    }


def _columns(clause: ClauseElement) -> list[Column[Any]]:
    return [element for element in visitors.iterate(clause) if isinstance(element, Column)]


def _asked(
    part: ColumnElement[Any],
) -> tuple[Column[Any], ColumnElement[Any], bool] | None:
    """(column, value, whether a list) of `column = value` and `column IN (values)`."""
    if not isinstance(part, BinaryExpression) or not isinstance(part.left, Column):
        return None
    if not isinstance(part.right, BindParameter) or not isinstance(part.left.table, Table):
        return None
    if not isinstance(part.left.type, _COUNTED):
        return None
    if part.operator is operators.eq:
        return part.left, part.right, False
    if part.operator is operators.in_op:
        return part.left, part.right, True
    return None
