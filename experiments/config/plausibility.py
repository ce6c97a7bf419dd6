"""Warns of values outside their plausible range: they are allowed, and probably a mistake."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from experiments.config.keys import numbers_in
from experiments.config.sources import Merged, shipped_names
from model.setting import Setting
from sim.world import World

_FACTORS: Final[Mapping[str, Mapping[float, str]]] = {
    "s": {1e3: "milliseconds", 1e6: "microseconds", 1 / 60: "minutes"},
    "ms": {1e3: "microseconds", 1e-3: "seconds"},
    "us": {1e-3: "milliseconds", 1e-6: "seconds", 1e3: "nanoseconds"},
    "MB": {1e6: "bytes", 1e3: "kilobytes", 1e-3: "gigabytes"},
    "bytes": {1e-6: "megabytes", 1e-3: "kilobytes"},
    "share": {100: "per cent"},
}
"""Unit -> factor by which the number is too large if it was written in this other unit."""


@dataclasses.dataclass(frozen=True)
class Implausible:
    """A value outside the range in which it is plausible."""

    key: str
    value: float
    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        """One line: key, value, range, unit, and the unit that may have been meant."""
        unit = f" {self.unit}" if self.unit else ""
        other = f"; {self._meant()}?" if self._meant() else ""
        return (
            f"{self.key} = {number(self.value)}: plausible "
            f"{number(self.low)} to {number(self.high)}{unit}{other}"
        )

    def _meant(self) -> str:
        """The unit in which the value would be plausible, if there is one."""
        factors = _FACTORS.get(self.unit.split(" ")[0], {})
        return next(
            (
                name
                for factor, name in factors.items()
                if self.low <= self.value / factor <= self.high
            ),
            "",
        )


def number(value: float) -> str:
    """A number without thousands separators, as it is written in a config."""
    return f"{value:.15g}"


def implausible(world: World, merged: Merged) -> Iterator[Implausible]:
    """The values of a world outside their plausible range, of those that the user wrote.

    Args:
        world: the world.
        merged: what was written, and where. What stands nowhere is a default, and those are
            plausible by a test; what a shipped config says is meant.
    """
    shipped = set(shipped_names())
    for path, value, setting in numbers_in(world):
        if _outside(value, setting) and _stands_in(merged.table, path):
            if merged.origin(tuple(path.split(".")), "") in shipped:
                continue
            assert setting.low is not None  # noqa: S101 - `_outside` says so
            assert setting.high is not None  # noqa: S101 - `_outside` says so
            yield Implausible(path, value, setting.low, setting.high, setting.unit)


def _outside(value: float, setting: Setting) -> bool:
    if setting.low is None or setting.high is None:
        return False
    return not setting.low <= value <= setting.high


def _stands_in(table: Any, path: str) -> bool:
    """Whether a dotted path is there; what a preset fills in counts as not written."""
    for part in path.split("."):
        try:
            table = table[int(part)] if isinstance(table, list) else table[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return False
    return True
