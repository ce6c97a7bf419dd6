"""Writes files that appear whole or not at all; explains in one line why one cannot be written."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from experiments.errors import OutputError


def check_writable(path: Path) -> None:
    """Raise OutputError now rather than after the work."""
    folder = path.absolute().parent
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; allowed: the name of a file")
    if not folder.is_dir():
        raise OutputError(f"{path}: cannot be written: no such folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


@contextmanager
def explaining(name: Path | str) -> Iterator[None]:
    """Turn what the disk says into an OutputError in one line; `name` is how messages call it."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{name}: cannot be written: {error.strerror or error}") from error


@contextmanager
def whole_binary(path: Path, name: str = "") -> Iterator[IO[bytes]]:
    """Write the file; it appears when the block ends without an error.

    Args:
        path: the file; a device or a pipe is written directly.
        name: how messages call it, when not by its path.

    Raises:
        OutputError: the disk does not take it.
    """
    with explaining(name or path), _staged(path) as file:
        yield file


@contextmanager
def _staged(path: Path) -> Iterator[IO[bytes]]:
    if path.exists() and not (path.is_file() or path.is_dir()):
        with path.open("wb") as file:
            yield file
        return
    staging = ""
    try:
        handle, staging = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(staging).chmod(0o644)
        Path(staging).replace(path)
    finally:
        with suppress(OSError):
            Path(staging).unlink()


@contextmanager
def whole_text(path: Path) -> Iterator[IO[str]]:
    """As `whole_binary`, for text; packed when the name ends in .gz."""
    with whole_binary(path) as file:
        if path.suffix == ".gz":
            with gzip.open(file, "wt", encoding="utf-8", newline="") as packed:
                yield cast("IO[str]", packed)
            return
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


def write_text(path: Path, text: str, name: str = "") -> None:
    """Write a whole file. Arguments and errors are those of `whole_binary`."""
    with whole_binary(path, name) as file:
        file.write(text.encode())


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file and wait until the disk has it. Raises OSError."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
