"""The service that a world runs: the shipped one, or a class of the user's own."""

from __future__ import annotations

from model.service import TicketService
from sim.kernel.import_path import imported


def service_class(path: str) -> type[TicketService]:
    """Import `package.module:Class`. Raises ValueError when there is no such service."""
    allowed = "package.module:Class, a subclass of model.service.TicketService"
    found = imported(path, allowed)
    if not (isinstance(found, type) and issubclass(found, TicketService)):
        raise ValueError(  # noqa: TRY004 - the value of a config key is wrong, whatever its type
            f"{path}: no service; allowed: {allowed}"
        )
    return found
