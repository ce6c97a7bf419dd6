"""Conversion of values to SQLite's and back to those of the real database's driver."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sim.app.sql.schema import Type

_PLAIN: Final = frozenset({int, str, float, bytes, type(None), bool})


def given_values(parameters: Mapping[str, Any], dialect: str) -> dict[str, Any]:
    """Parameters in the form that SQLite accepts."""
    return {
        name: value if value.__class__ in _PLAIN else _given(value, dialect)
        for name, value in parameters.items()
    }


def _given(value: Any, dialect: str) -> Any:
    match value:
        case datetime():
            if value.tzinfo is not None:
                if dialect == "postgres":
                    value = value.astimezone(UTC)
                value = value.replace(tzinfo=None)
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case Decimal():
            return float(value)
        case timedelta():
            return str(value)
        case uuid.UUID():
            return str(value)
        case dict():
            return json.dumps(value)
        case list():
            # An array of PostgreSQL, or JSON.
            return json.dumps([_element(part, dialect) for part in value])
        case memoryview() | bytearray():
            return bytes(value)
        case int() | str() | float():
            return _plain(value)
        case _ if hasattr(value, "adapted") and hasattr(value, "dumps"):
            return value.dumps(value.adapted)  # psycopg2's Json
        case _ if hasattr(value, "obj") and hasattr(value, "dumps"):
            return (value.dumps or json.dumps)(value.obj)  # psycopg's
        case _:
            raise TypeError(f"{value!r}: no value of a statement")


def _element(value: Any, dialect: str) -> Any:
    return value if isinstance(value, dict) or value.__class__ in _PLAIN else _given(value, dialect)


def _plain(value: Any) -> Any:
    """The value of a member of an enumeration, or of another subclass."""
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def converted(
    rows: Sequence[tuple[Any, ...]], types: tuple[tuple[int, Type], ...], dialect: str
) -> list[tuple[Any, ...]]:
    """Rows as the driver gives them."""
    if not types:
        return list(rows)
    converters = [(at, _converter(type_, dialect)) for at, type_ in types]
    found = []
    for row in rows:
        values = list(row)
        for at, convert in converters:
            if values[at] is not None:
                values[at] = convert(values[at])
        found.append(tuple(values))
    return found


def _converter(type_: Type, dialect: str) -> Callable[[Any], Any]:
    match type_.kind:
        case "bool":
            return bool
        case "datetime":
            return _datetime
        case "timestamptz":
            return _aware
        case "date":
            return lambda value: date.fromisoformat(str(value)[:10])
        case "time":
            return _duration if dialect == "mysql" else time.fromisoformat
        case "decimal":
            scale = type_.scale
            if scale is None:
                return lambda value: Decimal(repr(value))
            unit = Decimal(1).scaleb(-scale)
            # There is no negative zero among decimals of a database.
            return lambda value: Decimal(repr(value)).quantize(unit, ROUND_HALF_UP) + 0
        case "float":
            return float
        case "int":
            return int
        case "uuid":
            return lambda value: value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
        case _:
            return lambda value: value


def _datetime(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _aware(value: Any) -> Any:
    found = _datetime(value)
    if isinstance(found, datetime) and found.tzinfo is None:
        return found.replace(tzinfo=UTC)
    return found


def _duration(value: Any) -> Any:
    at = time.fromisoformat(str(value))
    return timedelta(
        hours=at.hour, minutes=at.minute, seconds=at.second, microseconds=at.microsecond
    )
