"""Named streams of random numbers, one per purpose and per user.

A change of policy must not change who arrives when: each purpose draws from a stream of its own,
derived from the seed, the purpose's name and an index such as the user's number (common random
numbers). Streams are made when first used, and hold one integer each: there are many.
"""

from __future__ import annotations

import math
import random
from hashlib import blake2b
from typing import Final

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
_TO_UNIT: Final = 2.0**-53


def _key(seed: int, purpose: str, index: int) -> int:
    text = f"{seed}/{purpose}/{index}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


class Stream:
    """SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014): 64 bits of state, passes BigCrush."""

    __slots__ = ("_state",)

    def __init__(self, state: int) -> None:
        self._state = state & _MASK

    def bits(self) -> int:
        """Return the next 64 random bits."""
        self._state = z = (self._state + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def random(self) -> float:
        """Return a number of [0, 1)."""
        return (self.bits() >> 11) * _TO_UNIT

    def uniform(self, low: float, high: float) -> float:
        """Return a number between `low` and `high`."""
        return low + (high - low) * self.random()

    def index(self, size: int) -> int:
        """Return an index into a sequence of `size` elements (its bias is below size / 2^53)."""
        return int(self.random() * size)

    def bernoulli(self, probability: float) -> bool:
        """Return true with the given probability."""
        return self.random() < probability

    def exponential(self, mean: float) -> float:
        """Return an exponentially distributed number."""
        return -mean * math.log(1.0 - self.random())

    def normal(self) -> float:
        """Return a standard normal number (Box and Muller, 1958; the second one is not kept)."""
        # Every request draws one: two times `random`, written out.
        z = state = (self._state + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        first = ((z ^ (z >> 31)) >> 11) * _TO_UNIT
        self._state = z = (state + _GAMMA) & _MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        second = ((z ^ (z >> 31)) >> 11) * _TO_UNIT
        return math.sqrt(-2.0 * math.log(1.0 - first)) * math.cos(2.0 * math.pi * second)


class Streams:
    """All streams of one run."""

    __slots__ = ("_seed",)

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def stream(self, purpose: str, index: int = 0) -> Stream:
        """Return a new stream; the same names give the same numbers."""
        return Stream(_key(self._seed, purpose, index))

    def python_random(self, purpose: str) -> random.Random:
        """Return a generator of the standard library, for code that wants that interface."""
        return random.Random(_key(self._seed, purpose, 0))
