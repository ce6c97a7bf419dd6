"""Documentation of a configurable field: its meaning, its unit, the source of its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """Documentation of one field, attached with `Annotated[type, Setting(...)]`.

    `source` is the source of the default. `low` and `high` bound the plausible range of a number: a
    default outside the range is a mistake, but a user may set a value outside it. Hard limits are
    `annotated_types` constraints beside the `Setting`.
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
