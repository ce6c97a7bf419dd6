"""What the runs of an application leave behind in this process; cleared before a later run.

A run imports the application's modules anew, and its world is full of cycles of references. So
each run leaves garbage until Python looks for such cycles, which it does the more seldom the more
objects live. A cache of a library (`functools.lru_cache`) with a function or class of the
application as a key keeps that copy of its modules, with everything it refers to; one with a
simulated driver as a key keeps a driver of each run.
"""

from __future__ import annotations

import functools
import gc
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from sim.app.seams.clock import REAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_process_time: Final = REAL["process_time"]
_Cache: Final[Any] = functools._lru_cache_wrapper
_MOST_SHARE: Final = 0.1
"""Clearing takes a quarter of a second where libraries have made 200,000 objects: short runs share
one clearing, so that it takes at most this part of the process's time."""
_DEPTH: Final = 5
"""From a cache over its dictionary, an entry, a key and an object in the key to a function."""
_OURS: Final = "sim.app."
_LEAVES: Final = (str, bytes, int, float, ModuleType)


class Leftovers:
    """The application's modules that runs have imported, and the caches that may hold them."""

    def __init__(self) -> None:
        self._modules: set[str] = set()
        self._misses: dict[int, int] = {}
        """Results that a cache had computed when it was last looked at, by its id."""
        self._cleared_s = self._took_s = 0.0

    def note(self, modules: Iterable[str]) -> None:
        """A run has imported modules of these names."""
        self._modules.update(modules)

    def clear_if_due(self) -> None:
        """Clear, if runs were made and it takes little of the time since the last clearing."""
        if self._modules and (_process_time() - self._cleared_s) * _MOST_SHARE >= self._took_s:
            self.clear()

    def clear(self) -> None:
        """Empty the caches that refer to the application, and free what earlier runs have left."""
        began_s = _process_time()
        for cache in _caches():
            misses = cache.cache_info().misses
            if misses == self._misses.get(id(cache), 0):
                continue
            if _refers(cache, self._modules):
                cache.cache_clear()
                misses = 0
            self._misses[id(cache)] = misses
        gc.collect()
        self._modules.clear()
        self._cleared_s = _process_time()
        self._took_s = self._cleared_s - began_s


def _caches() -> Iterator[Any]:
    for each in gc.get_objects():
        if type(each) is _Cache and not str(each.__module__).startswith(_OURS):
            yield each


def _refers(cache: Any, modules: set[str]) -> bool:
    """Whether an entry refers to a function, class or object of these modules, or of ours."""
    seen: set[int] = set()
    level: list[Any] = [each for each in gc.get_referents(cache) if each is not cache.__wrapped__]
    for _ in range(_DEPTH):
        found = []
        for each in level:
            if id(each) in seen or isinstance(each, _LEAVES):
                continue
            seen.add(id(each))
            module = getattr(each, "__module__", None)
            if module in modules or str(module).startswith(_OURS):
                return True
            if not isinstance(each, (type, FunctionType, _Cache)):
                found.append(each)
        level = gc.get_referents(*found)
    return False


LEFTOVERS: Final = Leftovers()
