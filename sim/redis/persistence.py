"""Snapshots on disk (RDB): their start, their cost, and the data after a restart.

A save point (seconds, changes) starts a snapshot once both have passed. The server stands still
while it forks. The child process then writes for a while. Pages that change meanwhile are copied,
so this share of the memory is used twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.redis.settings import RedisSettings

_GB = 1024**3
_MB = 1024**2

Snapshot = dict[int, dict[bytes, tuple[Any, float | None]]]
"""Database number, key, (value, expiry in epoch seconds)."""


@dataclass(frozen=True, slots=True)
class Fork:
    """One background save."""

    started_s: float
    """Epoch seconds."""
    stall_s: float
    """Time for which the server answers no client."""
    writing_s: float
    """Time for which the child process exists."""
    copied_bytes: int
    """Additional memory that the host needs until the child has finished."""


class Persistence:
    """The snapshot on disk, and the snapshot that is being written."""

    def __init__(self, settings: RedisSettings, now_s: float) -> None:
        self.save_points = settings.save_points
        self.last_save_s = now_s
        self.saves = 0
        self.running: Fork | None = None
        self.last_fork: Fork | None = None
        self.on_disk: Snapshot = {}
        self._settings = settings
        self._being_written: Snapshot = {}
        self._changes_at_fork = 0

    def is_due(self, now_s: float, changes: int) -> bool:
        """Whether a save point has been passed and no snapshot is being written."""
        return self.running is None and any(
            changes >= least and now_s - self.last_save_s > seconds
            for seconds, least in self.save_points
        )

    def start(self, now_s: float, used_bytes: int, changes: int, contents: Snapshot) -> Fork:
        """Fork now; `contents` will be on disk when the child has finished."""
        settings = self._settings
        fork = self.running = self.last_fork = Fork(
            started_s=now_s,
            stall_s=settings.fork_s_per_gb * used_bytes / _GB,
            writing_s=used_bytes / (settings.save_mb_per_s * _MB),
            copied_bytes=int(settings.fork_copied_share * used_bytes),
        )
        self._being_written = contents
        self._changes_at_fork = changes
        return fork

    def finish_if_done(self, now_s: float, finished: Callable[[int], None]) -> None:
        """End a child that has written everything; `finished` gets the number of saved changes."""
        fork = self.running
        if fork is None or now_s < fork.started_s + fork.writing_s:
            return
        self.running = None
        self.put_on_disk(self._being_written, fork.started_s + fork.writing_s)
        finished(self._changes_at_fork)

    def put_on_disk(self, contents: Snapshot, now_s: float) -> None:
        """Replace the snapshot on disk."""
        self.on_disk = contents
        self._being_written = {}
        self.last_save_s = now_s
        self.saves += 1

    def abort(self) -> None:
        """End the process: a child that still writes is lost, and the old snapshot stays."""
        self.running = None
        self._being_written = {}
