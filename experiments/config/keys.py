"""The keys a config can have, read off the dataclasses that they become."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

from model.setting import Setting

_LONGEST_GUESSED: Final = 100
"""Comparing texts takes time with the square of their length."""


@dataclasses.dataclass(frozen=True)
class Key:
    """One valid key: its dotted path and, where the dataclass states it, the unit of its value."""

    path: str
    unit: str


def _parts(annotation: Any) -> Iterator[Any]:
    """The types inside an annotation: behind Annotated, unions, tuples and mappings."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _parts(typing.get_args(annotation)[0])
    elif origin in {typing.Union, types.UnionType, tuple, list, dict}:
        for part in typing.get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def dataclasses_in(annotation: Any) -> list[type[Any]]:
    """The dataclasses that a value of this annotation can hold."""
    parts = dict.fromkeys(_parts(annotation))
    return [part for part in parts if isinstance(part, type) and _is_dataclass_type(part)]


def _is_dataclass_type(candidate: type[Any]) -> bool:
    return dataclasses.is_dataclass(candidate)


def hints_of(owner: type[Any]) -> dict[str, Any]:
    """Field name -> annotation, `Annotated` kept."""
    hints = typing.get_type_hints(owner, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(owner)}


def _unit(annotation: Any) -> str:
    metadata = getattr(annotation, "__metadata__", ())
    return next((note.unit for note in metadata if hasattr(note, "unit")), "")


def keys_of(owner: type[Any], prefix: str = "") -> Iterator[Key]:
    """Every key below a dataclass, parents before children; list positions are left out."""
    for name, annotation in hints_of(owner).items():
        path = f"{prefix}{name}"
        yield Key(path, _unit(annotation))
        for inner in dataclasses_in(annotation):
            yield from keys_of(inner, f"{path}.")


def lies_in(key: str, above: str) -> bool:
    """Whether a dotted key is `above` itself or one in that table."""
    return f"{key}.".startswith(f"{above}.")


def nearest(wrong: str, valid: typing.Iterable[str]) -> str:
    """The valid key that a wrong one was probably meant to be, or an empty string.

    A key of the same name in another table wins over a merely similar path.
    """
    paths = list(dict.fromkeys(valid))
    wrong = wrong[:_LONGEST_GUESSED]
    leaf = wrong.rpartition(".")[2]
    same_leaf = [path for path in paths if path.rpartition(".")[2] == leaf]
    if same_leaf:
        return max(same_leaf, key=lambda path: difflib.SequenceMatcher(None, wrong, path).ratio())
    siblings = [path for path in paths if path.rpartition(".")[0] == wrong.rpartition(".")[0]]
    for candidates in (siblings, paths):
        found = difflib.get_close_matches(wrong, candidates, n=1, cutoff=0.6)
        if found:
            return found[0]
    return ""


def numbers_in(owner: Any, prefix: str = "") -> Iterator[tuple[str, float, Setting]]:
    """Every number below a dataclass instance: its dotted path, value and documentation."""
    for name, annotation in hints_of(type(owner)).items():
        value = getattr(owner, name)
        path = f"{prefix}{name}"
        if isinstance(value, int | float) and not isinstance(value, bool):
            notes = getattr(annotation, "__metadata__", ())
            yield from ((path, value, note) for note in notes if isinstance(note, Setting))
        elif isinstance(value, tuple):
            for index, inner in enumerate(value):
                if _is_dataclass_type(type(inner)):
                    yield from numbers_in(inner, f"{path}.{index}.")
        elif _is_dataclass_type(type(value)):
            yield from numbers_in(value, f"{path}.")
