"""Where an application's libraries meet the world.

Each seam leads a simulated thread to simulated time, chance or stores, and leaves everybody else
alone (`runtime` knows whose thread it is).
"""

from __future__ import annotations

_installed: list[bool] = []


def install() -> None:
    """Install every seam in this process, once and for good. Raises `VersionError`."""
    if _installed:
        return
    from sim.app.seams import (  # noqa: PLC0415 - they exchange what others import
        clock,
        entropy,
        http,
        output,
        redis_client,
        refusals,
        threads,
    )
    from sim.app.sql import dialects, mysqldb  # noqa: PLC0415

    clock.install()
    threads.install()
    entropy.install()
    output.install()
    redis_client.install()
    dialects.install()
    mysqldb.install()
    refusals.install()
    http.install()
    _installed.append(True)
