"""`ticketsim report`: a folder of results to one HTML page."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
from pathlib import Path

from experiments.errors import OutputError
from experiments.report.content import Page
from experiments.report.read import (
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
    from experiments.report.render import html

    folder = Path(options.folder)
    kept = read_folder(folder)
    path = folder / _NAME if options.out is None else Path(options.out)
    check_writable(path)
    write_whole(path, html(page_of(kept)))
    if not options.quiet:
        sys.stderr.write(f"{path}\n")
    return 0


def page_of(kept: KeptResults) -> Page:
    """The page that suits the command which wrote the folder."""
    from experiments.report.compare_page import compare_page
    from experiments.report.gate_page import gate_page
    from experiments.report.run_page import run_page
    from experiments.report.sweep_page import sweep_page

    match kept:
        case KeptComparison():
            return compare_page(kept)
        case KeptSweep():
            return sweep_page(kept)
        case KeptGate():
            return gate_page(kept)
        case _:
            return run_page(kept)


def check_writable(path: Path) -> None:
    """Raise OutputError now rather than after the work."""
    folder = path.absolute().parent
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; allowed: the name of a file")
    if not folder.is_dir():
        raise OutputError(f"{path}: cannot be written: no such folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all. Raises OutputError."""
    staging = ""
    try:
        handle, staging = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(staging).chmod(0o644)
        Path(staging).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(staging).unlink()
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
