"""Numbers and durations as k6 reads them: Go's strconv.ParseFloat, and k6's own durations.

Compared in tests with what Go itself says of the same texts.
"""

from __future__ import annotations

import math
import re
from typing import Final

_DECIMAL: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_HEXADECIMAL: Final = re.compile(
    r"[+-]?0[xX](?:[0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?|\.[0-9a-fA-F]+)[pP][+-]?\d+", re.ASCII
)
_NAMED: Final = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE | re.ASCII)
_MISPLACED: Final = re.compile(r"(?<!\d)_|_(?!\d)", re.ASCII)
_MISPLACED_IN_HEXADECIMAL: Final = re.compile(r"(?<![0-9a-fA-FxX])_|_(?![0-9a-fA-F])", re.ASCII)
"""Underscores stand between digits, or between 0x and a digit."""
_UNITS_S: Final = {
    "h": 3_600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ns": 1e-9,
}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|us|µs|μs|ns|m|s)", re.ASCII)
_DAYS: Final = re.compile(r"[+-]?\d+", re.ASCII)
_MOST_S: Final = (2**63 - 1) / 1e9
"""Go counts nanoseconds in 64 bits."""


def parse_float(text: str) -> float | None:
    """The number that Go's ParseFloat(text, 64) returns; None where it returns an error.

    So `.01`, `5.`, `+5`, `1e3`, `1_000`, hexadecimal floats and infinities are numbers; spaces,
    `0x10` without an exponent and what is too large for a float are not.
    """
    misplaced = _MISPLACED_IN_HEXADECIMAL if "x" in text.lower() else _MISPLACED
    if misplaced.search(text):
        return None
    plain = text.replace("_", "")
    if _NAMED.fullmatch(text):
        return float(text)
    try:
        if _DECIMAL.fullmatch(plain):
            found = float(plain)
        elif _HEXADECIMAL.fullmatch(plain):
            found = float.fromhex(plain)
        else:
            return None
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def parse_duration_s(value: object) -> float | None:
    """A duration of k6 in seconds: 1m30s, 1d12h, or a number (or text) of milliseconds.

    None for what k6 takes for no duration. Negative ones are durations too.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        found: float | None = value / 1e3
    elif isinstance(value, str):
        ms = parse_float(value)
        found = ms / 1e3 if ms is not None else _days_s(value)
    else:
        found = None
    return found if found is not None and abs(found) <= _MOST_S else None


def _days_s(text: str) -> float | None:
    """What k6 adds to Go's durations: whole days before them."""
    days, letter, rest = text.partition("d")
    if not letter:
        return _clock_s(text)
    clock_s = _clock_s(rest) if rest else 0.0
    if not _DAYS.fullmatch(days) or clock_s is None or clock_s < 0.0:
        return None
    whole = int(days)
    return whole * 86_400.0 + (clock_s if whole >= 0 else -clock_s)


def _clock_s(text: str) -> float | None:
    """What Go's time.ParseDuration reads, in seconds."""
    sign = -1.0 if text.startswith("-") else 1.0
    body = text[1:] if text[:1] in {"+", "-"} else text
    if body == "0":
        return 0.0
    parts = _PART.findall(body)
    if not parts or "".join(number + unit for number, unit in parts) != body:
        return None
    return sign * sum(float(number) * _UNITS_S[unit] for number, unit in parts)
