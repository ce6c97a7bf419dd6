"""The generator function that an entry of `[[processes]]` names."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from sim.kernel.import_path import imported

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sim.processes.settings import UserProcess

_ALLOWED = "package.module:function, a generator function (env, world, **arguments)"


def process_function(process: UserProcess) -> Callable[..., Generator[Any, Any, Any]]:
    """Import the function and check that it can be called with the config's arguments.

    Raises:
        ValueError: there is no such function, it does not yield, or the arguments do not fit.
    """
    path = process.code
    function = imported(path, _ALLOWED)
    if not inspect.isgeneratorfunction(inspect.unwrap(function) if callable(function) else None):
        raise ValueError(
            f"{path}: not a generator function, as it has no yield; allowed: {_ALLOWED}"
        )
    try:
        inspect.signature(function).bind(None, None, **process.arguments)
    except TypeError as error:
        raise ValueError(
            f"{path}: {error}; the function is called with (env, world) and with the keys of "
            "arguments by name"
        ) from error
    checked: Callable[..., Generator[Any, Any, Any]] = function
    return checked
