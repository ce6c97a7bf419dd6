"""A file that appears whole or not at all, in the place of the one that was there."""

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
def whole_binary(path: Path) -> Iterator[IO[bytes]]:
    """Write the file; it appears when the block ends without an error.

    Raises:
        OutputError: the disk does not take it.
    """
    staging = ""
    try:
        handle, staging = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(staging).chmod(0o644)
        Path(staging).replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
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
