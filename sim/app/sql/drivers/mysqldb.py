"""The modules MySQLdb and pymysql as Django and direct users of a driver import them."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any, Final

from sim.app.sql.drivers.dialects import MYSQL
from sim.app.sql.drivers.modules import connect_with, module_of, refuse_driver

if TYPE_CHECKING:
    from sim.app.sql.drivers.sessions import Connection

_FIELD_TYPES: Final = {
    name: number
    for number, name in enumerate(
        ("DECIMAL", "TINY", "SHORT", "LONG", "FLOAT", "DOUBLE", "NULL", "TIMESTAMP", "LONGLONG"),
    )
} | {"INT24": 9, "DATE": 10, "TIME": 11, "DATETIME": 12, "YEAR": 13, "VARCHAR": 15, "BIT": 16}
_MORE_TYPES: Final = {
    "JSON": 245,
    "NEWDECIMAL": 246,
    "ENUM": 247,
    "SET": 248,
    "TINY_BLOB": 249,
    "MEDIUM_BLOB": 250,
    "LONG_BLOB": 251,
    "BLOB": 252,
    "VAR_STRING": 253,
    "STRING": 254,
    "GEOMETRY": 255,
    "CHAR": 1,
    "NEWDATE": 14,
}
_DRIVERS_REFUSED: Final = ("mysql.connector", "asyncpg", "aiomysql", "asyncmy", "pg8000.dbapi")


def _connect(*args: Any, **options: Any) -> Connection:
    name = options.get("database") or options.get("db") or (args[3] if len(args) > 3 else "main")  # noqa: PLR2004 - host, user, password, database
    return connect_with(MYSQL, str(name), autocommit=bool(options.get("autocommit", False)))


def _mysqldb() -> dict[str, types.ModuleType]:
    module = module_of("MySQLdb", MYSQL, _connect)
    module.paramstyle = "format"  # type: ignore[attr-defined]  # a module's own name
    constants = types.ModuleType("MySQLdb.constants")
    client = types.ModuleType("MySQLdb.constants.CLIENT")
    client.FOUND_ROWS = 2  # type: ignore[attr-defined]  # likewise
    fields = types.ModuleType("MySQLdb.constants.FIELD_TYPE")
    for name, number in (_FIELD_TYPES | _MORE_TYPES).items():
        setattr(fields, name, number)
    for name, inner in (("CLIENT", client), ("FIELD_TYPE", fields)):
        setattr(constants, name, inner)
    converters = types.ModuleType("MySQLdb.converters")
    converters.conversions = {}  # type: ignore[attr-defined]  # likewise
    for name, inner in (("constants", constants), ("converters", converters)):
        setattr(module, name, inner)
    return {
        "MySQLdb": module,
        "MySQLdb.constants": constants,
        "MySQLdb.constants.CLIENT": client,
        "MySQLdb.constants.FIELD_TYPE": fields,
        "MySQLdb.converters": converters,
    }


def install() -> None:
    """Give code that imports pymysql itself the simulated databases, permanently."""
    try:
        module: Any = importlib.import_module("pymysql")
    except ImportError:
        pass
    else:
        module.connect = module.Connect = _either(module.connect, _connect)
    for name in _DRIVERS_REFUSED:
        refused: Any = sys.modules.get(name)
        if refused is not None:
            refused.connect = refuse_driver(name)


class DriverModules:
    """`MySQLdb` is the simulated module from `put` to `take_back`; what was there comes back."""

    def __init__(self) -> None:
        # One set for all runs: libraries that stay imported, as Django, keep its classes.
        self._simulated = _mysqldb()
        self._before: dict[str, types.ModuleType | None] = {}

    def put(self) -> None:
        """Make imports find the simulated modules; twice is as once."""
        for name, module in self._simulated.items():
            found = sys.modules.get(name)
            if found is not module:
                self._before[name] = found
                sys.modules[name] = module

    def take_back(self) -> None:
        """Make imports find what they found before `put`."""
        for name, module in self._before.items():
            if sys.modules.get(name) is not self._simulated[name]:
                continue
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
        self._before.clear()


DRIVER_MODULES: Final = DriverModules()


def _either(real: Any, simulated: Any) -> Any:
    from sim.app.seams.runtime import RUNTIME  # noqa: PLC0415 - beside its only use

    def connect(*args: Any, **options: Any) -> Any:
        return (real if RUNTIME.thread is None else simulated)(*args, **options)

    return connect
