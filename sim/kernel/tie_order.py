"""What is due at the same time, in a random order instead of the order of its planning."""

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
    """Numbers in a random order, each of them once."""
    for number in count():
        yield rng.bits() << 64 | number


class InHeap(deque[Any]):
    """Stands where wake-ups queue in order, when there is no such order: always empty."""

    def __init__(self, entries: list[Any]) -> None:
        super().__init__()
        self._entries = entries

    def append(self, entry: Any) -> None:
        """Put it in the heap."""
        heappush(self._entries, entry)
