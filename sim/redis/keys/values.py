"""Functions on values of any kind."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fakeredis.model import ExpiringMembersSet, Hash

from sim.redis.memory.sorted_set import MeteredZSet


def independent(value: Any) -> Any:
    """A value that later commands on the original do not change."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, MeteredZSet):
        return value.copy()
    return deepcopy(value)


def n_elements(value: Any) -> int:
    """Allocations freed with a value: members of a collection, fields and values of a hash."""
    if isinstance(value, bytes):
        return 1
    return 2 * len(value) if isinstance(value, Hash) else len(value)


def listing(value: Any) -> Any:
    """The contents in a canonical order: pairs for sorted sets and hashes, else a list."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, MeteredZSet):
        return [(value.get(member), member) for member in value]
    if isinstance(value, Hash):
        return sorted((field, value[field]) for field in value)
    return sorted(value) if isinstance(value, ExpiringMembersSet) else list(value)
