"""Which switches a run ever asked for: a change of the others alone cannot change the run."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from model.policy import Policy

_FIELDS: Final = frozenset(field.name for field in dataclasses.fields(Policy))


class ConsultedPolicy(Policy):
    """A policy that fills its fields only when they are asked for, from another one.

    The fields are slots: an empty one sends Python to `__getattr__`, a filled one costs nothing
    more. Whoever copies, compares or lists it asks for everything.

    Args:
        given: the policy that it stands for.
        fields: of a policy of its own instead, as `dataclasses.replace` passes them.
    """

    __slots__ = ("_asked", "_given")

    def __init__(self, given: Policy | None = None, **fields: Any) -> None:
        object.__setattr__(self, "_given", given or Policy(**fields))
        object.__setattr__(self, "_asked", set())

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(name)
        value = getattr(self._given, name)
        self._asked.add(name)
        object.__setattr__(self, name, value)
        return value

    @property
    def asked(self) -> list[str]:
        """The fields asked for so far, in alphabetical order."""
        return sorted(self._asked)
