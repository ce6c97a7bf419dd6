"""Invariants looked at after every event, and the events that led to the first violation.

For worlds of a handful of users: every look costs as much as the world is large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sim.measure.inspection.decisive import decisive
from sim.measure.inspection.trace import Trace, TracedCharge
from sim.measure.invariants import PASSED, WAITING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sim.kernel.environment import Environment
    from sim.measure.inspection.trace import Thing
    from sim.result import Counts
    from sim.service.host import Server

_INFINITY: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Violation:
    """The first invariant that broke: when (seconds since the load began), and how often."""

    time_s: float
    invariants: Counts
    events: int
    """Events before it."""


class Line:
    """The order of arrival, and people who were let in before others who had come earlier.

    Came earlier: stood in the line before, both by the place that the service noted and by the
    order in which the places were written. A place noted before another one, and written after
    it, is nobody's right.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._started_s = server.redis.started_s
        self._joined: dict[bytes, int] = {}
        self._noted: dict[bytes, float] = {}
        """Place in the line of every person who was not let in since."""
        self._places: Mapping[bytes, float] = {}
        self._inside: set[bytes] = set()
        self._number = 0
        self.overtaken = 0
        """People who were let in before somebody who had come earlier and still waited."""

    def look(self) -> None:
        """Compare both sets with what they were at the last look."""
        passed, places = self._members(PASSED), self._members(WAITING)
        # A member of both sets with an older score in passed is a late helper's mistake, not in.
        inside = {
            member
            for member, score in passed.items()
            if member not in places or score >= places[member]
        }
        for member, place in places.items():
            if member not in self._places:
                self._number += 1
                self._joined[member] = self._number
            self._noted[member] = place
        if self._server.redis.started_s != self._started_s:
            # It came back with what it had saved: nobody was let in just now.
            self._started_s, self._inside = self._server.redis.started_s, inside
        for member in inside - self._inside:
            # Who never stood in the line comes now.
            self._number += 1
            joined = self._joined.pop(member, self._number)
            place = self._noted.pop(member, _INFINITY)
            self.overtaken += any(
                self._joined.get(other, self._number) < joined and other_place < place
                for other, other_place in places.items()
                if other not in inside
            )
        self._places = places
        self._inside = inside

    def _members(self, key: str) -> dict[bytes, float]:
        redis = self._server.redis
        entry = redis.keyspaces[0].peek(key.encode()) if redis.up else None
        return {} if entry is None else dict(entry.value.items())


class Inspection:
    """Checks the invariants after every event, and ends the run at the first violation."""

    def __init__(
        self,
        env: Environment,
        server: Server,
        violations: Callable[[], Counts],
        requests: Callable[[], int],
        end: Callable[[], None],
        only: Collection[str],
        judged: Callable[[], Collection[Thing]],
    ) -> None:
        self._env = env
        self._server = server
        self._violations = violations
        self._requests = requests
        self._end = end
        self._only = only
        self._judged = judged
        """The tables and keys that the invariants look at, as far as that is known."""
        self._seen = (-1, -1, -1)
        self._line = Line(server)
        self.trace = Trace(env)
        self.events = 0
        self.reversals = 0
        """Events earlier than the one before."""
        self._last_s = 0.0
        self.found: Violation | None = None

    def start(self) -> None:
        """Look from now on: the load begins."""
        server = self._server
        self.trace.begins_s = self._env.now
        server.redis.after_command.append(self.trace.command)
        server.database.charge = TracedCharge(server.charges, self.trace)
        # The databases of an application tell more: the rows and the values of a statement.
        tell = getattr(server.database, "tell_statements", None)
        if tell is not None:
            tell(self.trace.statement_details)
        self._env.inspect = self.look

    def look(self) -> None:
        """An event is over."""
        self.events += 1
        now_s = self._env.now
        self.reversals += now_s < self._last_s
        self._last_s = now_s
        server = self._server
        seen = (server.redis.commands_processed, server.database.storage.version, self._requests())
        if seen == self._seen or self.found is not None:
            return
        if seen[0] != self._seen[0]:
            self._line.look()
        self._seen = seen
        counts = self.counts(self._violations())
        broken = {name: count for name, count in counts.items() if count}
        if any(not self._only or name in self._only for name in broken):
            time_s = self._env.now - self.trace.begins_s
            self.found = Violation(time_s, broken, self.events)
            self._end()

    def counts(self, counts: Counts) -> Counts:
        """Add what only inspection sees, and what was broken where it ended the run."""
        reversals = max(counts["time_reversals"], self.reversals)
        counts = {**counts, "time_reversals": reversals, "overtaken": self._line.overtaken}
        found = {} if self.found is None else self.found.invariants
        return {name: max(count, found.get(name, 0)) for name, count in counts.items()}

    def story(self) -> list[str]:
        """Remarks: the first violation, and what led to it."""
        found = self.found
        if found is None:
            return [f"invariants kept after each of {self.events:,} events"]
        broken = ", ".join(f"{name} {count:,}" for name, count in found.invariants.items())
        return [
            *decisive(self.trace.events, self._judged()),
            f"{found.time_s:.4f} s  broken after {found.events:,} events: {broken}",
        ]
