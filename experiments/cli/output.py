"""What a command shows: text for people on standard error, JSON on standard output."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from experiments.documents import as_json

_COLUMNS: Final = 100
_LINES: Final = 24
"""Of a terminal that does not tell its own size."""
Document = TypeVar("Document", bound=Mapping[str, Any])


def show(
    options: argparse.Namespace, document: Document, render: Callable[[Document, int], str]
) -> None:
    """Print a result: as text unless `--quiet`, as JSON if `--json`.

    Args:
        options: the command line, with `quiet` and `json`.
        document: the result.
        render: makes the text, for a terminal of so many columns.
    """
    if not options.quiet:
        sys.stderr.write(render(document, shutil.get_terminal_size((_COLUMNS, _LINES)).columns))
    if options.json:
        sys.stdout.write(as_json(document))
