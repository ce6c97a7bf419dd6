"""What counts as a failed request and as a late cleanup, and how endpoints are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from model.service import BOOKING, CHECK, DATES, GENERATION, PAYMENT, SEATS

POLL: Final = CHECK
"""The endpoint at which people ask for their place in the queue, again and again."""
ENDPOINT_OF_TAG: Final[Mapping[str, str]] = {
    "gen": GENERATION,
    "check": CHECK,
    "dates": DATES,
    "seats": SEATS,
    "booking": BOOKING,
    "payment": PAYMENT,
}
"""Name tag of the measured k6 script -> endpoint."""
TAG_OF_ENDPOINT: Final[Mapping[str, str]] = {
    endpoint: tag for tag, endpoint in ENDPOINT_OF_TAG.items()
}


LATE_S: Final = 1.0
"""Delay after which a run of the cleanup job counts as late, in simulated seconds."""


def is_late(planned_s: float, started_s: float) -> bool:
    """Whether a run of the cleanup job began late."""
    return started_s - planned_s > LATE_S


def is_failure(status: str | int) -> bool:
    """Whether a request failed as the load script counts: status 0 or outside 200 to 399."""
    return not 200 <= int(status) <= 399  # noqa: PLR2004 (the bounds are the statement)
