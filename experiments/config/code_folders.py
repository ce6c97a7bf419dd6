"""Folders with users' code that configs named by `python_path` in this process."""

from __future__ import annotations

import sys
from pathlib import Path

_FOLDERS: dict[Path, None] = {}


def add(folder: Path) -> None:
    """Make the code of a folder importable; our own packages and installed ones stay first."""
    _FOLDERS[folder] = None
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def known() -> list[Path]:
    """All of them, in the order in which configs named them."""
    return list(_FOLDERS)
