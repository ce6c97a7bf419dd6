"""Connections between an application's libraries and the simulated world.

Each seam gives a simulated thread simulated time, random numbers or stores, and does not change
other threads (`runtime` knows which thread is running).
"""

from __future__ import annotations

_installed: list[bool] = []


def install() -> None:
    """Install every seam in this process permanently. Raises `VersionError`."""
    if _installed:
        return
    from sim.app.aio import loop, streams  # noqa: PLC0415
    from sim.app.aio import redis_client as async_redis_client  # noqa: PLC0415
    from sim.app.seams import (  # noqa: PLC0415 - they exchange what others import
        clock,
        entropy,
        http,
        output,
        redis_client,
        refusals,
        threads,
    )
    from sim.app.sql.drivers import dialects, mysqldb, psycopg  # noqa: PLC0415

    clock.install()
    threads.install()
    entropy.install()
    output.install()
    redis_client.install()
    dialects.install()
    mysqldb.install()
    psycopg.install()
    refusals.install()
    http.install()
    loop.install()
    streams.install()
    async_redis_client.install()
    _installed.append(True)
