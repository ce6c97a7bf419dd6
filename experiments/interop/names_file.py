"""`--names FILE.toml`: which endpoint a request of a script is, and which customer a function.

login = "POST /v1/token/generation"      a name tag or a group of k6 -> an endpoint

[scripts]
browse = "mine:browse"                    a function of the script -> a customer
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from experiments.config.keys import nearest
from experiments.config.sources import read_source, show_value
from experiments.errors import ConfigError
from experiments.interop.k6_thresholds import Names
from experiments.statistics.outcomes import ENDPOINT_OF_TAG
from model.service import ENDPOINTS

_TABLES: Final = ("names", "groups")
_SCRIPTS: Final = "scripts"
_ENDPOINT: Final = re.compile(r"[A-Z]+ /\S*")


def read_names(path: str | None, *, own: bool = False) -> Names:
    """Read a file of names; none when no file is given.

    Args:
        path: of the file.
        own: whether the endpoints are those of an application, such as `GET /items/{id}`.

    Raises:
        ConfigError: it cannot be read, or names what is no endpoint.
    """
    if path is None:
        return Names()
    source = read_source(path if path.endswith(".toml") or "/" in path else f"./{path}")
    table = source.parsed()
    endpoints = dict(_pairs(table, path, own=own))
    scripts = table.get(_SCRIPTS, {})
    if not isinstance(scripts, dict) or not all(isinstance(one, str) for one in scripts.values()):
        raise ConfigError(path, _SCRIPTS, 'allowed: a table such as browse = "mine:browse"')
    return Names(endpoints, scripts)


def _pairs(table: Mapping[str, Any], path: str, *, own: bool) -> Iterator[tuple[str, str]]:
    flat = {key: value for key, value in table.items() if key not in {*_TABLES, _SCRIPTS}}
    inner = [table.get(name, {}) for name in _TABLES]
    for part in [flat, *inner]:
        if not isinstance(part, dict):
            raise ConfigError(path, "", f"{', '.join(_TABLES)}: allowed: tables")
        for name, value in part.items():
            yield _own_pair(name, value, path) if own else _pair(name, value, path)


def _own_pair(name: str, value: Any, path: str) -> tuple[str, str]:
    """The script's name and the application's endpoint, in either order."""
    for one, other in ((name, value), (value, name)):
        if isinstance(one, str) and isinstance(other, str) and _ENDPOINT.fullmatch(other):
            return one, other
    raise ConfigError(
        path,
        name,
        'allowed: an endpoint as results name it, such as "GET /items/{id}"',
        value=show_value(value),
    )


def _pair(name: str, value: Any, path: str) -> tuple[str, str]:
    """The script's name and the endpoint; written the other way round it is understood too."""
    for one, other in ((name, value), (value, name)):
        endpoint = ENDPOINT_OF_TAG.get(other, other) if isinstance(other, str) else ""
        if endpoint in ENDPOINTS and isinstance(one, str):
            return one, endpoint
    raise ConfigError(
        path,
        name,
        f"allowed: an endpoint, one of {', '.join(ENDPOINTS)}",
        value=show_value(value),
        nearest=nearest(value, ENDPOINTS) if isinstance(value, str) else "",
    )
