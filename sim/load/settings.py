"""The load generator's executors and their options, with k6's own meaning and defaults."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Annotated, Final, Literal

from annotated_types import Ge, Gt, Le, MinLen

from model.setting import Setting
from sim.kernel.errors import NotAllowedError

Seconds = float
MOST_USERS: Final = 1_000_000
"""Virtual users at once; each is a simulated thread with its own memory."""
MOST_CHANGES: Final = 10 * MOST_USERS
"""Users that come and go over all stages; a plan has a step for each."""
MOST_PER_S: Final = 1_000_000.0
"""Iterations started per second."""
_GRACEFUL = "k6: gracefulStop and gracefulRampDown default to 30s"
_GIVEN = "none: always given"

DurationS = Annotated[Seconds, Gt(0), Setting("length", "s", _GIVEN, 0, 86_400)]
Users = Annotated[int, Gt(0), Le(MOST_USERS), Setting("virtual users", "VUs", "k6: 1", 1, 1e6)]
MaxDurationS = Annotated[Seconds, Gt(0), Setting("longest time", "s", "k6: 10m", 1, 86_400)]
GracefulStopS = Annotated[
    Seconds, Ge(0), Setting("time iterations have to finish at the end", "s", _GRACEFUL, 0, 3_600)
]
PreAllocatedUsers = Annotated[
    int,
    Ge(0),
    Le(MOST_USERS),
    Setting("virtual users made in advance", "VUs", _GIVEN, 0, 1e6),
]
MaxUsers = Annotated[
    int | None,
    Le(MOST_USERS),
    Setting("most virtual users; pre_allocated_vus when not given", low=1, high=1e6),
]
TimeUnitS = Annotated[
    Seconds, Gt(0), Setting("the time unit of the rate", "s", "k6: 1s", 0.001, 86_400)
]

ScenarioName = Annotated[
    str,
    Setting(
        "name of the load among several: its requests have it as their tag scenario, and "
        "thresholds can ask for them alone"
    ),
]
StartS = Annotated[
    Seconds,
    Ge(0),
    Setting("when it starts, after the first load", "s", "k6: startTime, 0s", 0, 86_400),
]
Script = Annotated[
    str | None,
    Setting("what its users do, package.module:function; customer.script when not given"),
]


def _check(field: str, value: object, allowed: str, *, ok: bool) -> None:
    if not ok:
        raise NotAllowedError(f"{field}: value {value}", allowed)


def _check_seconds(field: str, value: float, *, positive: bool = False) -> None:
    if positive:
        _check(field, value, "more than 0 s", ok=0 < value < inf)
    else:
        _check(field, value, "0 s or more", ok=0 <= value < inf)


def _check_count(field: str, value: float, least: int) -> None:
    _check(field, value, f"whole numbers from {least}", ok=value >= least and value == int(value))


def _check_rate(field: str, value: float, *, positive: bool = False) -> None:
    if positive:
        _check(field, value, "more than 0", ok=0 < value < inf)
    else:
        _check(field, value, "0 or more", ok=0 <= value < inf)


def _check_per_s(field: str, rate: float, time_unit_s: float) -> None:
    _check(
        field,
        rate,
        f"up to {MOST_PER_S:,.0f} iterations per second",
        ok=rate <= MOST_PER_S * time_unit_s,
    )


def _check_changes(stages: tuple[Stage, ...], start: float) -> None:
    levels = [start, *(stage.target for stage in stages)]
    changes = sum(abs(after - before) for before, after in pairwise(levels))
    if changes > MOST_CHANGES:
        raise NotAllowedError(
            f"stages: {changes:,.0f} users come and go", f"up to {MOST_CHANGES:,}"
        )


def _check_max_vus(max_vus: int | None, pre_allocated_vus: int) -> None:
    _check_count("pre_allocated_vus", pre_allocated_vus, 0)
    if max_vus is not None:
        _check_count("max_vus", max_vus, 0)
        _check(
            "max_vus",
            max_vus,
            f"{pre_allocated_vus} (pre_allocated_vus) or more",
            ok=max_vus >= pre_allocated_vus,
        )


def _check_stages(stages: tuple[Stage, ...], start: float, name_of_start: str) -> None:
    total_s = sum(stage.duration_s for stage in stages)
    if total_s <= 0:
        raise NotAllowedError(f"stages: total length is {total_s} s", "more than 0 s")
    if start == 0 and all(stage.target == 0 for stage in stages):
        raise NotAllowedError(
            "stages: every target is 0", f"{name_of_start} or a target more than 0"
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """From the previous target to `target`, linearly, in `duration_s`."""

    duration_s: Annotated[
        Seconds,
        Ge(0),
        Setting("length of the stage; 0 jumps", "s", _GIVEN, 0, 86_400),
    ]
    target: Annotated[
        float,
        Ge(0),
        Le(MOST_USERS),
        Setting(
            "virtual users, or iterations per time unit, at its end",
            "",
            _GIVEN,
            0,
            1e6,
        ),
    ]

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_seconds("duration_s", self.duration_s)
        _check_rate("target", self.target)


_INCIDENT_STAGES = (
    Stage(300.0, 20_000),
    Stage(600.0, 30_000),
    Stage(600.0, 30_000),
    Stage(300.0, 0),
)


@dataclass(frozen=True, slots=True)
class RampingVUs:
    """A number of virtual users that follows stages; each iterates until it is ramped down."""

    executor: Annotated[Literal["ramping-vus"], Setting("k6 executor")] = "ramping-vus"
    stages: Annotated[tuple[Stage, ...], MinLen(1), Setting("the stages", source="incident")] = (
        _INCIDENT_STAGES
    )
    start_vus: Annotated[
        int,
        Ge(0),
        Le(MOST_USERS),
        Setting(
            "virtual users at the start",
            "VUs",
            "k6 defaults to 1; the incident's script ramps from 0",
            0,
            1e6,
        ),
    ] = 0
    graceful_ramp_down_s: Annotated[
        Seconds,
        Ge(0),
        Setting("time a ramped-down user has to finish its iteration", "s", _GRACEFUL, 0, 3_600),
    ] = 30.0
    graceful_stop_s: GracefulStopS = 30.0
    scenario: ScenarioName = ""
    start_s: StartS = 0.0
    script: Script = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_count("start_vus", self.start_vus, 0)
        for number, stage in enumerate(self.stages):
            _check_count(f"stages[{number}].target", stage.target, 0)
        _check_stages(self.stages, self.start_vus, "start_vus")
        _check_changes(self.stages, self.start_vus)
        _check_seconds("graceful_ramp_down_s", self.graceful_ramp_down_s)
        _check_seconds("graceful_stop_s", self.graceful_stop_s)


@dataclass(frozen=True, slots=True)
class ConstantVUs:
    """A fixed number of virtual users that iterate for a fixed time."""

    executor: Annotated[Literal["constant-vus"], Setting("k6 executor")]
    duration_s: DurationS
    vus: Users = 1
    graceful_stop_s: GracefulStopS = 30.0
    scenario: ScenarioName = ""
    start_s: StartS = 0.0
    script: Script = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_seconds("duration_s", self.duration_s, positive=True)
        _check_count("vus", self.vus, 1)
        _check_seconds("graceful_stop_s", self.graceful_stop_s)


@dataclass(frozen=True, slots=True)
class PerVUIterations:
    """Each virtual user makes a fixed number of iterations."""

    executor: Annotated[Literal["per-vu-iterations"], Setting("k6 executor")]
    vus: Users = 1
    iterations: Annotated[
        int, Gt(0), Setting("iterations per virtual user", "iterations", "k6: 1", 1, 1e9)
    ] = 1
    max_duration_s: MaxDurationS = 600.0
    graceful_stop_s: GracefulStopS = 30.0
    scenario: ScenarioName = ""
    start_s: StartS = 0.0
    script: Script = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_count("vus", self.vus, 1)
        _check_count("iterations", self.iterations, 1)
        _check_seconds("max_duration_s", self.max_duration_s, positive=True)
        _check_seconds("graceful_stop_s", self.graceful_stop_s)


@dataclass(frozen=True, slots=True)
class SharedIterations:
    """A fixed number of iterations shared by the virtual users, whoever is free."""

    executor: Annotated[Literal["shared-iterations"], Setting("k6 executor")]
    vus: Users = 1
    iterations: Annotated[
        int,
        Gt(0),
        Setting("iterations in all; at least the number of users", "iterations", "k6: 1", 1, 1e9),
    ] = 1
    max_duration_s: MaxDurationS = 600.0
    graceful_stop_s: GracefulStopS = 30.0
    scenario: ScenarioName = ""
    start_s: StartS = 0.0
    script: Script = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_count("vus", self.vus, 1)
        _check_count("iterations", self.iterations, 1)
        _check(
            "iterations",
            self.iterations,
            f"{self.vus} (vus) or more",
            ok=self.iterations >= self.vus,
        )
        _check_seconds("max_duration_s", self.max_duration_s, positive=True)
        _check_seconds("graceful_stop_s", self.graceful_stop_s)


@dataclass(frozen=True, slots=True)
class ConstantArrivalRate:
    """A fixed number of iterations started per time unit, whatever the answers."""

    executor: Annotated[Literal["constant-arrival-rate"], Setting("k6 executor")]
    duration_s: DurationS
    rate: Annotated[float, Gt(0), Setting("iterations per time unit", "", _GIVEN, 0, 1e6)]
    pre_allocated_vus: PreAllocatedUsers
    time_unit_s: TimeUnitS = 1.0
    max_vus: MaxUsers = None
    graceful_stop_s: GracefulStopS = 30.0
    scenario: ScenarioName = ""
    start_s: StartS = 0.0
    script: Script = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_seconds("duration_s", self.duration_s, positive=True)
        _check_rate("rate", self.rate, positive=True)
        _check_seconds("time_unit_s", self.time_unit_s, positive=True)
        _check_per_s("rate", self.rate, self.time_unit_s)
        _check_max_vus(self.max_vus, self.pre_allocated_vus)
        _check_seconds("graceful_stop_s", self.graceful_stop_s)


@dataclass(frozen=True, slots=True)
class RampingArrivalRate:
    """A number of iterations started per time unit that follows stages."""

    executor: Annotated[Literal["ramping-arrival-rate"], Setting("k6 executor")]
    stages: Annotated[tuple[Stage, ...], MinLen(1), Setting("the stages")]
    pre_allocated_vus: PreAllocatedUsers
    start_rate: Annotated[
        float, Ge(0), Setting("iterations per time unit at the start", "", "k6: 0", 0, 1e6)
    ] = 0.0
    time_unit_s: TimeUnitS = 1.0
    max_vus: MaxUsers = None
    graceful_stop_s: GracefulStopS = 30.0
    scenario: ScenarioName = ""
    start_s: StartS = 0.0
    script: Script = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_rate("start_rate", self.start_rate)
        _check_stages(self.stages, self.start_rate, "start_rate")
        _check_seconds("time_unit_s", self.time_unit_s, positive=True)
        for number, stage in enumerate(self.stages):
            _check_per_s(f"stages[{number}].target", stage.target, self.time_unit_s)
        _check_per_s("start_rate", self.start_rate, self.time_unit_s)
        _check_max_vus(self.max_vus, self.pre_allocated_vus)
        _check_seconds("graceful_stop_s", self.graceful_stop_s)


_CROWD = "assumed: waiting rooms open 30 to 60 min before a sale (help pages of ticket sellers)"


@dataclass(frozen=True, slots=True)
class OpeningCrowd:
    """People who come once each, at random times around the opening of the sale; not k6's.

    Those who come early come before the opening by an exponential time, the others after it by
    another one, both cut off where the load begins and ends. One virtual user is one person.
    """

    executor: Annotated[Literal["opening-crowd"], Setting("not one of k6's: people, not scripts")]
    people: Annotated[
        int,
        Gt(0),
        Le(MOST_USERS),
        Setting("people who come in all", "people", _GIVEN, 1, 1e6),
    ]
    duration_s: DurationS
    early_share: Annotated[
        float,
        Ge(0),
        Le(1),
        Setting("share of them who come before the opening, if there is one", "", _CROWD, 0, 0.95),
    ] = 0.5
    early_mean_s: Annotated[
        Seconds,
        Gt(0),
        Setting(
            "how long before the opening the early ones come, on average", "s", _CROWD, 30, 7200
        ),
    ] = 600.0
    late_mean_s: Annotated[
        Seconds,
        Gt(0),
        Setting(
            "how long after the opening the others come, on average",
            "s",
            "assumed: flash crowds rise within minutes (Jung, Krishnamurthy and Rabinovich, Flash "
            "Crowds and Denial of Service Attacks, 2002)",
            10,
            7200,
        ),
    ] = 300.0
    graceful_stop_s: Annotated[
        Seconds,
        Ge(0),
        Setting("time visits have to finish at the end", "s", _GRACEFUL, 0, 3_600),
    ] = 30.0
    scenario: ScenarioName = ""
    start_s: StartS = 0.0
    script: Script = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what cannot be."""
        _check_count("people", self.people, 1)
        _check_seconds("duration_s", self.duration_s, positive=True)
        _check("early_share", self.early_share, "0 to 1", ok=0 <= self.early_share <= 1)
        _check_seconds("early_mean_s", self.early_mean_s, positive=True)
        _check_seconds("late_mean_s", self.late_mean_s, positive=True)
        _check_seconds("graceful_stop_s", self.graceful_stop_s)


Load = (
    RampingVUs
    | ConstantVUs
    | PerVUIterations
    | SharedIterations
    | ConstantArrivalRate
    | RampingArrivalRate
    | OpeningCrowd
)
Loads = Load | tuple[Load, ...]
"""One load, or several at once."""


def loads_of(loads: Loads) -> tuple[Load, ...]:
    """The loads as a tuple, one alone included."""
    return loads if isinstance(loads, tuple) else (loads,)


def most_users(load: Load) -> int:
    """The largest number of virtual users that a load can have at once."""
    if isinstance(load, RampingVUs):
        return int(max(load.start_vus, *(stage.target for stage in load.stages)))
    if isinstance(load, ConstantArrivalRate | RampingArrivalRate):
        return load.pre_allocated_vus if load.max_vus is None else load.max_vus
    if isinstance(load, OpeningCrowd):
        return load.people
    return load.vus


def length_s(load: Load) -> float:
    """For how long a load starts iterations, at most; graceful periods come on top."""
    if isinstance(load, RampingVUs | RampingArrivalRate):
        return sum(stage.duration_s for stage in load.stages)
    if isinstance(load, PerVUIterations | SharedIterations):
        return load.max_duration_s
    return load.duration_s


def scenarios(loads: Loads) -> list[str]:
    """The names of several loads, their positions from 1 where they have none; none of one load."""
    if not isinstance(loads, tuple):
        return [loads.scenario] if loads.scenario else []
    return [load.scenario or str(position) for position, load in enumerate(loads, start=1)]
