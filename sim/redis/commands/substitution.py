"""Lends a server's clock and random generator to fakeredis while one command runs.

Ten modules of fakeredis read `time.time()` and five the global `random` directly. Commands are
atomic and run one at a time. So the names in these modules are replaced during a command and
restored after it. Other users of fakeredis in the process see no change.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import fakeredis._core._database as database
import fakeredis._helpers as helpers
import fakeredis.commands_mixins.connection_mixin as connection
import fakeredis.commands_mixins.hash_mixin as hashes
import fakeredis.commands_mixins.server_mixin as server
import fakeredis.commands_mixins.sortedset_mixin as sorted_sets
import fakeredis.model._client_info as client_info
import fakeredis.model._expiring_members_set as sets
import fakeredis.model._stream as streams


class Substitution:
    """One server's stand-ins for the modules `time` and `random`."""

    def __init__(self, now_s: Callable[[], float], rng: random.Random) -> None:
        clock = SimpleNamespace(time=now_s)
        readers: tuple[Any, ...] = (helpers, connection, server, client_info, streams)
        gamblers: tuple[Any, ...] = (database, hashes, sorted_sets, sets)
        self._stand_ins: list[tuple[Any, str, Any]] = [
            *((module, "time", clock) for module in readers),
            *((module, "random", rng) for module in gamblers),
        ]

    @contextmanager
    def active(self) -> Iterator[None]:
        """Replace the names, run the block, restore the names."""
        originals = [(module, name, getattr(module, name)) for module, name, _ in self._stand_ins]
        for module, name, stand_in in self._stand_ins:
            setattr(module, name, stand_in)
        try:
            yield
        finally:
            for module, name, original in originals:
                setattr(module, name, original)
