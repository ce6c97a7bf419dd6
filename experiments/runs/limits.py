"""Ends a run early when its world is hopeless: more tokens or requests than were observed."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Final

from experiments.statistics.outcomes import is_failure
from model.service import GENERATION
from sim.progress import Progress


class Rejection(StrEnum):
    """How a run ended that was stopped because its world is hopeless: `RunResult.ended`."""

    TOKENS = "rejected: too many tokens"
    REQUESTS = "rejected: too many requests"


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a run may have before its world is hopeless; counts at the scale of the run."""

    tokens: float
    requests: float


class HopelessWatch:
    """Counts what can only grow during a run."""

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = limits
        self._tokens = 0
        self.rejection: Rejection | None = None
        """Why the run is to end; None while it may go on."""

    def hear_request(self, _time_s: float, endpoint: str, status: int, _duration_s: float) -> None:
        """Count tokens: each one that reached a customer is a row."""
        if endpoint == GENERATION and not is_failure(status):
            self._tokens += 1

    def is_hopeless(self, progress: Progress) -> bool:
        """Whether the run is to end now."""
        if self._tokens > self._limits.tokens:
            self.rejection = Rejection.TOKENS
        elif progress.requests > self._limits.requests:
            self.rejection = Rejection.REQUESTS
        return self.rejection is not None
