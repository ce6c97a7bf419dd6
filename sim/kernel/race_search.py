"""The search for races: other orders of events, and a check of invariants after every event.

All work of a thread between two waits happens at one instant of simulated time. A race therefore
shows only if the threads run in the right order. Real machines have many more orders than a
simulation with one fixed time for each piece of work. The search adds orders in two ways. The seed
breaks ties, and threads of the service are held up at random before they go on to Redis, the
database or the client. On a real machine a thread is held up when it loses its processor, has a
page fault or loses a packet.

A stall is named by the number of its point, counted over all threads of the service from the
start of the run. The same world, seed and stalls give the same run. A list of stalls is therefore a
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

_OFF = "ours: the search for races is off by default"
_SHORTEST: Final = 1e-3
"""The shortest random stall, as a share of the longest."""


@dataclass(frozen=True, slots=True)
class Stall:
    """A stall: one thread stops once for a while."""

    point: Annotated[
        int,
        Ge(1),
        Setting(
            "number of the stalled point: how many points the service's threads have reached, "
            "this point included"
        ),
    ]
    for_s: Annotated[float, Gt(0), Setting("how long", "s", low=1e-6, high=600)]


@dataclass(frozen=True, slots=True)
class Search:
    """How the order of events is perturbed, and whether every event is inspected."""

    inspects: Annotated[
        bool,
        Setting(
            "check the invariants after every event. The run ends at the first violation, "
            "and its remarks show the events before the violation"
        ),
    ] = False
    only: Annotated[
        tuple[str, ...],
        Setting(
            "end the run only at violations of these invariants; empty: at a violation of any "
            "invariant"
        ),
    ] = ()
    shuffles_ties: Annotated[
        bool,
        Setting(
            "run simultaneous events in a random order, drawn from the seed, instead of "
            "scheduling order"
        ),
    ] = False
    stall_probability: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("probability that a thread of the service is stalled at a point", "", _OFF, 0, 0.5),
    ] = 0.0
    longest_stall_s: Annotated[
        float,
        Gt(0),
        Setting(
            "longest random stall; the logarithms of the stalls are uniform over three decades",
            "s",
            "assumed: longer than any request, so that one whole request can overtake "
            "another request",
            0.001,
            60,
        ),
    ] = 0.5
    stalls: Annotated[
        tuple[Stall, ...], Setting("stalls at given points: a schedule to replay")
    ] = ()


class Stalls:
    """Holds up threads of the service, at random or at given points."""

    def __init__(self, env: Environment, search: Search, rng: Stream) -> None:
        self._env = env
        self._search = search
        self._rng = rng
        self._given = {stall.point: stall.for_s for stall in search.stalls}
        self.points = 0
        """Number of points that threads have reached so far."""
        self.made: list[Stall] = []
        """The stalls so far. A run that is given these stalls is the same run."""

    @property
    def wanted(self) -> bool:
        """Whether the settings allow any stall."""
        return self._search.stall_probability > 0.0 or bool(self._given)

    def hold(self) -> None:
        """Block the thread that has reached a point, if a stall is due at this point."""
        self.points += 1
        point = self.points
        for_s = self._given.get(point, 0.0)
        search = self._search
        if search.stall_probability and self._rng.bernoulli(search.stall_probability):
            for_s += search.longest_stall_s * _SHORTEST ** self._rng.random()
        if for_s > 0.0:
            self.made.append(Stall(point, for_s))
            self._env.sleep(for_s)
