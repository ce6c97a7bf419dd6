"""k6's execution segments: which of so many users or iterations belong to one instance of several.

k6 deals them out in turn, the largest segment first, so that each share is spread over the whole
(lib/execution_segment.go, NewExecutionSegmentSequenceWrapper). Compared in tests with k6's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Final

_MOST_PARTS: Final = 100_000


@dataclasses.dataclass(frozen=True)
class Share:
    """Which of every `length` things are this instance's, and how much of the load that is."""

    length: int
    own: frozenset[int]

    @property
    def part(self) -> float:
        """Of rates, which can be divided as they like."""
        return len(self.own) / self.length

    def of(self, count: int) -> int:
        """How many of so many are this instance's."""
        whole, rest = divmod(count, self.length)
        return whole * len(self.own) + sum(position < rest for position in self.own)


WHOLE: Final = Share(1, frozenset({0}))


def share_of(segment: object, sequence: object) -> Share | None:
    """The share of executionSegment within executionSegmentSequence; None where k6 has none.

    Args:
        segment: such as 1/4:1/2, 25%:50% or 1/4; all of it when it is None or empty.
        sequence: the ends of all segments, such as 0,1/4,1/2,1; None when it is not given.
    """
    ends = _ends(segment)
    if ends is None:
        return None
    begin, end = ends
    bounds = _bounds(sequence, begin, end)
    if bounds is None or end not in bounds or bounds.index(end) != bounds.index(begin) + 1:
        return None
    lengths = [after - before for before, after in pairwise(bounds)]
    length = lcm(*(one.denominator for one in lengths))
    if length > _MOST_PARTS:
        return None
    return Share(length, _dealt(lengths, length, bounds.index(begin)))


def _dealt(lengths: Sequence[Fraction], length: int, wanted: int) -> frozenset[int]:
    """The positions that the segment `wanted` gets of `length`."""
    counts = [int(one * length) for one in lengths]
    order = sorted(range(len(counts)), key=lambda index: -counts[index])
    given = [0] * len(counts)
    own = set()
    for position in range(length):
        for index in order:
            if position * counts[index] >= given[index] * length:
                given[index] += 1
                if index == wanted:
                    own.add(position)
                break
    return frozenset(own)


def _ends(segment: object) -> tuple[Fraction, Fraction] | None:
    if segment is None or segment == "":
        return Fraction(0), Fraction(1)
    first, colon, last = str(segment).partition(":")
    begin = _fraction(first) if colon else Fraction(0)
    end = _fraction(last if colon else first)
    if begin is None or end is None or not 0 <= begin < end <= 1:
        return None
    return begin, end


def _bounds(sequence: object, begin: Fraction, end: Fraction) -> list[Fraction] | None:
    """The ends of all segments, from 0 to 1."""
    if sequence is None or sequence in ("", []):
        return sorted({Fraction(0), begin, end, Fraction(1)})
    parts = sequence if isinstance(sequence, list) else str(sequence).split(",")
    found = [_fraction(str(part)) for part in parts]
    bounds = [one for one in found if one is not None]
    if len(bounds) < len(found) or bounds != sorted(set(bounds)):
        return None
    return sorted({Fraction(0), *bounds, Fraction(1)})


def _fraction(text: str) -> Fraction | None:
    percent = text.endswith("%")
    try:
        found = Fraction(text.removesuffix("%"))
    except (ValueError, ZeroDivisionError):
        return None
    return found / 100 if percent else found
