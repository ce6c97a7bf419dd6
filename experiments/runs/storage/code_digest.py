"""Digests of the program and of the user's code: results are resumed only by the same code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from experiments.config.user_code import OURS, file_of, module_of_others, paths_in

_KINDS: Final = (".py", ".toml")
_BYTES: Final = 4


@lru_cache(maxsize=1)
def program_digest() -> str:
    """Digest of what simulates: the sources and cost tables of `model` and `sim`."""
    files = (file for name in OURS for file in _files(resources.files(name), name))
    return _digest((place, file.read_bytes()) for place, file in sorted(files, key=_place))


def named_digest(resolved: Mapping[str, Any]) -> str:
    """Digest of the files of the modules that a config names as code; empty if all are ours.

    What such a module imports is not in it.

    Args:
        resolved: a checked config as a table, so that its modules are imported already.
    """
    found = {module for path in paths_in(resolved) if (module := module_of_others(path))}
    theirs = sorted(found)
    return _digest((name, _source(name)) for name in theirs) if theirs else ""


def _files(folder: Traversable, place: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        name = f"{place}/{entry.name}"
        if entry.is_dir():
            yield from _files(entry, name)
        elif entry.name.endswith(_KINDS):
            yield name, entry


def _place(file: tuple[str, Traversable]) -> str:
    return file[0]


def _source(module: str) -> bytes:
    path = file_of(module)
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:
        return b""


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    digest = blake2b(digest_size=_BYTES)
    for name, content in parts:
        # Line ends are the checkout's affair.
        text = content.replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(text)}\n".encode() + text)
    return digest.hexdigest()
