"""Sends the code of users' own modules (`python_path`) to the workers of a cluster.

A worker on another machine has this program, but not the folder with the customer, the service or
the processes that a config names. All folders go as one archive beside each run. A worker unpacks
an archive once; another archive replaces the former one and the modules that came from it.
"""

from __future__ import annotations

import atexit
import dataclasses
import hashlib
import importlib
import io
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from experiments.errors import TicketsimError

_MOST_BYTES: Final = 10_000_000
"""Of all files together: an archive travels with each run."""
_MOST_BYTES_OF_DATA: Final = 1_000_000
"""Of one file that is not Python: templates and tables are smaller, results are larger."""
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages"})


class UsersCodeError(TicketsimError):
    """The folders of users' code are too large to send."""


@dataclasses.dataclass(frozen=True)
class UsersCode:
    """The files of all folders, packed; `digest` tells two archives apart."""

    digest: str
    archive: bytes


def packed(folders: Sequence[Path]) -> UsersCode | None:
    """Pack folders; None if there are none.

    Hidden files and folders stay behind, and data files of more than a megabyte.

    Raises:
        UsersCodeError: more than ten megabytes are left.
    """
    if not folders:
        return None
    memory = io.BytesIO()
    size = 0
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, folder in enumerate(folders):
            for file in _files(folder):
                data = file.read_bytes()
                size += len(data)
                if size > _MOST_BYTES:
                    raise UsersCodeError(
                        f"--cluster: python_path {folder}: more than {_MOST_BYTES / 1e6:g} MB of "
                        "files; allowed: a folder with the code alone"
                    )
                # Without a time of its own, the same files make the same archive.
                name = zipfile.ZipInfo(f"{number}/{file.relative_to(folder).as_posix()}")
                archive.writestr(name, data)
    content = memory.getvalue()
    return UsersCode(hashlib.sha256(content).hexdigest(), content)


def _files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name in _LEFT_OUT:
            continue
        if entry.is_dir():
            # A virtual environment is no code of the user's.
            if not (entry / "pyvenv.cfg").exists():
                yield from _files(entry)
        elif entry.suffix == ".py" or entry.stat().st_size <= _MOST_BYTES_OF_DATA:
            yield entry


class _Unpacked:
    """What this worker process has unpacked."""

    lock = threading.Lock()
    digest = ""
    root: Path | None = None


def unpack(code: UsersCode) -> None:
    """Make the modules of an archive importable, in place of those of a former archive."""
    with _Unpacked.lock:
        if _Unpacked.digest == code.digest:
            return
        _remove()
        root = Path(tempfile.mkdtemp(prefix="ticketsim-code-")).resolve()
        with zipfile.ZipFile(io.BytesIO(code.archive)) as archive:
            archive.extractall(root)
        sys.path += [str(folder) for folder in sorted(root.iterdir())]
        importlib.invalidate_caches()
        _Unpacked.root, _Unpacked.digest = root, code.digest


@atexit.register
def _remove() -> None:
    root = _Unpacked.root
    if root is None:
        return
    sys.path[:] = [entry for entry in sys.path if root not in Path(entry).parents]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and root in Path(file).parents:
            del sys.modules[name]
    shutil.rmtree(root, ignore_errors=True)
    _Unpacked.root, _Unpacked.digest = None, ""
