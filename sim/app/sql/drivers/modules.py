"""Modules that replace a driver's own modules and connect to simulated databases."""

from __future__ import annotations

import types
from functools import partial
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

from sim.app.errors import RefusedCallError, caller
from sim.app.seams.runtime import RUNTIME
from sim.app.sql.drivers.psycopg import PostgresConnection
from sim.app.sql.drivers.sessions import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.app.sql.drivers.driver import Driver


def connect_with(
    driver: Driver,
    database: str,
    *,
    autocommit: bool = False,
    connection: type[Connection] | None = None,
) -> Connection:
    """Connect the application to one of its databases. Raises the driver's OperationalError."""
    if not RUNTIME.simulates:
        raise driver.errors["OperationalError"](2003, "no simulation is running")
    own = PostgresConnection if driver.dialect == "postgres" else Connection
    kind = connection or own
    return kind(RUNTIME.database(database, driver.dialect), driver, autocommit=autocommit)


def module_of(
    name: str,
    driver: Driver,
    connect: Callable[..., Connection] | None = None,
    *,
    connection: type[Connection] | None = None,
) -> types.ModuleType:
    """A module with PEP 249's names; without `connect` its own takes a database's name."""
    module = types.ModuleType(name)
    module.__spec__ = ModuleSpec(name, None, origin="simulated")
    for key, value in {
        **driver.errors,
        "apilevel": "2.0",
        "threadsafety": 1,
        "paramstyle": "named",
        "connect": connect or partial(connect_with, driver, connection=connection),
        "Connection": connection or Connection,
        "Binary": bytes,
        "__version__": "0",
        "version_info": (2, 2, 1, "final", 0),
    }.items():
        setattr(module, key, value)
    return module


def refuse_driver(name: str) -> Callable[..., Any]:
    """The replacement of `connect` in a driver that is not simulated."""

    def connect(*_args: Any, **_options: Any) -> Any:
        if RUNTIME.thread is None:
            raise OSError(f"{name}.connect: nothing connects outside a simulated thread")
        error = RefusedCallError(
            f"{caller(RUNTIME.roots)}: {name}.connect: this driver is not simulated; use "
            "SQLAlchemy with mysql+pymysql, mysql+mysqldb, mariadb+pymysql, postgresql+psycopg2 "
            "or postgresql+psycopg, or Django"
        )
        RUNTIME.refuse(error)
        raise error

    return connect
