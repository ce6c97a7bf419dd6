"""The result of a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.app.sql.schema import Type


class Answer(NamedTuple):
    """The result of a statement."""

    rows: Sequence[tuple[Any, ...]] | None
    names: tuple[str, ...]
    types: tuple[tuple[int, Type], ...]
    changed: int
    """Rows found by a SELECT, or touched by a write."""
    last_id: int | None = None
