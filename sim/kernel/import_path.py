"""Imports what a config names: `package.module:name`."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(path: str, allowed: str) -> Any:
    """Return what the path names.

    Args:
        path: `package.module:name`.
        allowed: what messages say is allowed.

    Raises:
        ValueError: there is no such module, or no such name in it, or the path names none.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f"no module with a name in it; allowed: {allowed}")
    try:
        return getattr(import_module(module_name), name)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: {error}; allowed: {allowed}") from error
