"""Invariants of an application: the user's own function of rows and Redis keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sim.app.errors import ApplicationError
from sim.app.modules import imported
from sim.app.watching.stock import Stock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from sim.app.server import ApplicationServer
    from sim.measure.funnel import Funnel
    from sim.measure.requests import RequestLog
    from sim.result import Counts

_BYTES: Final = "surrogateescape"
_WORD: Final = re.compile(r"\w+")


class InvariantError(ApplicationError):
    """The user's function of rows and keys failed, or did not return counts."""


class Rows:
    """Committed rows. `rows["seats"]` is a list of dictionaries; `rows.sql(...)` asks SQLite."""

    def __init__(self, server: ApplicationServer) -> None:
        self._databases = server.database
        self.judged: set[tuple[str, ...]] = set()
        """The tables that were asked for, as ("table", name)."""

    def _stores(self) -> Iterator[Any]:
        for database in self._databases.by_name.values():
            yield database.store

    def __getitem__(self, table: str) -> list[dict[str, Any]]:
        for store in self._stores():
            if table in store.tables:
                self.judged.add(("table", table))
                found: list[dict[str, Any]] = store.rows(table)
                return found
        raise KeyError(
            f"no table {table}; there are: "
            f"{', '.join(name for store in self._stores() for name in store.tables) or 'none'}"
        )

    def __contains__(self, table: str) -> bool:
        return any(table in store.tables for store in self._stores())

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a SELECT in SQLite's words on the committed rows of the first database."""
        store = next(self._stores(), None)
        named = () if store is None else {*_WORD.findall(statement)} & {*store.tables}
        self.judged |= {("table", name) for name in named}
        return [] if store is None else list(store.committed(statement, values))

    def count(self, statement: str, *values: Any) -> int:
        """The number that a SELECT with one number as its result returns."""
        found = self.sql(statement, *values)
        return int(found[0][0] or 0) if found else 0


class Keys:
    """Redis keys: `keys["inside"]` is bytes, a set, a list or a dictionary; None if missing."""

    def __init__(self, server: ApplicationServer) -> None:
        self._redis = server.redis
        self.judged: set[tuple[str, ...]] = set()
        """The keys that were asked for, as ("key", name)."""

    def __getitem__(self, key: str) -> Any:
        self.judged.add(("key", key))
        if not self._redis.up:
            return None
        entry = self._redis.keyspaces[0].peek(key.encode())
        if entry is None:
            return None
        value = entry.value
        return dict(value.items()) if hasattr(value, "items") else value

    def size(self, key: str) -> int:
        """Members, fields or bytes of a key; 0 if it is missing."""
        found = self[key]
        return 0 if found is None else len(found)

    def __iter__(self) -> Iterator[str]:
        if self._redis.up:
            for key in sorted(self._redis.keyspaces[0]):
                yield key.decode(errors=_BYTES)


class ApplicationWatch:
    """The invariants of an application; has the interface of the ticket service's `Watch`."""

    sizes_before_removal = None
    most_passed = 0

    def __init__(
        self, server: ApplicationServer, failed: Callable[[ApplicationError], None]
    ) -> None:
        self._server = server
        self._failed = failed
        self._path = server.settings.invariants
        self._function: Any = None
        self._rows, self._keys = Rows(server), Keys(server)
        self._asked_at: tuple[int, int] = (-1, -1)
        self._answers: Counts = {}
        self._stock: Stock | None = None
        self.most_at_once: int | None = None

    def before_command(self, name: str) -> None:
        """Do nothing: invariants are not checked after single commands."""

    def passed(self) -> int:
        """There is no waiting room."""
        return 0

    waiting = passed

    def look(self) -> None:
        """Do nothing: no event is counted."""

    def violations(self, _funnel: Funnel, log: RequestLog, leaked: int) -> Counts:
        """Return invariant -> violations, in the rows committed now."""
        server = self._server
        if server.world.search.inspects:
            self._look_at_contention()
        at = (server.database.version, server.redis.commands_processed)
        if at != self._asked_at:
            self._asked_at = at
            self._answers = self._ask()
        counts = dict(self._answers)
        # A background process may be in the middle of a transaction when the load ends.
        left_open = 0 if server.busy or server.background else len(server.database.open)
        counts["transactions_left_open"] = max(leaked, left_open)
        causes = sum(sum(row.values()) for row in log.errors().values())
        counts["failures_unaccounted"] = abs(log.failed - causes)
        counts["time_reversals"] = 0
        return counts

    def _look_at_contention(self) -> None:
        """What the load makes scarce; inspected runs ask first as the load begins."""
        if self._stock is None:
            self._stock = Stock(self._server)
        self.most_at_once = max(self.most_at_once or 0, self._server.busy)

    @property
    def judged(self) -> Collection[tuple[str, ...]]:
        """The tables and keys that the user's function has asked for."""
        return self._rows.judged | self._keys.judged

    @property
    def lowest(self) -> Counts:
        """See `Stock`; empty where events are not inspected."""
        return {} if self._stock is None else dict(sorted(self._stock.lowest.items()))

    def _ask(self) -> Counts:
        if not self._path or not self._server.booted:
            return {}
        if self._function is None:
            self._function = imported(self._path)
        try:
            found = self._function(self._rows, self._keys)
            return {str(name): int(count) for name, count in found.items()}
        except Exception as error:  # noqa: BLE001 - the user's own code can raise any error
            failure = InvariantError(
                f"app.invariants {self._path}: {type(error).__name__}: {error}; it is called with "
                "(rows, keys) and returns {name: number of violations}"
            )
            failure.__cause__ = error
            self._failed(failure)
            return {}
