"""A table of k6's options, read value by value; every fault is noted under k6's own names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from experiments.config.keys import nearest
from experiments.config.sources import show_value
from experiments.errors import ConfigError
from experiments.statistics.go_numbers import parse_duration_s
from sim.load.settings import MOST_USERS

_MOST_SHOWN: Final = 10


@dataclasses.dataclass
class Notes:
    """Faults in the options, and options that the config leaves out; one line each."""

    source: str
    faults: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)

    def leave_out(self, line: str) -> None:
        """Note what the config does not say; the same line once."""
        if line not in self.left_out:
            self.left_out.append(line)

    def raise_faults(self) -> None:
        """Raise `ConfigError` with all faults, if there are some."""
        if not self.faults:
            return
        shown = self.faults[:_MOST_SHOWN]
        more = len(self.faults) - len(shown)
        rest = [f"and {more} more"] if more else []
        raise ConfigError(self.source, "", "; ".join([*shown, *rest]))


@dataclasses.dataclass(frozen=True)
class Place:
    """A table of the options, and where it stands."""

    notes: Notes
    path: str
    table: Mapping[str, Any]

    def at(self, key: str) -> str:
        """The option as k6's users write it."""
        return f"{self.path}.{key}" if self.path else key

    def written(self, key: str) -> str:
        """The option with its value."""
        return f"{self.at(key)} = {show_value(self.table[key])}"

    def fault(self, key: str, allowed: str) -> None:
        """Note a wrong value, or one that is missing."""
        wrong = self.written(key) if self.table.get(key) is not None else f"{self.at(key)}: missing"
        self.notes.faults.append(f"{wrong}: allowed: {allowed}")

    def has(self, key: str) -> bool:
        """Whether the option is set."""
        return self.table.get(key) is not None

    def whole(
        self, key: str, default: int | None, *, least: int = 0, most: int = MOST_USERS
    ) -> int | None:
        """A whole number; `default` when it is not set, None after a fault.

        An option without a default is required: its absence is a fault.
        """
        value = self.table.get(key)
        if value is None and default is not None:
            return default
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not least <= value <= most
            or value != int(value)
        ):
            self.fault(key, f"a whole number from {least} to {most:,}")
            return None
        return int(value)

    def seconds(
        self, key: str, default: float | None, *, positive: bool = False, required: bool = False
    ) -> float | None:
        """A duration in seconds; `default` when it is not set, None after a fault."""
        value = self.table.get(key)
        if value is None and not required:
            return default
        found = parse_duration_s(value)
        if found is None or found < 0.0 or (positive and found == 0.0):
            least = "more than 0" if positive else "0 or more"
            self.fault(key, f"a duration of {least}, such as 1m30s, or milliseconds")
            return None
        return found

    def switch(self, key: str) -> bool:
        """A switch; off when it is not set."""
        value = self.table.get(key)
        if value is None or isinstance(value, bool):
            return value is True
        self.fault(key, "true or false")
        return False

    def stages(self) -> list[dict[str, Any]]:
        """The stages, as the config writes them."""
        value = self.table.get("stages")
        if not isinstance(value, list) or not value:
            self.fault("stages", "a list of at least one stage")
            return []
        found = []
        for number, stage in enumerate(value):
            if not isinstance(stage, dict):
                self.fault("stages", "tables with duration and target")
                continue
            place = Place(self.notes, f"{self.at('stages')}[{number}]", stage)
            place.refuse_others(("duration", "target"))
            duration_s = place.seconds("duration", None, required=True)
            target = place.whole("target", None)
            if duration_s is not None and target is not None:
                found.append({"duration_s": duration_s, "target": target})
        return found

    def refuse_others(self, known: Iterable[str]) -> None:
        """Note options that do not exist: k6 refuses them in scenarios and stages."""
        names = list(known)
        for key in self.table:
            if key not in names:
                near = nearest(key, names)
                hint = f"; did you mean {near}?" if near else ""
                self.notes.faults.append(f"{self.written(key)}: no such option{hint}")

    def tables(self, key: str) -> Iterator[tuple[str, Place]]:
        """The tables of a table, by name."""
        value = self.table.get(key)
        if not isinstance(value, dict):
            self.fault(key, "a table of tables")
            return
        for name, inner in value.items():
            if isinstance(inner, dict):
                yield name, Place(self.notes, f"{self.at(key)}.{name}", inner)
            else:
                self.fault(key, "a table of tables")
