"""The page that suits the command which wrote a folder of results."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from experiments.runs.storage.whole_file import check_writable, whole_binary
from experiments.studies.saved_results import (
    AnySavedResults,
    SavedComparison,
    SavedGate,
    SavedSweep,
    read_folder,
)
from experiments.views.report.content import Page

_NAME: Final = "report.html"


def write_page(folder: Path, out: Path | None = None) -> Path:
    """Write the page of a folder of results.

    Args:
        folder: what `--out` named.
        out: the file to write; None takes one in the folder.

    Returns:
        the file.

    Raises:
        ResultsError: the folder holds no results.
        OutputError: the page cannot be written.
    """
    from experiments.views.report.render import html

    kept = read_folder(folder)
    path = folder / _NAME if out is None else out
    check_writable(path)
    page = html(page_of(kept))
    with whole_binary(path) as file:
        file.write(page.encode())
    return path


def page_of(kept: AnySavedResults) -> Page:
    """The page that suits the command which wrote the folder."""
    from experiments.views.report.compare_page import compare_page
    from experiments.views.report.gate_page import gate_page
    from experiments.views.report.run_page import run_page
    from experiments.views.report.sweep_page import sweep_page

    match kept:
        case SavedComparison():
            return compare_page(kept)
        case SavedSweep():
            return sweep_page(kept)
        case SavedGate():
            return gate_page(kept)
        case _:
            return run_page(kept)
