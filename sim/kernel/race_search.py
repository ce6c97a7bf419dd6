"""The search for races: other orders of events, and a check of invariants after every event.

What a thread does between two waits happens at one instant, so a race shows only if the threads
come in the right order. Real machines have many more orders than a simulation with one time for
each piece of work: here ties are broken by the seed, and threads of the service are held up at
random before they go on to Redis, the database or the client (a thread that loses its processor,
a page fault, a lost packet).

A stall is named by the number of its point, counted over all threads of the service from the
start of the run. The same world, seed and stalls give the same run, so a list of stalls is a
schedule that can be replayed and shortened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from annotated_types import Ge, Gt, Le

from model.setting import Setting

if TYPE_CHECKING:
    from sim.kernel.environment import Environment
    from sim.kernel.random_streams import Stream

_OFF = "ours: nothing is perturbed unless asked for"
_SHORTEST: Final = 1e-3
"""The shortest random stall, as a share of the longest."""


@dataclass(frozen=True, slots=True)
class Stall:
    """One thread is held up once."""

    point: Annotated[
        int, Ge(1), Setting("how many points the service's threads have come to, this one included")
    ]
    for_s: Annotated[float, Gt(0), Setting("how long", "s", low=1e-6, high=600)]


@dataclass(frozen=True, slots=True)
class Search:
    """How the order of events is perturbed, and whether every event is inspected."""

    inspects: Annotated[
        bool,
        Setting(
            "look at the invariants after every event; the run ends where the first one breaks, "
            "and its remarks show the events before that"
        ),
    ] = False
    only: Annotated[
        tuple[str, ...],
        Setting("end the run at violations of these invariants only; of any when empty"),
    ] = ()
    shuffles_ties: Annotated[
        bool,
        Setting("what is due at the same time happens in an order of the seed"),
    ] = False
    stall_probability: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("probability that a thread of the service is held up at a point", "", _OFF, 0, 0.5),
    ] = 0.0
    longest_stall_s: Annotated[
        float,
        Gt(0),
        Setting(
            "the longest such stall; their logarithms are uniform over three decades",
            "s",
            "assumed: longer than any request, so that a request can overtake another one whole",
            0.001,
            60,
        ),
    ] = 0.5
    stalls: Annotated[
        tuple[Stall, ...], Setting("stalls at given points: a schedule to be replayed")
    ] = ()


class Stalls:
    """Holds up threads of the service, at random or at given points."""

    def __init__(self, env: Environment, search: Search, rng: Stream) -> None:
        self._env = env
        self._search = search
        self._rng = rng
        self._given = {stall.point: stall.for_s for stall in search.stalls}
        self.points = 0
        """Points that threads have come to."""
        self.made: list[Stall] = []
        """The stalls so far. A run with these as given stalls is the same run."""

    @property
    def wanted(self) -> bool:
        """Whether there can be any stall."""
        return self._search.stall_probability > 0.0 or bool(self._given)

    def hold(self) -> None:
        """A thread has come to a point. Block the thread if a stall is due there."""
        self.points += 1
        point = self.points
        for_s = self._given.get(point, 0.0)
        search = self._search
        if search.stall_probability and self._rng.bernoulli(search.stall_probability):
            for_s += search.longest_stall_s * _SHORTEST ** self._rng.random()
        if for_s > 0.0:
            self.made.append(Stall(point, for_s))
            self._env.sleep(for_s)
