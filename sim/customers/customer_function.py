"""The customer function that a config names: a shipped one or the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.kernel.import_path import imported

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.customers.user import User


def customer_function(path: str) -> Callable[[User], None]:
    """Import `package.module:function`. Raises ValueError when there is no such function."""
    function = imported(path, "package.module:function")
    if not callable(function):
        raise ValueError(  # noqa: TRY004 - the value of a config key is wrong, whatever its type
            f"{path}: not a function; allowed: package.module:function"
        )
    customer: Callable[[User], None] = function
    return customer
