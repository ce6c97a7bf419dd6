"""The generator function that an entry of `[[processes]]` names."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sim.processes.settings import UserProcess

_ALLOWED = "allowed: package.module:function, a generator function (env, world, **arguments)"


def process_function(process: UserProcess) -> Callable[..., Generator[Any, Any, Any]]:
    """Import the function and check that it can be called with the config's arguments.

    Raises:
        ValueError: there is no such function, it does not yield, or the arguments do not fit.
    """
    path = process.code
    module_name, _, name = path.partition(":")
    try:
        function = getattr(import_module(module_name), name)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: {error}; {_ALLOWED}") from error
    if not inspect.isgeneratorfunction(inspect.unwrap(function) if callable(function) else None):
        raise ValueError(f"{path}: no generator function, it has no yield; {_ALLOWED}")
    try:
        inspect.signature(function).bind(None, None, **process.arguments)
    except TypeError as error:
        raise ValueError(
            f"{path}: {error}; the function is called with (env, world) and with the keys of "
            "arguments by name"
        ) from error
    checked: Callable[..., Generator[Any, Any, Any]] = function
    return checked
