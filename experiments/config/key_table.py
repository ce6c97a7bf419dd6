"""Every config key as a table: key, type, default, unit, plausible range, meaning, source."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

import annotated_types as at

from experiments.config.keys import dataclasses_in, hints_of
from experiments.config.reading import Header
from model.setting import Setting
from sim.world import World

_NAMES: Final = {bool: "true or false", int: "whole number", float: "number", str: "text"}
_LIMITS: Final = ((at.Gt, "gt", ">"), (at.Ge, "ge", "≥"), (at.Lt, "lt", "<"), (at.Le, "le", "≤"))
_MISSING: Final = dataclasses.MISSING

KeyRow = dict[str, str]
"""Of one key: key, type, default, unit, range, meaning, source; all text."""


def config_rows() -> list[KeyRow]:
    """Every config key, tables before what is in them.

    Items of a list stand under `N`, tables that have names under `NAME`.
    """
    return [row for owner in (Header, World) for row in _rows(owner, "", None)]


def _rows(owner: type[Any], prefix: str, instance: Any) -> Iterator[KeyRow]:
    """The keys of a dataclass; defaults are those of `instance` where there is one."""
    fields = {field.name: field for field in dataclasses.fields(owner)}
    for name, annotation in hints_of(owner).items():
        default = getattr(instance, name) if instance is not None else _default(fields[name])
        key = f"{prefix}{name}"
        yield _row(key, annotation, default)
        members = dataclasses_in(annotation)
        for member in members:
            inside = default if isinstance(default, member) else None
            label = f"{key}.{_item(annotation)}"
            for row in _rows(member, label, inside):
                if len(members) > 1:
                    row = row | {"of": row.get("of") or _tag(member)}  # noqa: PLW2901
                yield row


def _row(key: str, annotation: Any, default: Any) -> KeyRow:
    notes = typing.get_args(annotation)[1:] if hasattr(annotation, "__metadata__") else ()
    setting = next((note for note in notes if isinstance(note, Setting)), Setting(""))
    low, high = setting.low, setting.high
    limits = " and ".join(
        f"{sign} {number_text(getattr(note, attribute))}"
        for note in notes
        for kind, attribute, sign in _LIMITS
        if isinstance(note, kind)
    )
    bare = typing.get_args(annotation)[0] if notes else annotation
    return {
        "key": key,
        "type": _type(bare) + (f", {limits}" if limits else ""),
        "default": value_text(default),
        "unit": setting.unit,
        "range": f"{number_text(low)} to {number_text(high)}"
        if low is not None and high is not None
        else "",
        "meaning": setting.doc,
        "source": setting.source,
    }


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not _MISSING:
        return field.default_factory()
    return field.default


def _item(annotation: Any) -> str:
    """The part of a path that tells items of a list, or tables by name, apart."""
    bare = typing.get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation
    kinds: dict[Any, str] = {tuple: "N.", list: "N.", dict: "NAME."}
    return kinds.get(typing.get_origin(bare), "")


def _tag(member: type[Any]) -> str:
    """How the members of a union are told apart, as one writes it: `executor = "ramping-vus"`."""
    field = dataclasses.fields(member)[0]
    (value, *_) = typing.get_args(hints_of(member)[field.name]) or (field.default,)
    choices = typing.get_args(value)
    return f'{field.name} = "{choices[0] if choices else value}"'


def _type(annotation: Any) -> str:
    """A type in the words of someone who writes TOML."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        found = _type(inner[0])
    elif origin is typing.Literal:
        found = " or ".join(f'"{value}"' for value in inner)
    elif origin in {typing.Union, types.UnionType}:
        parts = [_type(part) for part in inner if part is not type(None)]
        missing = ", or left out" if len(parts) < len(inner) else ""
        found = " or ".join(dict.fromkeys(parts)) + missing
    elif origin in {tuple, list}:
        found = f"list of {_type(inner[0])}".replace("list of table", "list of tables")
    elif origin is dict:
        found = "table by name"
    else:
        found = _NAMES.get(annotation, "table")
    return found


def value_text(value: Any) -> str:
    """A default as one writes it; nothing for tables and for what has none."""
    if value is _MISSING:
        return "required"
    if value is None or dataclasses.is_dataclass(value) or isinstance(value, Mapping):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "" if value else "[]"
    return f'"{value}"' if isinstance(value, str) else number_text(value)


def number_text(value: Any) -> str:
    """A number without an exponent where it can be read without one."""
    if not isinstance(value, int | float):
        return str(value)
    if value == 2**63:
        return "2^63"
    return f"{value:,.15g}" if 1e-6 <= abs(value) < 1e15 or not value else f"{value:g}"  # noqa: PLR2004 (digits)
