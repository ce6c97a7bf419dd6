"""How a configurable field documents itself: its meaning, its unit, its default's source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """Documentation of one field, attached with `Annotated[type, Setting(...)]`.

    `source` says where the default was taken from; `low` and `high` bound the plausible range of
    a number (a default outside it is a mistake; a user may still go beyond). Hard limits, which
    no value may cross, are `annotated_types` constraints beside it.
    """

    doc: str
    unit: str = ""
    source: str = ""
    low: float | None = None
    high: float | None = None

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Put the documentation into a JSON Schema made by pydantic (duck-typed: no import)."""
        schema: dict[str, Any] = dict(handler(core_schema))
        schema["description"] = self.doc if not self.unit else f"{self.doc} [{self.unit}]"
        if self.source:
            schema["x-source"] = self.source
        if self.low is not None or self.high is not None:
            schema["x-plausible-range"] = [self.low, self.high]
        return schema
