"""Supported versions of an application's libraries, and the private names that the seams use.

Tested: see docs/how-to/your-own-service.md. A version that was not tested is a remark, one that is
known not to work an error. What a seam exchanges is looked at before a run: a library that has
changed a private name is an error that says so, never silence.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Final

from sim.app.errors import ApplicationError

_RANGES: Final = {
    "redis": ((5,), (9,)),
    "sqlalchemy": ((2,), (2, 2)),
    "flask": ((2,), (4,)),
    "django": ((4, 2), (7,)),
    "time-machine": ((2, 13), (4,)),
    "sqlglot": ((25,), (31,)),
}
"""Distribution -> (first version that works, first that was never tried)."""
_HELD: Final = {
    "time": ("sleep", "monotonic", "perf_counter"),
    "uuid": ("_node", "_last_timestamp", "_generate_time_safe"),
    "random": ("_urandom", "SystemRandom"),
    "threading": ("_allocate_lock", "excepthook", "ExceptHookArgs"),
    "_threading_local": ("local", "current_thread"),
    "queue": ("_PySimpleQueue",),
    "_time_machine": ("patch", "original_time_ns"),
    "time_machine": ("traveller_stack",),
    "logging": ("Logger.callHandlers",),
    "redis.connection": (
        "AbstractConnection.on_connect",
        "AbstractConnection.on_connect_check_health",
        "AbstractConnection.pack_command",
        "AbstractConnection.pack_commands",
        "AbstractConnection.send_packed_command",
        "AbstractConnection.send_command",
        "AbstractConnection.can_read",
        "AbstractConnection.read_response",
        "Connection._connect",
        "UnixDomainSocketConnection._connect",
    ),
    "sqlalchemy.dialects": ("registry.register",),
    "sqlalchemy.dialects.mysql.base": (
        "MySQLDialect._detect_charset",
        "MySQLDialect._detect_sql_mode",
        "MySQLDialect._detect_casing",
        "MySQLDialect._parse_server_version",
    ),
    "sqlalchemy.dialects.postgresql.base": ("PGDialect._set_backslash_escapes",),
    "sqlglot.expressions": ("Expression.args", "Lock", "OnConflict", "Collate", "Unnest"),
}
"""Module -> private and public names that the seams replace or call."""


_SINCE: Final = {"AbstractConnection.on_connect_check_health": ("redis", (7,))}
"""Names that are demanded only from a version on: the seams do without them in older ones."""


class VersionError(ApplicationError):
    """The seams do not support the installed version of a library."""


def _parsed(text: str) -> tuple[int, ...]:
    parts = []
    for part in text.split(".")[:3]:
        digits = "".join(letter for letter in part if letter.isdigit())
        parts.append(int(digits or 0))
    return tuple(parts)


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def installed() -> dict[str, str]:
    """The installed versions of the libraries that the seams use."""
    found = {}
    for name in _RANGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _is_newer_than_installed(name: str) -> bool:
    library, since = _SINCE.get(name, ("", ()))
    return bool(library) and _parsed(metadata.version(library)) < since


def untried_versions() -> list[str]:
    """A remark for each library that is newer than any that was tried."""
    return [
        f"{name} {version} was never tried with this version of ticketsim; tried: before "
        f"{_shown(_RANGES[name][1])}"
        for name, version in installed().items()
        if _parsed(version) >= _RANGES[name][1]
    ]


def check_versions() -> None:
    """Look at versions and private names. Raises `VersionError`."""
    for name, version in installed().items():
        first, _ = _RANGES[name]
        if _parsed(version) < first:
            raise VersionError(
                f"{name} {version} is not supported; allowed: {_shown(first)} or newer"
            )
    for module_name, names in _HELD.items():
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise VersionError(f"{module_name}: {error}") from error
        for name in names:
            if _is_newer_than_installed(name):
                continue
            holder: object = module
            for part in name.split("."):
                if not hasattr(holder, part):
                    raise VersionError(
                        f"{module_name}.{name} is not there any more: this version of the library "
                        "is not supported; install one of the table in "
                        "docs/how-to/your-own-service.md"
                    )
                holder = getattr(holder, part)
