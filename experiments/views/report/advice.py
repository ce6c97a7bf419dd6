"""Advice on a limit that a verdict names: its key and value, what more of it costs, what to try."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from experiments.statistics.saturation import SEATS
from experiments.statistics.verdict import Failure

_FACTOR: Final = 2
"""A limit that binds is first doubled: less is hard to see, more hides what binds next."""
_MOST: Final = 2
"""Limits that are told of in one summary."""


@dataclasses.dataclass(frozen=True)
class _Limit:
    """What more of a limit costs, and what else relieves it."""

    cost: str
    instead: str = ""


_LIMITS: Final = {
    "service.max_connections": _Limit(
        "each open connection takes memory and a file descriptor of the service, and more requests "
        "reach its threads, pool and cores",
        "fewer checks for the place in the queue free connections, and people learn of their turn "
        "a little later: policy.checks_per_s, or a longer customer.poll_interval_s",
    ),
    "service.threads": _Limit(
        "each thread takes memory for its stack, and more of them compete for the cores and the "
        "pool",
    ),
    "service.accept_count": _Limit(
        "connections wait longer before they are refused; it helps against short peaks only",
        "more service.max_connections",
    ),
    "pool.connections": _Limit(
        "each connection is one more at the database, which has its own limit and its own cores",
        "shorter transactions hold a connection for less time",
    ),
    "generator.local_ports": _Limit(
        "nothing: it is a limit of the load generator, not of the service",
        'connections that are kept open (generator.connections = "kept"), or several generators',
    ),
    "redis.maxmemory": _Limit("memory of the machine that Redis runs on"),
    "policy.access_ttl_s": _Limit(
        "people who are inside and do not buy keep their place for longer, so fewer get in",
    ),
}


def advice_lines(failures: Sequence[Failure]) -> Iterator[str]:
    """A sentence for each limit that failures name, the first ones, in their order.

    A limit that the scale has made too small to blame is not advised on: a larger scale is.
    """
    named = {one["resource"]: one for one in failures if one["resource"]}
    for key, failure in list(named.items())[:_MOST]:
        yield _advice(key, failure)


def _advice(key: str, failure: Failure) -> str:
    setting = failure.get("setting")
    if key == SEATS:
        return (
            "no setting gives more: every seat was sold and paid for. Lower the threshold, or put "
            "more seats on sale"
        )
    if failure.get("rounded"):
        return f"{key}: run at a larger --scale first, to see whether it is the limit at full size"
    known = _LIMITS.get(key)
    now = f"{key} = {_shown(setting)} now" if setting is not None else key
    trying = _trying(key, setting)
    parts = [f"{now}; try {trying}" if trying else now]
    if known is not None:
        parts.append(f"its price: {known.cost}")
        if known.instead:
            parts.append(f"instead: {known.instead}")
    return "; ".join(parts)


def _trying(key: str, setting: float | str | None) -> str:
    """The option that doubles a limit, as every command takes it."""
    if isinstance(setting, int | float) and setting > 0:
        return f"--set {key}={_FACTOR * setting}"
    return ""


def _shown(setting: float | str) -> str:
    return setting if isinstance(setting, str) else f"{setting:,}"
