"""The service that a world runs: the shipped one, or a class of the user's own."""

from __future__ import annotations

from importlib import import_module

from model.service import TicketService


def service_class(path: str) -> type[TicketService]:
    """Import `package.module:Class`. Raises ValueError when there is no such service."""
    allowed = "allowed: package.module:Class, a subclass of model.service.TicketService"
    module_name, _, name = path.partition(":")
    try:
        found = getattr(import_module(module_name), name)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path}: {error}; {allowed}") from error
    if not (isinstance(found, type) and issubclass(found, TicketService)):
        raise ValueError(  # noqa: TRY004 - the value of a config key is wrong, whatever its type
            f"{path}: no service; {allowed}"
        )
    return found
