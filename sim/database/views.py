"""A separate view for each transaction of one SQLite database in memory.

SQLite itself holds the committed rows. The changes of an open transaction are a log of SQL that can
be applied inside a savepoint and rolled back again. At any time the changes of at most one
transaction are applied. They stay applied until another transaction must not see them. A statement
runs at one instant of simulated time, so no other transaction can read in between. Row locks (see
`locks`) make sure that a log changes the same rows in the same way each time it is applied.

For a read as of an earlier commit, the rows that later commits changed are put back from the images
in the history, inside the same savepoint.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

RowKey = tuple[str, Any]
"""Table and key of a row."""
Image = tuple[Any, ...] | None
"""A row's columns as SQLite stores them; None if there is no row."""


class Changes:
    """The changes of one transaction so far."""

    __slots__ = ("before", "log", "tables")

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.tables: set[str] = set()
        self.before: dict[RowKey, Image] = {}
        """Committed image of each changed row; the row is locked, so the image stays valid."""

    def clear(self) -> None:
        """Remove all changes."""
        self.log.clear()
        self.tables.clear()
        self.before.clear()


class TransactionViews(ABC):
    """The committed rows, the changes that are applied, and the history of commits."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw: Final = raw
        self.version = 0
        """Commits so far."""
        self.replayed = 0
        """Logged changes applied again."""
        self._applied: Changes | None = None
        self._changed_at: dict[str, int] = {}
        self._history: Final[deque[tuple[int, dict[RowKey, Image]]]] = deque()

    @abstractmethod
    def image(self, row: RowKey) -> Image:
        """The row as the connection sees it now."""

    @abstractmethod
    def _physical(self, row: RowKey, image: Image) -> tuple[str, Any]:
        """SQL, with its values, that gives one row the columns of `image`."""

    def apply(self, changes: Changes) -> None:
        """Show exactly the committed rows plus these changes."""
        if self._applied is changes:
            return
        self.hide()
        if changes.log:
            self.raw.execute("SAVEPOINT view")
            self._applied = changes
            self._replay(changes)

    def _replay(self, changes: Changes) -> None:
        execute = self.raw.execute
        for sql, values in changes.log:
            execute(sql, values)
        self.replayed += len(changes.log)

    def begin_write(self, changes: Changes) -> None:
        """Show the committed rows plus the changes, inside a savepoint that takes more of them."""
        self.apply(changes)
        if self._applied is None:
            self.raw.execute("SAVEPOINT view")
            self._applied = changes

    def hide(self) -> None:
        """Show only committed rows."""
        if self._applied is not None:
            self._applied = None
            self.raw.execute("ROLLBACK TO view")
            self.raw.execute("RELEASE view")

    def reveal(self, tables: frozenset[str]) -> None:
        """Show only committed rows, at least in these tables."""
        if self._applied is not None and not self._applied.tables.isdisjoint(tables):
            self.hide()

    @contextmanager
    def as_of(self, snapshot: int, changes: Changes, tables: Collection[str]) -> Iterator[None]:
        """Show the rows of tables as of commit `snapshot`, plus a reader's own changes."""
        self.apply(changes)
        own = [(row, self.image(row)) for row in changes.before if row[0] in tables]
        self.hide()
        self.raw.execute("SAVEPOINT view")
        try:
            # A parent row may be removed before its children; constraints are checked at the
            # savepoint's end.
            self.raw.execute("PRAGMA defer_foreign_keys = ON")
            for version, before in reversed(self._history):
                if version <= snapshot:
                    break
                for row, image in reversed(before.items()):
                    if row[0] in tables and row not in changes.before:
                        self.raw.execute(*self._physical(row, image))
            for row, image in own:
                self.raw.execute(*self._physical(row, image))
            yield
        finally:
            self.raw.execute("ROLLBACK TO view")
            self.raw.execute("RELEASE view")

    def make_permanent(self, changes: Changes, *, keep_history: bool) -> None:
        """Commit the changes that are applied.

        `keep_history` if a transaction still reads an earlier state.
        """
        self.raw.execute("RELEASE view")
        self._applied = None
        self.version += 1
        for table in changes.tables:
            self._changed_at[table] = self.version
        if keep_history:
            self._history.append((self.version, changes.before))

    def trim(self, oldest: int) -> None:
        """Drop history: no transaction reads a state before commit `oldest` any more."""
        history = self._history
        while history and history[0][0] <= oldest:
            history.popleft()

    def changed_since(self, row: RowKey, snapshot: int) -> bool:
        """Whether a commit after `snapshot` has changed the row."""
        for version, before in reversed(self._history):
            if version <= snapshot:
                return False
            if row in before:
                return True
        return False
