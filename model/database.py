"""The database port over a SQLAlchemy engine: a pool, transactions, and the errors of both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Engine, create_engine, event, exc
from sqlalchemy.pool import QueuePool

from model.errors import DatabaseError, DeadlockError, LockTimeoutError, PoolTimeoutError

_READ_ONLY: Final = "ticketsim_read_only"
_DEADLOCK: Final = ("1213", "40P01", "40001", "deadlock")
_LOCK_TIMEOUT: Final = ("1205", "55P03", "locked", "lock timeout")


class EngineDatabase:
    """Borrows connections from an engine's pool."""

    def __init__(self, engine: Engine) -> None:
        self._engines = {
            read_only: engine.execution_options(**{_READ_ONLY: read_only})
            for read_only in (False, True)
        }

    @contextmanager
    def begin(self, *, read_only: bool = False) -> Iterator[sqlalchemy.Connection]:
        """Borrow a connection for one transaction, see `ports.Database`."""
        try:
            with self._engines[read_only].begin() as connection:
                yield connection
        except exc.TimeoutError as error:
            raise PoolTimeoutError(str(error)) from error
        except exc.DBAPIError as error:
            raise _translate(error) from error


def open_sqlite(path: str, *, pool_size: int = 10, pool_timeout_s: float = 30.0) -> Engine:
    """Open a SQLite file with a pool of connections that has HikariCP's defaults.

    Read-write transactions run one at a time: each takes the write lock at BEGIN, because SQLite
    cannot turn a reader into a writer once another transaction has committed.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout_s,
        connect_args={"check_same_thread": False, "timeout": pool_timeout_s},
    )
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin)
    return engine


def open_database(url: str, *, pool_size: int = 10, pool_timeout_s: float = 30.0) -> Engine:
    """Open MariaDB, MySQL or PostgreSQL by its SQLAlchemy URL, with a pool as `open_sqlite` has.

    The isolation is the server's default.
    """
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout_s,
    )


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: sqlalchemy.Connection) -> None:
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _translate(error: exc.DBAPIError) -> DatabaseError:
    text = f"{getattr(error.orig, 'args', '')} {getattr(error.orig, 'sqlstate', '')}".lower()
    if any(mark.lower() in text for mark in _DEADLOCK):
        return DeadlockError(str(error))
    if any(mark in text for mark in _LOCK_TIMEOUT):
        return LockTimeoutError(str(error))
    return DatabaseError(str(error))
