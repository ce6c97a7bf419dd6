"""Is a change harmless? Paired runs of the code before and after it, and a stated harm.

Failing to show that the new code is worse does not show that it is not: with three noisy runs
nothing can be shown. So a change passes only if its confidence interval excludes the stated harm
(a test of non-inferiority), fails if a worsening is shown, and is undecided otherwise.

Durations are compared by ratio: the mean of the logarithms of after / before, pair by pair. Shares
and counts are compared by difference, and the harm is taken in each pair from the value before it,
so that the error of an estimated harm is part of the interval (E. C. Fieller, 1954, "Some problems
in interval estimation").
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Final, Literal

from experiments.statistics.intervals import Bounds, bounds

HARM: Final = 0.2
"""A worsening by so much of the value before is harm: a fifth."""
LEAST_SHARE: Final = 0.01
LEAST_COUNT: Final = 1.0
"""Of shares, a worsening below one point is no harm however small the share was; of other numbers,
one below one unit, such as one person or one millisecond."""


@dataclasses.dataclass(frozen=True)
class Change:
    """What paired runs say of a change: `bounds` of after minus before, in the unit of both."""

    outcome: Literal["pass", "fail", "inconclusive"]
    bounds: Bounds
    ratio: float | None
    """After by before; None where before is 0."""


def judge_change(
    pairs: Sequence[tuple[float, float]],
    worse: int,
    kind: str,
    error_of_pass: float,
    error_of_fail: float,
) -> Change | None:
    """Judge a change by its paired runs; None below three pairs.

    Args:
        pairs: (before, after), of the same seed each.
        worse: 1 when more is worse, -1 when less is.
        kind: "rate", "counter", "gauge" or "trend", in k6's words.
        error_of_pass: probability of passing a change that does the stated harm, at most.
        error_of_fail: probability of failing a change that does nothing, at most.
    """
    differences = [after - before for before, after in pairs]
    found = bounds(differences, error_of_fail, error_of_fail)
    if found is None:
        return None
    before, after = (math.fsum(column) for column in zip(*pairs, strict=True))
    ratio = after / before if before else None
    if found.low > 0 if worse > 0 else found.high < 0:
        return Change("fail", found, ratio)
    harmless = _harmless(pairs, worse, kind, error_of_pass)
    return Change("pass" if harmless else "inconclusive", found, ratio)


def _harmless(pairs: Sequence[tuple[float, float]], worse: int, kind: str, error: float) -> bool:
    """Whether the upper confidence bound of the worsening lies below the stated harm."""
    if kind == "trend" and all(before > 0 and after > 0 for before, after in pairs):
        excess = [worse * math.log(after / before) for before, after in pairs]
        limit = math.log1p(HARM) if worse > 0 else -math.log1p(-HARM)
        return _below(excess, limit, error)
    least = LEAST_SHARE if kind == "rate" else LEAST_COUNT
    relative = [worse * (after - before) - HARM * abs(before) for before, after in pairs]
    absolute = [worse * (after - before) for before, after in pairs]
    # Harm is the larger of both limits: each half of the error is enough for one of them.
    return _below(relative, 0.0, error / 2) or _below(absolute, least, error / 2)


def _below(values: Sequence[float], limit: float, error: float) -> bool:
    found = bounds(values, error, error)
    return found is not None and found.high < limit
