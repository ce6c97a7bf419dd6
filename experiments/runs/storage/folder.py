"""A folder for results: one writer at a time, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from experiments.errors import OutputError
from experiments.runs.storage.whole_file import explaining, sync_folder, write_synced

_STAGING: Final = ".writing-"
_BUSY: Final = frozenset({errno.EWOULDBLOCK, errno.EACCES})


class Folder:
    """The folder named by `--out`, locked as long as this object lives.

    The lock is the kernel's and goes with the process, however that ends. Where the file system
    has no locks there is none.

    Raises:
        OutputError: it cannot be written, is no folder, or another process writes there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._descriptor: int | None = None
        self._created = False
        with explaining(f"--out {self.path}"):
            self._open()

    def _open(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(
                f"--out {self.path}: exists and holds no results of ticketsim; {ALLOWED}"
            )
        self._created = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _BUSY:
                raise OutputError(
                    f"--out {self.path}: another ticketsim is writing there; "
                    "allowed: wait for it, or another folder"
                ) from error
        with tempfile.TemporaryFile(dir=self.path):
            pass
        for left in self.path.glob(f"{_STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Let others write there; a folder that was made for nothing goes."""
        if self._descriptor is None:
            return
        if self._created:
            with suppress(OSError):  # There may be something in it.
                self.path.rmdir()
        os.close(self._descriptor)
        self._descriptor = None

    def __del__(self) -> None:
        self.close()

    def names(self) -> list[str]:
        """The files in it."""
        return sorted(entry.name for entry in self.path.iterdir())

    def write(self, files: Mapping[str, bytes]) -> None:
        """Put files in place, in this order, each whole; all are on disk before the first is seen.

        Raises:
            OutputError: the disk does not take them; then none is there.
        """
        with explaining(f"--out {self.path}"):
            staging = Path(tempfile.mkdtemp(dir=self.path, prefix=_STAGING))
            try:
                for name, content in files.items():
                    write_synced(staging / name, content)
                for name in files:
                    (staging / name).replace(self.path / name)
                sync_folder(self.path)
            finally:
                shutil.rmtree(staging, ignore_errors=True)


ALLOWED: Final = "allowed: a new or empty folder, or one written by ticketsim"
