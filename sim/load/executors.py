"""The executor for some settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.kernel.environment import Environment
from sim.load.arrivals import Arrivals
from sim.load.counted import IterationsEach, IterationsShared
from sim.load.crowd import crowd_arrivals
from sim.load.executor import Executor, Iterate
from sim.load.looping import LoopingUsers
from sim.load.plan import constant_arrivals, constant_plan, ramping_arrivals, ramping_plan
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    Load,
    OpeningCrowd,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    most_users,
)
from sim.load.virtual_user import IterationInterrupted, LoadHooks, VirtualUser

if TYPE_CHECKING:
    from sim.kernel.random_streams import Stream


def make_executor(
    env: Environment,
    settings: Load,
    iterate: Iterate,
    hooks: LoadHooks,
    *,
    opens_s: float,
    rng: Stream,
    first_id: int = 0,
) -> Executor:
    """Make the executor that `settings` describe; nothing happens before its `start`.

    The ids of its users count on from `first_id`.
    A crowd comes around `opens_s` seconds after the start of the first load, at times drawn from
    `rng`; the load generator's own executors need neither.
    `iterate` is the customer's iteration: it runs in the user's thread, may block, and may raise
    any `Exception`, which ends the iteration as a failing script does.
    """
    match settings:
        case RampingVUs():
            return LoopingUsers(env, ramping_plan(settings), iterate, hooks, first_id)
        case ConstantVUs():
            return LoopingUsers(env, constant_plan(settings), iterate, hooks, first_id)
        case PerVUIterations():
            return IterationsEach(env, settings, iterate, hooks, first_id)
        case SharedIterations():
            return IterationsShared(env, settings, iterate, hooks, first_id)
        case OpeningCrowd():
            times = iter(crowd_arrivals(settings, max(0.0, opens_s - settings.start_s), rng))
            regular_s, users = settings.duration_s, (settings.people, settings.people)
        case ConstantArrivalRate():
            times, regular_s = constant_arrivals(settings), settings.duration_s
            users = _users(settings)
        case RampingArrivalRate():
            times = ramping_arrivals(settings)
            regular_s = sum(stage.duration_s for stage in settings.stages)
            users = _users(settings)
    graceful_s = settings.graceful_stop_s
    return Arrivals(env, times, regular_s, graceful_s, users, iterate, hooks, first_id)


def _users(settings: ConstantArrivalRate | RampingArrivalRate) -> tuple[int, int]:
    return settings.pre_allocated_vus, most_users(settings)


__all__ = [
    "Executor",
    "Iterate",
    "IterationInterrupted",
    "LoadHooks",
    "VirtualUser",
    "make_executor",
]
