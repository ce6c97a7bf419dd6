"""Calls in coroutines that block their event loop: where, how often, for how long."""

from __future__ import annotations

from typing import Any, Final

from sim.app.errors import caller
from sim.app.seams.runtime import RUNTIME

_SHOWN: Final = 5


class BlockingCalls:
    """The blocking calls of a run by place and reason."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[float]] = {}
        """(place, reason) -> [calls, seconds]."""
        self.since: dict[Any, tuple[tuple[str, str], float]] = {}
        """Thread of the loop that is blocked now -> (place and reason, time)."""

    def begin(self) -> None:
        """A run begins."""
        self.found, self.since = {}, {}
        RUNTIME.on_block = self.note

    def note(self, reason: str) -> None:
        """A coroutine calls what blocks its loop until `over`."""
        env, thread = RUNTIME.env, RUNTIME.thread
        if env is None or thread is None:
            return
        self.over()
        key = caller(RUNTIME.roots), reason
        self.found.setdefault(key, [0, 0.0])[0] += 1
        self.since[thread] = key, env.now

    def over(self) -> None:
        """The code of the current thread goes on."""
        env, found = RUNTIME.env, self.since.pop(RUNTIME.thread, None)
        if found is not None and env is not None:
            key, at_s = found
            self.found[key][1] += env.now - at_s

    def remarks(self) -> list[str]:
        """The worst places, each with what to do."""
        worst = sorted(self.found.items(), key=lambda each: -each[1][1])
        lines = [
            f"{place} blocks the event loop: {reason}, {calls:,.0f} times, {seconds:,.1f} s in "
            "all; nobody else is served meanwhile (await asynchronous calls, or asyncio.to_thread)"
            for (place, reason), (calls, seconds) in worst[:_SHOWN]
        ]
        if len(worst) > _SHOWN:
            lines.append(f"{len(worst) - _SHOWN} other places block the event loop")
        return lines


BLOCKED: Final = BlockingCalls()
