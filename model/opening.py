"""The opening of a sale: no user is let in earlier; places of early users can be drawn."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from model.clock import Clock

DRAW_SPAN_MS: Final = 3_600_000.0
"""Drawn places are scores in the hour before the opening, below the scores of later users.

Any length works if it is short compared with the time since 1970.
"""
_DRAW_BYTES: Final = 6


class Opening:
    """The opening time, and the place in the queue of a user who comes before or after it.

    Args:
        opens_at_s: epoch seconds; 0.0 for a sale that has always been open.
        draws: users who come before the opening get random places, not in order of arrival.
        clock: tells the time.
        new_id: makes unique random strings; places are drawn with them.
    """

    def __init__(
        self, opens_at_s: float, *, draws: bool, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._opens_ms = opens_at_s * 1000.0
        self._draws = draws
        self._clock = clock
        self._new_id = new_id

    def is_open(self) -> bool:
        """Tell whether the sale is open, so that users may be let in."""
        return self._clock.now() * 1000.0 >= self._opens_ms

    def places_are_final(self) -> bool:
        """Tell whether users who come from now on get places behind all waiting users."""
        return not self._draws or self.is_open()

    def place_ms(self, now_ms: float) -> float:
        """Return the score of a user who joins the queue at `now_ms` (epoch ms)."""
        if not self._draws or now_ms >= self._opens_ms:
            return now_ms
        digest = blake2b(self._new_id().encode(), digest_size=_DRAW_BYTES).digest()
        drawn = int.from_bytes(digest, "big") / 256**_DRAW_BYTES
        return self._opens_ms - DRAW_SPAN_MS * (1.0 - drawn)
