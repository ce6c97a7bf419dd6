"""What a command shows on standard output: text for people, or JSON only with `--json`."""

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
    options: argparse.Namespace,
    document: Document,
    render: Callable[[Document, int], str],
    everything: Callable[[Document, int], str] | None = None,
) -> None:
    """Print a result: as JSON if `--json`, else as text unless `--quiet`.

    Args:
        options: the command line, with `quiet` and `json`.
        document: the result.
        render: makes the text, for a terminal of so many columns.
        everything: makes the text for `--verbose`, where it is another one.
    """
    if options.json:
        if document.get("partial") and not options.quiet:
            sys.stderr.write("PARTIAL: interrupted; this is what was measured so far\n")
        sys.stdout.write(as_json(document))
    elif not options.quiet:
        text = everything if everything is not None and options.verbose else render
        sys.stdout.write(text(document, shutil.get_terminal_size((_COLUMNS, _LINES)).columns))
