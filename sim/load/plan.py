"""When an executor changes its number of virtual users, and when it starts iterations.

Pure arithmetic on the settings, with k6's own conventions at the edges. Times are seconds from
the executor's start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final, NamedTuple

from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    RampingArrivalRate,
    RampingVUs,
    Stage,
)

# An area that should be a whole number may miss it by this much.
_ROUNDING: Final = 1e-9


class Step(NamedTuple):
    """From `at_s` on, `vus` virtual users."""

    at_s: float
    vus: int


class Plan(NamedTuple):
    """How a number of looping virtual users develops.

    `wanted` says how many may begin iterations, `allowed` how many may still finish one; a user
    above `allowed` is interrupted. Both are in the order in which they are to be carried out.
    """

    wanted: tuple[Step, ...]
    allowed: tuple[Step, ...]

    @property
    def regular_s(self) -> float:
        """Length without the graceful periods: when the last user is no longer wanted."""
        return self.wanted[-1].at_s

    @property
    def end_s(self) -> float:
        """When the last user is interrupted if it still runs."""
        return max(self.allowed[-1].at_s, self.regular_s)

    @property
    def most(self) -> int:
        """The largest number of users at once, so the number to initialise."""
        return max(step.vus for step in self.wanted)

    def in_order(self) -> Iterator[tuple[Step, bool]]:
        """All steps in order with whether they are of `wanted`, which goes first at equal times."""
        allowed = iter(self.allowed)
        limit = next(allowed, None)
        for step in self.wanted:
            while limit is not None and limit.at_s < step.at_s:
                yield limit, False
                limit = next(allowed, None)
            yield step, True
        while limit is not None:
            yield limit, False
            limit = next(allowed, None)


def constant_plan(settings: ConstantVUs) -> Plan:
    """All users at once, until the end."""
    end_s = settings.duration_s + settings.graceful_stop_s
    return Plan(
        wanted=(Step(0.0, settings.vus), Step(settings.duration_s, 0)),
        allowed=(Step(0.0, settings.vus), Step(end_s, 0)),
    )


def ramping_plan(settings: RampingVUs) -> Plan:
    """One step per user who is started or stopped on the way through the stages."""
    ramp = tuple(_ramp(settings.start_vus, settings.stages))
    regular_s = sum(stage.duration_s for stage in settings.stages)
    stop_s = regular_s + settings.graceful_stop_s
    if settings.graceful_ramp_down_s > 0:
        allowed = tuple(_held_back(ramp, settings.graceful_ramp_down_s, stop_s))
    else:
        allowed = ramp
    return Plan(
        wanted=ramp if ramp[-1].vus == 0 else (*ramp, Step(regular_s, 0)),
        allowed=allowed if allowed[-1].vus == 0 else (*allowed, Step(stop_s, 0)),
    )


def _ramp(start_vus: int, stages: Sequence[Stage]) -> Iterator[Step]:
    """The number of users wanted, one step per user.

    A stage's last user comes or goes exactly at its end, the first one a step after its beginning.
    """
    yield Step(0.0, start_vus)
    vus = start_vus
    end_s = 0.0
    for stage in stages:
        target = int(stage.target)
        end_s += stage.duration_s
        if target == vus:
            continue
        if stage.duration_s == 0:
            yield Step(end_s, target)
        else:
            change = 1 if target > vus else -1
            step_s = stage.duration_s / abs(target - vus)
            for number in range(vus + change, target + change, change):
                yield Step(end_s - step_s * abs(target - number), number)
        vus = target


def _held_back(ramp: Sequence[Step], delay_s: float, stop_s: float) -> Iterator[Step]:
    """The number of users allowed to finish.

    Every step down comes `delay_s` later, but not at all if the ramp is up there again by then,
    and not once `stop_s` ends everything.

    As in k6 a jump down by several users followed by a smaller rise within `delay_s` still
    interrupts, late, users that the rise has started again.
    """
    yield ramp[0]
    again = _next_at_least(ramp)
    index = 1
    level = ramp[0].vus
    while index < len(ramp):
        step = ramp[index]
        if step.vus > level:
            yield step
        elif step.vus < level:
            late_s = step.at_s + delay_s
            back = again[index - 1]
            if back < len(ramp) and ramp[back].at_s <= late_s:
                index = back
                continue
            if late_s >= stop_s:
                return
            yield Step(late_s, step.vus)
        level = step.vus
        index += 1


def _next_at_least(ramp: Sequence[Step]) -> list[int]:
    """For each step the index of the next with as many users or more, or the length if none."""
    result = [len(ramp)] * len(ramp)
    open_: list[int] = []
    for index, step in enumerate(ramp):
        while open_ and ramp[open_[-1]].vus <= step.vus:
            result[open_.pop()] = index
        open_.append(index)
    return result


def constant_arrivals(settings: ConstantArrivalRate) -> Iterator[float]:
    """Times at which iterations start, from 0 on.

    The period is cut to whole nanoseconds as in k6. One that is due exactly at the end is
    included: k6 leaves that to chance, but its ticker mostly beats its deadline.
    """
    period_ns = int(settings.time_unit_s * 1e9 / settings.rate)
    number = 0
    while (at_s := number * period_ns / 1e9) <= settings.duration_s:
        yield at_s
        number += 1


def ramping_arrivals(settings: RampingArrivalRate) -> Iterator[float]:
    """Times at which iterations start: whenever the area under the rate becomes a whole number.

    Within a stage that starts at rate a and changes by s per second, the time x at which n more
    iterations are due solves a x + s x^2 / 2 = n.
    """
    rate = settings.start_rate / settings.time_unit_s
    begin_s = 0.0
    due = 1.0
    for stage in settings.stages:
        target = stage.target / settings.time_unit_s
        if stage.duration_s > 0:
            slope = (target - rate) / stage.duration_s
            area = (rate + target) / 2 * stage.duration_s
            while due <= area + _ROUNDING:
                root = sqrt(max(0.0, rate * rate + 2 * slope * due))
                yield begin_s + min(2 * due / (rate + root), stage.duration_s)
                due += 1
            due -= area
        rate = target
        begin_s += stage.duration_s
