"""The pool of connections to the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from model.setting import Setting


@dataclass(frozen=True, slots=True)
class Pool:
    """The database connection pool."""

    connections: Annotated[
        int,
        Gt(0),
        Le(100_000),
        Setting(
            "connections to the database, of all instances together",
            "connections",
            "HikariCP: maximumPoolSize",
            1,
            1_000,
        ),
    ] = 10
    timeout_s: Annotated[
        float,
        Gt(0),
        Setting("longest wait for a connection", "s", "HikariCP: connectionTimeout", 0.25, 300),
    ] = 30.0
    barging: Annotated[
        bool,
        Setting(
            "whether a thread that asks at the moment a connection is returned goes before "
            "the threads that wait for one",
            source="HikariCP: ConcurrentBag; measured: few of very many borrows reach the timeout",
        ),
    ] = True
    slowdown: Annotated[
        float,
        Ge(1),
        Setting(
            "factor on the time that each borrower keeps a connection; above 1 only in "
            "scaled worlds",
            "",
            "1 by definition",
            1,
            1_000,
        ),
    ] = 1.0
