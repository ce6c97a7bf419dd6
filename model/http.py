"""Requests and responses, free of any web framework."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

AUTHORIZATION = "Authorization"
WAITING_TOKEN = "WaitingToken"  # noqa: S105 - the name of a header


class Request(NamedTuple):
    """One request. The adapter spells header names as the constants above do."""

    method: str
    path: str
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: Any = None
    """Parsed JSON, None if there was none."""


class Response(NamedTuple):
    """One answer."""

    status: int
    body: Any
    """A dictionary, or a `SeatList`; `to_json` writes either."""
    error: str | None = None
    """Class name (from `model.errors`) of the one primary cause of a failure."""


@dataclass(frozen=True, slots=True)
class SeatList:
    """Free seats as the database returned them, without an object per row."""

    seats: Sequence[Any]
    """Rows (seat id, row, number), ordered by row and number."""
    page: int = 0
    """Number of this page, from 0."""
    pages: int = 1
    """Number of pages of free seats; the query `page=k` selects a page."""

    def __len__(self) -> int:
        """Count the seats on this page."""
        return len(self.seats)

    def to_json(self) -> str:
        """Write `{"seats": [{"seatId", "row", "number"}...], "page": k, "pages": n}`."""
        rows = ",".join(
            f'{{"seatId":{seat_id},"row":{row},"number":{number}}}'
            for seat_id, row, number in self.seats
        )
        return f'{{"seats":[{rows}],"page":{self.page},"pages":{self.pages}}}'


def to_json(body: Any) -> str:
    """Serialise a response's body."""
    if isinstance(body, SeatList):
        return body.to_json()
    return json.dumps(body, separators=(",", ":"))
