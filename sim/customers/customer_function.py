"""The customer function that a config names: a shipped one or the user's own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.customers.user import User


def customer_function(path: str) -> Callable[[User], None]:
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
    customer: Callable[[User], None] = function
    return customer
