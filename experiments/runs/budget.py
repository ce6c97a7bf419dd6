"""`--budget`: how much work a command may do, as a number of runs or as wall time."""

from __future__ import annotations

import dataclasses
import re
import time

_LONGEST = 20
"""Digits of a number of runs, far more than any can have."""
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3_600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smh])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smh])")


@dataclasses.dataclass(frozen=True)
class Budget:
    """At most so many runs, or no new run after so many seconds of wall time; None: no limit."""

    runs: int | None = None
    duration_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `200` (runs) or `90s`, `15m`, `1h30m` (wall time). Raises ValueError otherwise."""
        if text.isdecimal() and len(text) < _LONGEST and int(text) > 0:
            return cls(runs=int(text))
        if _DURATION.fullmatch(text):
            total = sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
            if total > 0:
                return cls(duration_s=total)
        raise ValueError(
            f"{text}; allowed: a number of runs such as 200, or wall time such as 90s, 15m, 1h30m"
        )

    def started(self) -> BudgetLeft:
        """Begin to spend it."""
        return BudgetLeft(self, time.monotonic())


@dataclasses.dataclass
class BudgetLeft:
    """What is left of a budget."""

    budget: Budget
    began_s: float
    spent_runs: int = 0

    @property
    def empty(self) -> bool:
        """Whether no new run may begin."""
        return self.runs_left == 0 or self.seconds_left <= 0.0

    @property
    def runs_left(self) -> int | None:
        """Runs that may still begin; None without such a limit."""
        limit = self.budget.runs
        return None if limit is None else max(0, limit - self.spent_runs)

    @property
    def seconds_left(self) -> float:
        """Wall time left; infinite without such a limit."""
        limit = self.budget.duration_s
        return float("inf") if limit is None else limit - (time.monotonic() - self.began_s)
