"""Runs simultaneous events in random order instead of scheduling order."""

from __future__ import annotations

from collections import deque
from heapq import heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bits(Protocol):
    """A source of random numbers."""

    def bits(self) -> int:
        """Return the next 64 random bits."""
        ...


def shuffled(rng: Bits) -> Iterator[int]:
    """Yield distinct numbers in random order."""
    for number in count():
        yield rng.bits() << 64 | number


class InHeap(deque[Any]):
    """Takes the place of the queue of wake-ups: in random order entries go to the heap."""

    def __init__(self, entries: list[Any]) -> None:
        super().__init__()
        self._entries = entries

    def append(self, entry: Any) -> None:
        """Put the entry into the heap."""
        heappush(self._entries, entry)
