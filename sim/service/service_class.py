"""The service that a world runs: the shipped one, or a class of the user's own."""

from __future__ import annotations

import inspect
from typing import Any

from model.service import TicketService
from sim.kernel.errors import BrokenServiceError, KernelError
from sim.kernel.import_path import imported
from sim.measure.crashes import place_of

_PORTS = tuple(inspect.signature(TicketService.__init__).parameters)[1:]
"""The parts of a service: the keyword arguments of `TicketService`."""
_TAKE_THEM = "def __init__(self, **ports) that calls super().__init__(**ports)"


def service_class(path: str) -> type[TicketService]:
    """Import `package.module:Class`. Raises ValueError when there is no such service."""
    allowed = "package.module:Class, a subclass of model.service.TicketService"
    found = imported(path, allowed)
    if not (isinstance(found, type) and issubclass(found, TicketService)):
        raise ValueError(  # noqa: TRY004 - the value of a config key is wrong, whatever its type
            f"{path}: no service; allowed: {allowed}"
        )
    try:
        inspect.signature(found).bind(**dict.fromkeys(_PORTS))
    except TypeError as error:
        raise ValueError(f"{path}.__init__: {error}; allowed: {_TAKE_THEM}") from error
    return found


def new_service(path: str, **ports: Any) -> TicketService:
    """Make a service. Raises `BrokenServiceError` when its constructor fails."""
    try:
        return service_class(path)(**ports)
    except (KernelError, MemoryError):
        raise
    except Exception as error:
        raise BrokenServiceError(_failed(path, "__init__", error)) from error


def start_service(path: str, service: TicketService) -> None:
    """Start a service's threads. Raises `BrokenServiceError` when that fails."""
    try:
        service.start()
    except (KernelError, MemoryError):
        raise
    except Exception as error:
        raise BrokenServiceError(_failed(path, "start", error)) from error


def _failed(path: str, method: str, error: Exception) -> str:
    where = place_of(error)
    place = f" ({where})" if where else ""
    return f"{path}.{method} raised {type(error).__name__}: {error}{place}; allowed: {_TAKE_THEM}"
