"""SQL functions that SQLite lacks, or that use simulated time and random numbers."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

_MONTHS: Final = {"MONTH": 1, "YEAR": 12}
_SECONDS: Final = {
    "MICROSECOND": 1e-6,
    "SECOND": 1,
    "MINUTE": 60,
    "HOUR": 3_600,
    "DAY": 86_400,
    "WEEK": 604_800,
}


class Functions:
    """The functions of one database."""

    def __init__(
        self,
        raw: sqlite3.Connection,
        dialect: str,
        epoch_s: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._dialect = dialect
        self._epoch_s = epoch_s
        self._random = random
        self._now = ""
        self.last_id: int | None = None
        for name, count, function in (
            ("app_now", 0, self._shown_now),
            ("app_clock", 0, self._clock),
            ("app_today", 0, lambda: self._shown_now()[:10]),
            ("app_shift", 4, _shifted),
            ("app_epoch", 1, _epoch),
            ("app_random", 0, random),
            ("app_uuid", 0, self._uuid),
            ("app_last_id", 0, lambda: self.last_id),
            ("app_round", 2, _rounded),
            ("app_like", 2, _like),
        ):
            raw.create_function(name, count, function, deterministic=False)

    def begin(self) -> None:
        """A statement begins: its time stays the same until it ends."""
        self._now = ""

    def _shown_now(self) -> str:
        if not self._now:
            now = self._clock()
            # NOW() of MySQL has no fraction of a second.
            self._now = now[:19] if self._dialect == "mysql" else now
        return self._now

    def _clock(self) -> str:
        now = datetime.fromtimestamp(self._epoch_s(), UTC).replace(tzinfo=None)
        return now.isoformat(sep=" ")

    def _uuid(self) -> str:
        number = int(self._random() * 2**53) << 75 | int(self._random() * 2**53) << 22
        return str(uuid.UUID(int=number & (2**128 - 1), version=4))


def _shifted(value: str | None, amount: float | None, unit: str, sign: int) -> str | None:
    if value is None or amount is None:
        return None
    at = datetime.fromisoformat(str(value))
    if unit in _MONTHS:
        months = at.year * 12 + at.month - 1 + int(amount) * _MONTHS[unit] * sign
        year, month = divmod(months, 12)
        for day in range(at.day, 0, -1):
            try:
                at = at.replace(year=year, month=month + 1, day=day)
                break
            except ValueError:
                continue
    else:
        at += timedelta(seconds=float(amount) * _SECONDS[unit] * sign)
    return at.isoformat(sep=" ")


def _epoch(value: Any) -> float | None:
    if value is None:
        return None
    found = datetime.fromisoformat(str(value)).replace(tzinfo=UTC).timestamp()
    return int(found) if found.is_integer() else found


def _rounded(value: Any, digits: int) -> Any:
    """A time with this many digits of its second, rounded as the database rounds."""
    if not isinstance(value, str) or "." not in value:
        return value
    at = datetime.fromisoformat(value)
    unit = 10 ** (6 - digits)
    wanted = (at.microsecond + unit // 2) // unit * unit
    at = at.replace(microsecond=0) + timedelta(microseconds=wanted)
    return at.isoformat(sep=" ")


def _like(pattern: str | None, value: Any) -> bool | None:
    """LIKE that distinguishes upper and lower case."""
    if pattern is None or value is None:
        return None
    wanted = "".join(
        ".*" if letter == "%" else "." if letter == "_" else re.escape(letter)
        for letter in str(pattern)
    )
    return re.fullmatch(wanted, str(value), re.DOTALL) is not None
