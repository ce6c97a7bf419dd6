"""What counts as a failed request, and which requests are polls."""

from __future__ import annotations

from typing import Final

from model.service import CHECK

POLL: Final = CHECK
"""The endpoint at which people ask for their place in the queue, again and again."""


def is_failure(status: str) -> bool:
    """Whether a request failed as the load script counts: status 0 or outside 200 to 399."""
    return not 200 <= int(status) <= 399  # noqa: PLR2004 (the bounds are the statement)
