"""SQL functions that SQLite lacks, or that use simulated time and random numbers."""

from __future__ import annotations

import math
import re
import uuid
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
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
        self.writes = False
        """Whether the statement changes rows: MySQL then takes a division by zero as an error."""
        self.failed = ""
        """The error of a function since the statement began: "division_by_zero"."""
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
            ("app_like", 4, _like),
            ("app_divide", 2, self._divided),
            ("app_divide_real", 2, self._divided_real),
            ("app_modulo", 2, self._remainder),
            ("app_concat", -1, _joined),
            ("app_bytes", 1, _bytes),
            ("app_decimal", 2, _decimal),
            ("app_rounded", 2, _decimal),
            ("app_rounded_even", 2, _rounded_even),
            ("upper", 1, _upper),
            ("lower", 1, _lower),
        ):
            raw.create_function(name, count, function, deterministic=False)

    def begin(self) -> None:
        """A statement begins: its time stays the same until it ends."""
        self._now = ""
        self.failed = ""

    def _divided(self, left: Any, right: Any) -> Any:
        if left is None or right is None or self._is_zero(right):
            return None
        if self._dialect == "postgres" and isinstance(left, int) and isinstance(right, int):
            quotient = abs(left) // abs(right)
            return quotient if (left < 0) == (right < 0) else -quotient
        return _number(left) / _number(right)

    def _divided_real(self, left: Any, right: Any) -> Any:
        return None if left is None else self._divided(float(left), right)

    def _remainder(self, left: Any, right: Any) -> Any:
        if left is None or right is None or self._is_zero(right):
            return None
        if isinstance(left, int) and isinstance(right, int):
            rest = abs(left) % abs(right)
            return rest if left >= 0 else -rest
        return math.fmod(_number(left), _number(right))

    def _is_zero(self, divisor: Any) -> bool:
        if _number(divisor):
            return False
        if self._dialect == "postgres" or self.writes:
            self.failed = "division_by_zero"
            raise ZeroDivisionError
        return True

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


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else float(value)


def _joined(*values: Any) -> str:
    """CONCAT of PostgreSQL leaves NULLs out."""
    return "".join(str(value) for value in values if value is not None)


def _bytes(value: Any) -> int | None:
    return None if value is None else len(str(value).encode())


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _decimal(value: Any, digits: int) -> Any:
    """A number with this many digits after its point, rounded half away from zero."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    unit = Decimal(1).scaleb(-digits)
    return float(Decimal(repr(value)).quantize(unit, ROUND_HALF_UP))


def _rounded_even(value: Any, digits: int) -> Any:
    """A double with this many digits after its point, a half rounded to the even digit."""
    return float(round(value, digits)) if isinstance(value, float) else value


def _like(pattern: str | None, value: Any, escape: str | None, exact: int) -> bool | None:
    if pattern is None or value is None or escape is None:
        return None
    wanted = _pattern(str(pattern), escape, bool(exact))
    return wanted.fullmatch(str(value)) is not None


@lru_cache(maxsize=1_000)
def _pattern(pattern: str, escape: str, exact: bool) -> re.Pattern[str]:
    parts = []
    letters = iter(pattern)
    for letter in letters:
        if escape and letter == escape:
            parts.append(re.escape(next(letters, letter)))
        else:
            parts.append(".*" if letter == "%" else "." if letter == "_" else re.escape(letter))
    return re.compile("".join(parts), re.DOTALL | (0 if exact else re.IGNORECASE))
