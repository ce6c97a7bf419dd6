"""Makes a run that breaks an invariant smaller, as long as it still breaks the invariant.

First the random stalls become given ones, so that the schedule stays when something else changes.
Then users, faults, everything else that the search varied, and stalls are left out one after
another for as long as an invariant of the first violation still breaks (delta debugging:
A. Zeller and R. Hildebrandt, IEEE TSE 2002).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from experiments.runs.workers.replications import seed_of
from experiments.studies.fuzz.trial import attempt, broken, users_of, with_users
from sim.kernel.race_search import Search, Stall
from sim.result import RunResult
from sim.run import simulate_with_stalls
from sim.world import World

_FEWEST_USERS: Final = 2
_OTHER_SCHEDULES: Final = 25
"""Random schedules tried with fewer users, where the one that was found means nothing."""
_DIGITS: Final = 3


@dataclasses.dataclass(frozen=True)
class Case:
    """What has to be run to see a violation."""

    world: World
    seed: int


class Shrinker:
    """Makes a case smaller, step by step, until nothing can be left out or time is up.

    Args:
        case: it breaks `names`.
        names: invariants (or a crash) of which one has to break in every smaller case.
        base: the world before it was varied.
        may_go_on: asked before each run.
    """

    def __init__(
        self, case: Case, names: Sequence[str], base: World, may_go_on: Callable[[], bool]
    ) -> None:
        self.case = case
        self.runs = 0
        self.finished = False
        """Whether nothing more can be left out; false when time was up before."""
        self._names = frozenset(names)
        self._base = base
        self._random = case.world.search
        self._may_go_on = may_go_on

    def shrink(self) -> RunResult:
        """Make it as small as can be; return the run of the smallest case."""
        try:
            self._shrink()
            self.finished = True
        except _TimeUpError:
            pass
        return attempt(self.case.world, self.case.seed)

    def _shrink(self) -> None:
        self._pin(self.case)
        self._leave_out_users()
        before = None
        while before != self.case:
            before = self.case
            self._leave_out_faults()
            self._leave_out_variations()
            self._leave_out_stalls()
        self._round_stalls()

    def _breaks(self, case: Case) -> bool:
        if not self._may_go_on():
            raise _TimeUpError
        self.runs += 1
        return not self._names.isdisjoint(broken(attempt(case.world, case.seed)))

    def _try(self, world: World) -> bool:
        """Go on with `world` if it breaks, too."""
        case = Case(world, self.case.seed)
        if case == self.case or not self._breaks(case):
            return False
        self.case = case
        return True

    def _pin(self, case: Case) -> bool:
        """Go on with the stalls that `case` meets, given instead of random, if that breaks."""
        try:
            _, stalls = simulate_with_stalls(case.world, case.seed)
        except Exception:  # noqa: BLE001 - a crash is shrunk with its random stalls
            return False
        pinned = Case(_with_stalls(case.world, stalls), case.seed)
        if not self._breaks(pinned):
            return False
        self.case = pinned
        return True

    def _leave_out_users(self) -> None:
        for users in range(_FEWEST_USERS, users_of(self.case.world)):
            fewer = with_users(self.case.world, users)
            if self._try(fewer) or self._try_schedules(fewer):
                return

    def _try_schedules(self, world: World) -> bool:
        """Look for a violation of fewer users in other schedules."""
        for number in range(1, _OTHER_SCHEDULES + 1):
            case = Case(replace(world, search=self._random), seed_of(self.case.seed, number))
            if self._breaks(case) and self._pin(case):
                return True
        return False

    def _leave_out_faults(self) -> None:
        for fault in self.case.world.faults:
            faults = tuple(other for other in self.case.world.faults if other is not fault)
            self._try(replace(self.case.world, faults=faults))

    def _leave_out_variations(self) -> None:
        base, world = self._base, self.case.world
        self._try(replace(world, pool=base.pool, host=base.host))
        world = self.case.world
        self._try(replace(world, pool=base.pool))
        self._try(replace(self.case.world, host=base.host))
        world = self.case.world
        self._try(replace(world, search=replace(world.search, shuffles_ties=False)))

    def _leave_out_stalls(self) -> None:
        size = len(self.case.world.search.stalls)
        while size >= 1:
            start = 0
            while start < len(stalls := self.case.world.search.stalls):
                rest = (*stalls[:start], *stalls[start + size :])
                if not self._try(_with_stalls(self.case.world, rest)):
                    start += size
            size //= 2

    def _round_stalls(self) -> None:
        for number, stall in enumerate(self.case.world.search.stalls):
            stalls = list(self.case.world.search.stalls)
            rounded = float(f"{stall.for_s:.{_DIGITS}g}")
            stalls[number] = replace(stall, for_s=rounded)
            self._try(_with_stalls(self.case.world, stalls))


class _TimeUpError(Exception):
    """No further run may begin."""


def _with_stalls(world: World, stalls: Sequence[Stall]) -> World:
    search = replace(
        world.search,
        stall_probability=0.0,
        longest_stall_s=Search().longest_stall_s,
        stalls=tuple(stalls),
    )
    return replace(world, search=search)
