"""Functions that a config names as package.module:function."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def imported(path: str) -> Callable[..., Any]:
    """Import `package.module:function`. Raises ValueError when there is no such function."""
    module_name, _, name = path.partition(":")
    try:
        function = getattr(import_module(module_name), name)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: {error}; allowed: package.module:function") from error
    if not callable(function):
        raise ValueError(  # noqa: TRY004 - the value of a config key is wrong, whatever its type
            f"{path}: not a function; allowed: package.module:function"
        )
    found: Callable[..., Any] = function
    return found
