"""Notes which policy switches a run reads: a change of the others cannot change the run."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from model.policy import Policy

_FIELDS: Final = frozenset(field.name for field in dataclasses.fields(Policy))


class PolicyReads(Policy):
    """A policy that notes which of its fields are read.

    The fields are slots. The first read of a field finds an empty slot, so Python calls
    `__getattr__`, which notes the name and fills the slot; later reads cost nothing more. A copy,
    a comparison or a listing reads every field.

    Args:
        given: the policy whose values it has.
        fields: the values themselves instead, as `dataclasses.replace` passes them.
    """

    __slots__ = ("_given", "_read")

    def __init__(self, given: Policy | None = None, **fields: Any) -> None:
        object.__setattr__(self, "_given", given or Policy(**fields))
        object.__setattr__(self, "_read", set())

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(name)
        value = getattr(self._given, name)
        self._read.add(name)
        object.__setattr__(self, name, value)
        return value

    @property
    def names(self) -> list[str]:
        """The fields read so far, in alphabetical order."""
        return sorted(self._read)
