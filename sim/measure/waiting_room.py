"""Quality of a waiting room besides failed requests: order, places, waiting, goodput.

Times are kept in seconds since the load began; metrics have k6's shapes, durations in milliseconds.
Somebody comes when first given a token of either kind, and gets in when first given an access
token, as the answers of the service show it (`answers`). What no answer shows is taken from what
customer functions tell; what neither shows has no samples.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import numpy as np

from sim.measure.funnel import Step
from sim.measure.requests import trend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

COHORTS: Final = 4
"""People are divided into so many groups of equal size by when they came."""
_MS: Final = 1e3
_MINUTE_S: Final = 60.0
_NEVER: Final = float("inf")

Metrics = dict[str, dict[str, float]]


class _Times:
    """When each user, numbered from 1, first did something: eight bytes a user, not a hundred."""

    __slots__ = ("_count", "_times_s")

    def __init__(self) -> None:
        self._times_s: array[float] = array("d")
        self._count = 0

    def note(self, user: int, now_s: float) -> None:
        """Note a user's time, if it is the first."""
        times_s = self._times_s
        if user >= len(times_s):
            times_s.extend([_NEVER] * (user + 1 - len(times_s)))
        if times_s[user] == _NEVER:
            times_s[user] = now_s
            self._count += 1

    def __len__(self) -> int:
        """How many users have a time."""
        return self._count

    def __getitem__(self, user: int) -> float:
        """The time of a user who has one."""
        return self._times_s[user]

    def users(self) -> list[int]:
        """Who has a time, in the order of their numbers."""
        return [user for user, at_s in enumerate(self._times_s) if at_s != _NEVER]


class _Steps:
    """When each user came and got in, and who booked and paid."""

    def __init__(self) -> None:
        self.came_s = _Times()
        self.got_in_s: dict[int, float] = {}
        self.booked: set[int] = set()
        self.paid: set[int] = set()
        self.empty = True

    def note(self, user: int, step: Step, now_s: float) -> None:
        """Note the first time of a step."""
        self.empty = False
        if step in {Step.WAITED, Step.ADMITTED}:
            self.came_s.note(user, now_s)
        if step is Step.ADMITTED:
            self.got_in_s.setdefault(user, now_s)
        elif step is Step.BOOKED:
            self.booked.add(user)
        elif step is Step.PAID:
            self.paid.add(user)

    def in_order(self) -> list[int]:
        """Those who came, in the order in which they came."""
        return sorted(self.came_s.users(), key=lambda user: (self.came_s[user], user))


class WaitingRoom:
    """When each user came, got in and paid, and what they were told about their place."""

    def __init__(self, percentiles: Sequence[float] = (), *, answers_show: bool = True) -> None:
        self._percentiles = tuple(percentiles)
        self.answers_show = answers_show
        """The service is the ticket service: what its answers do not show did not happen."""
        self.may_leave = False
        """There are users who lose patience."""
        self.bots: set[int] = set()
        """Users who are programs."""
        self.opens_s = 0.0
        """When the sale opens; seconds since the load began."""
        self._arrived_s = _Times()
        self._abandoned_s: dict[int, float] = {}
        self._shown = _Steps()
        self._told = _Steps()
        self._position: array[float] = array("d")
        """The place told last to each user; 0: none."""
        self._positions_told = 0
        self.position_went_up = 0
        self.sold_out_s: float | None = None

    def reached(self, user: int, step: Step, now_s: float, *, told: bool = False) -> None:
        """Note a step of a user; only the first time of each counts.

        `told`: the customer function says so, of a step that answers of the service may show.
        """
        if step is Step.ARRIVED:
            self._arrived_s.note(user, now_s)
        elif step is Step.ABANDONED:
            self._abandoned_s.setdefault(user, now_s)
        elif step is Step.SOLD_OUT:
            if self.sold_out_s is None:
                self.sold_out_s = now_s
        else:
            (self._told if told else self._shown).note(user, step, now_s)
        if step is Step.ADMITTED and user < len(self._position):
            self._position[user] = 0.0

    @property
    def _steps(self) -> _Steps:
        """Facts about tokens and seats: from the answers or, where no answer shows any, told."""
        return self._told if self._shown.empty else self._shown

    def told_position(self, user: int, position: int) -> None:
        """Note what a check answered; 0 means: no longer waiting."""
        self._positions_told += 1
        places = self._position
        if user >= len(places):
            places.extend([0.0] * (user + 1 - len(places)))
        before = places[user]
        if position > before > 0:
            self.position_went_up += 1
        places[user] = position

    def metrics(self, measured_s: float) -> Metrics:
        """Return the metrics of a run of `measured_s`; those without samples are absent.

        `order_inversions` counts pairs in which who came later got in earlier, or got in while the
        other never did; `places_lost` is, for each who came, how many such pairs they lost.
        """
        minutes = measured_s / _MINUTE_S
        steps = self._steps
        result: Metrics = {}
        if self.answers_show or not steps.empty:
            result["goodput"] = {"value": len(steps.paid) / minutes}
            result["booked_not_paid"] = {"count": len(steps.booked - steps.paid)}
        if self._positions_told:
            result["position_went_up"] = {"count": self.position_went_up}
        if self.sold_out_s is not None:
            result["time_to_sell_out"] = {"value": self.sold_out_s * _MS}
        if len(steps.came_s):
            result |= self._order()
        if steps.got_in_s:
            result |= self._waiting()
            result["admissions"] = {
                "count": len(steps.got_in_s),
                "rate": len(steps.got_in_s) / measured_s,
            }
            result["admissions_per_minute"] = self._per_minute(measured_s)
        if (len(steps.came_s) or len(self._arrived_s)) and self.answers_show | (not steps.empty):
            result["shut_out"] = {"count": self._shut_out()}
        return result | self._leaving()

    def _shut_out(self) -> int:
        """People never let in although seats were free: until they left, or until the end.

        Seats are free from the opening until somebody first sees none.
        """
        steps = self._steps
        sold_out_s = float("inf") if self.sold_out_s is None else self.sold_out_s
        outside = {*self._arrived_s.users(), *steps.came_s.users()} - steps.got_in_s.keys()
        left_s = [self._abandoned_s.get(user, float("inf")) for user in outside]
        if sold_out_s == float("inf"):
            return sum(at_s >= self.opens_s for at_s in left_s)
        return sum(self.opens_s <= at_s < sold_out_s for at_s in left_s)

    def _leaving(self) -> Metrics:
        """Customers that lost patience, the time since their arrival, and the share of bots."""
        if not self.may_leave:
            return {}
        result: Metrics = {
            "abandoned": {"count": len(self._abandoned_s)},
            "bots": {"count": len(self.bots)},
            "bots_paid": {"count": len(self.bots & self._steps.paid)},
        }
        if self._abandoned_s:
            stays_s = [at_s - self._arrived_s[user] for user, at_s in self._abandoned_s.items()]
            result["abandoned_after"] = trend(
                np.array(stays_s, dtype=np.float64) * _MS, self._percentiles
            )
        return result

    def _order(self) -> Metrics:
        steps = self._steps
        got_in = [steps.got_in_s.get(user, float("inf")) for user in steps.in_order()]
        lost = overtaken(got_in)
        return {
            "order_inversions": {"count": float(lost.sum())},
            "places_lost": trend(lost.astype(np.float64), self._percentiles),
            "never_let_in": {"count": len(steps.came_s) - len(steps.got_in_s)},
        }

    def _waiting(self) -> Metrics:
        """Waiting times of those who got in, all together and by when they came."""
        everyone = self._steps.in_order()
        result: Metrics = {"waiting_time": trend(self._waits(everyone), self._percentiles)}
        for cohort, members in enumerate(np.array_split(np.array(everyone), COHORTS), start=1):
            waits = self._waits(members.tolist())
            if len(waits):
                result[f"waiting_time{{cohort:{cohort}}}"] = trend(waits, self._percentiles)
        return result

    def _waits(self, users: Sequence[int]) -> NDArray[np.float64]:
        came_s, got_in_s = self._steps.came_s, self._steps.got_in_s
        waits = [got_in_s[user] - came_s[user] for user in users if user in got_in_s]
        return np.array(waits, dtype=np.float64) * _MS

    def _per_minute(self, measured_s: float) -> dict[str, float]:
        """Statistics over the whole minutes of the run; `cv`, their variation, is smoothness."""
        minutes = max(1, int(measured_s // _MINUTE_S))
        edges = np.arange(minutes + 1) * _MINUTE_S
        counts = np.histogram(list(self._steps.got_in_s.values()), edges)[0].astype(np.float64)
        found = trend(counts, self._percentiles)
        mean = found["avg"]
        found["cv"] = float(counts.std() / mean) if mean else 0.0
        return found


def overtaken(got_in_s: Sequence[float]) -> NDArray[np.int64]:
    """How many who came later got in strictly earlier, for each; infinity: never.

    By a Fenwick tree over the ranks of the times, in O(n log n).
    """
    times = np.array(got_in_s, dtype=np.float64)
    ranks = np.unique(times, return_inverse=True)[1].tolist()
    tree = [0] * (max(ranks, default=0) + 2)
    result = np.zeros(len(times), dtype=np.int64)
    for index in range(len(times) - 1, -1, -1):
        place = ranks[index]
        lost = 0
        while place > 0:
            lost += tree[place]
            place -= place & -place
        result[index] = lost
        place = ranks[index] + 1
        while place < len(tree):
            tree[place] += 1
            place += place & -place
    return result
