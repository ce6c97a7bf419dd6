"""What commands print for programs and for people: JSON, its schemas, and who sees which."""

from __future__ import annotations

import json
import pkgutil
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from experiments.runs.campaign import CommonOptions

DOCUMENTS: Final[Mapping[str, str]] = {
    "run": "experiments.statistics.summary:RunSummary",
    "compare": "experiments.studies.compare:Comparison",
    "sweep": "experiments.studies.sweep:SweepResult",
    "gate": "experiments.studies.gate:GateResult",
    "validate": "experiments.studies.validate.comparison:Validation",
    "calibrate": "experiments.cli.calibrate:CalibrateResult",
    "explain": "experiments.studies.explain.results:Explanation",
    "fuzz": "experiments.studies.fuzz.result:FuzzResult",
}
"""Command -> the type of what it prints with --json; named, as importing it may take a second."""
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_COLUMNS, _LINES = 100, 24
"""Of a terminal that does not tell its own."""
Document = TypeVar("Document", bound=Mapping[str, Any])


def as_json(document: Any) -> str:
    """A document as it is printed and kept, with a newline at its end."""
    return json.dumps(document, indent=2) + "\n"


def schema_of(command: str) -> dict[str, Any]:
    """The JSON Schema of what a command of `DOCUMENTS` prints with --json."""
    from pydantic import TypeAdapter

    return with_dialect(TypeAdapter(pkgutil.resolve_name(DOCUMENTS[command])).json_schema())


def with_dialect(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, naming the version of JSON Schema that it is written in."""
    return {**schema, "$schema": _DIALECT}


def show(common: CommonOptions, document: Document, render: Callable[[Document, int], str]) -> None:
    """Print a command's result: text to standard error unless quiet, JSON if it is asked for.

    Args:
        common: the options of the command line.
        document: the result.
        render: makes the text, for a terminal of so many columns.
    """
    if not common.quiet:
        sys.stderr.write(render(document, shutil.get_terminal_size((_COLUMNS, _LINES)).columns))
    if common.json:
        sys.stdout.write(as_json(document))
