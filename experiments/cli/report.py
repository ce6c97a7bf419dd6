"""`ticketsim report`: a folder of results to one HTML page."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from experiments.runs.whole_file import check_writable, whole_binary
from experiments.views.report.content import Page
from experiments.views.report.read import (
    KeptComparison,
    KeptGate,
    KeptResults,
    KeptSweep,
    read_folder,
)

_NAME = "report.html"


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """The options of the command line; `out` is a file, in the folder itself when left out."""

    folder: str
    out: str | None = None
    quiet: bool = False


def report(options: ReportOptions) -> int:
    """Write the page and say where.

    Returns:
        0.

    Raises:
        ResultsError: the folder holds no results.
        OutputError: the page cannot be written.
    """
    from experiments.views.report.render import html

    folder = Path(options.folder)
    kept = read_folder(folder)
    path = folder / _NAME if options.out is None else Path(options.out)
    check_writable(path)
    page = html(page_of(kept))
    with whole_binary(path) as file:
        file.write(page.encode())
    if not options.quiet:
        sys.stderr.write(f"{path}\n")
    return 0


def page_of(kept: KeptResults) -> Page:
    """The page that suits the command which wrote the folder."""
    from experiments.views.report.compare_page import compare_page
    from experiments.views.report.gate_page import gate_page
    from experiments.views.report.run_page import run_page
    from experiments.views.report.sweep_page import sweep_page

    match kept:
        case KeptComparison():
            return compare_page(kept)
        case KeptSweep():
            return sweep_page(kept)
        case KeptGate():
            return gate_page(kept)
        case _:
            return run_page(kept)
