"""Removal of members of a sorted set that have not changed since they were read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def queue_removal(batch: Any, key: str, scores: Mapping[str, float]) -> None:
    """Queue the removal of members whose score is still the given score.

    Exact, because scores are times that differ by less than a factor of 2; none is 0.
    """
    for member, score in scores.items():
        batch.zadd(key, {member: -score}, xx=True, incr=True)
    batch.zremrangebyscore(key, 0, 0)
    for member, score in scores.items():
        batch.zadd(key, {member: score}, xx=True, incr=True)
