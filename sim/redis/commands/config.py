"""CONFIG GET and CONFIG SET for the settings this server has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from fakeredis._helpers import SimpleError

from sim.redis.errors import RedisSettingError
from sim.redis.settings import RedisSettings, check_policy, parse_memory, parse_save

_MAX: Final = 2**31 - 1
_LIMITS: Final = {
    "maxmemory-samples": ("maxmemory_samples", 1, _MAX),
    "hz": ("hz", -_MAX, _MAX),
    "lfu-log-factor": ("lfu_log_factor", 0, _MAX),
    "lfu-decay-time": ("lfu_decay_time", 0, _MAX),
}
_HZ: Final = (1, 500)
_CHECKS: Final[dict[str, Callable[[str], object]]] = {
    "maxmemory": parse_memory,
    "maxmemory-policy": check_policy,
    "save": parse_save,
}
_FIXED: Final = {"appendonly": "no", "databases": "16"}


class Config:
    """The running configuration of one server; calls `on_change` with each new configuration."""

    def __init__(self, settings: RedisSettings, on_change: Callable[[RedisSettings], None]) -> None:
        self.settings = settings
        self._on_change = on_change

    def values(self) -> dict[str, str]:
        """Every setting, as CONFIG GET spells it."""
        settings = self.settings
        numbers = {name: str(getattr(settings, field)) for name, (field, *_) in _LIMITS.items()}
        chosen = {
            "maxmemory": str(settings.maxmemory_bytes),
            "maxmemory-policy": settings.maxmemory_policy,
            "save": settings.save,
        }
        return {**chosen, **numbers, **_FIXED}

    def change(self, changes: dict[str, str]) -> None:
        """Apply all `changes` or none.

        Raises:
            SimpleError: with Redis's message for the first change that it would refuse.
        """
        fields = dict(self._checked(name, value) for name, value in changes.items())
        self.settings = replace(self.settings, **fields)
        self._on_change(self.settings)

    def _checked(self, name: str, value: str) -> tuple[str, Any]:
        if name in _LIMITS:
            return _number(name, value)
        if name not in _CHECKS:
            raise SimpleError(
                f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
            )
        try:
            _CHECKS[name](value)
        except RedisSettingError as error:
            raise _refused(name, error.complaint) from None
        return name.replace("-", "_"), value


def _number(name: str, value: str) -> tuple[str, int]:
    field, low, high = _LIMITS[name]
    try:
        number = int(value)
    except ValueError:
        raise _refused(name, "argument couldn't be parsed into an integer") from None
    if not low <= number <= high:
        raise _refused(name, f"argument must be between {low} and {high} inclusive")
    if field == "hz":  # Redis accepts any number and limits it to the range
        number = min(max(number, _HZ[0]), _HZ[1])
    return field, number


def _refused(name: str, reason: str) -> SimpleError:
    return SimpleError(f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
