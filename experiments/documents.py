"""Documents as JSON: what commands print with `--json` and keep in folders, and its schemas."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def as_json(document: Any) -> str:
    """A document as it is printed and kept, with a newline at its end.

    Dataclasses in it become objects.
    """
    return json.dumps(document, indent=2, default=dataclasses.asdict) + "\n"


def with_dialect(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, naming the version of JSON Schema that it is written in."""
    return {**schema, "$schema": _DIALECT}
