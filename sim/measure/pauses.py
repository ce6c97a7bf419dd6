"""Customers that send one request after the other without a pause, from any script."""

from __future__ import annotations

from typing import Final

MOST_IN_A_ROW: Final = 10
"""Requests that a customer may send without a pause: buying takes six."""
MOST_PER_S: Final = 1.0
"""A customer who is slower than that is paused by the service."""
LEAST_PAUSE_S: Final = 0.001
"""A shorter wait does not count as a pause."""

Metrics = dict[str, dict[str, float]]


class Pauses:
    """Counts customers with more than `MOST_IN_A_ROW` requests in a row, faster than `MOST_PER_S`.

    In a row: no pause between them, and no iteration that began later than the one before ended.
    """

    def __init__(self) -> None:
        self._customers: set[int] = set()
        self._requests = 0
        self._longest = 0
        self._fastest_per_s = 0.0

    def in_a_row(self, user: int, requests: int, lasted_s: float) -> None:
        """Note the `requests`-th request of a user in a row, `lasted_s` after the first began."""
        if requests <= MOST_IN_A_ROW or requests <= MOST_PER_S * lasted_s:
            return
        self._customers.add(user)
        self._requests += 1
        self._longest = max(self._longest, requests)
        if lasted_s > 0.0:
            self._fastest_per_s = max(self._fastest_per_s, requests / lasted_s)

    def metrics(self) -> Metrics:
        """Return `requests_without_pause`; absent if every customer pauses.

        `count`: requests beyond `MOST_IN_A_ROW`; `customers`: how many sent such; `longest`: most
        in a row; `rate`: most per second.
        """
        if not self._customers:
            return {}
        return {
            "requests_without_pause": {
                "count": self._requests,
                "customers": len(self._customers),
                "longest": self._longest,
                "rate": self._fastest_per_s,
            }
        }
