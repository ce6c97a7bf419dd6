"""What an executor's options may be, and what the message says otherwise."""

import dataclasses
import math
from typing import get_args, get_type_hints

import pytest

from model.setting import Setting
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    Load,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    Stage,
)

STAGES = (Stage(5, 3), Stage(5, 0))


def ramping(**changes):
    return RampingVUs(**changes)


def constant(duration_s=10.0, **changes):
    return ConstantVUs("constant-vus", duration_s, **changes)


def each(**changes):
    return PerVUIterations("per-vu-iterations", **changes)


def shared(**changes):
    return SharedIterations("shared-iterations", **changes)


def arriving(duration_s=10.0, rate=5.0, pre_allocated_vus=3, **changes):
    return ConstantArrivalRate(
        "constant-arrival-rate", duration_s, rate, pre_allocated_vus, **changes
    )


def arriving_in_stages(stages=STAGES, pre_allocated_vus=3, **changes):
    return RampingArrivalRate("ramping-arrival-rate", stages, pre_allocated_vus, **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stage(-1, 3), "duration_s: value -1; allowed: 0 s or more"),
        (lambda: Stage(math.inf, 3), "duration_s: value inf; allowed: 0 s or more"),
        (lambda: Stage(math.nan, 3), "duration_s: value nan; allowed: 0 s or more"),
        (lambda: Stage(1, -3), "target: value -3; allowed: 0 or more"),
        (lambda: ramping(stages=()), "stages: total length is 0 s; allowed: more than 0 s"),
        (
            lambda: ramping(stages=(Stage(0, 9),)),
            "stages: total length is 0 s; allowed: more than 0 s",
        ),
        (
            lambda: ramping(stages=(Stage(9, 0),)),
            "stages: every target is 0; allowed: start_vus or a target more than 0",
        ),
        (
            lambda: ramping(stages=(Stage(1, 2), Stage(1, 2.5))),
            "stages[1].target: value 2.5; allowed: whole numbers from 0",
        ),
        (lambda: ramping(start_vus=-1), "start_vus: value -1; allowed: whole numbers from 0"),
        (
            lambda: ramping(graceful_ramp_down_s=-1),
            "graceful_ramp_down_s: value -1; allowed: 0 s or more",
        ),
        (lambda: ramping(graceful_stop_s=-2), "graceful_stop_s: value -2; allowed: 0 s or more"),
        (lambda: constant(duration_s=0), "duration_s: value 0; allowed: more than 0 s"),
        (lambda: constant(vus=0), "vus: value 0; allowed: whole numbers from 1"),
        (lambda: each(vus=-3), "vus: value -3; allowed: whole numbers from 1"),
        (lambda: each(iterations=0), "iterations: value 0; allowed: whole numbers from 1"),
        (lambda: each(max_duration_s=0), "max_duration_s: value 0; allowed: more than 0 s"),
        (
            lambda: shared(vus=5, iterations=4),
            "iterations: value 4; allowed: 5 (vus) or more",
        ),
        (lambda: arriving(rate=0), "rate: value 0; allowed: more than 0"),
        (lambda: arriving(time_unit_s=-1), "time_unit_s: value -1; allowed: more than 0 s"),
        (
            lambda: arriving(pre_allocated_vus=-1),
            "pre_allocated_vus: value -1; allowed: whole numbers from 0",
        ),
        (
            lambda: arriving(max_vus=2),
            "max_vus: value 2; allowed: 3 (pre_allocated_vus) or more",
        ),
        (lambda: arriving_in_stages(start_rate=-1), "start_rate: value -1; allowed: 0 or more"),
        (
            lambda: arriving_in_stages(stages=(Stage(3, 0),)),
            "stages: every target is 0; allowed: start_rate or a target more than 0",
        ),
        (
            lambda: arriving_in_stages(max_vus=1),
            "max_vus: value 1; allowed: 3 (pre_allocated_vus) or more",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(make, message):
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the message is compared whole
        make()
    assert str(refused.value) == message


def test_rates_may_be_broken_numbers_but_users_may_not():
    assert arriving_in_stages(stages=(Stage(2, 0.5),)).stages[0].target == 0.5
    with pytest.raises(ValueError, match="whole numbers"):
        ramping(stages=(Stage(2, 0.5),))


def test_the_defaults_are_the_incident():
    load = RampingVUs()
    assert [(stage.duration_s, stage.target) for stage in load.stages] == [
        (300, 20_000),
        (600, 30_000),
        (600, 30_000),
        (300, 0),
    ]
    assert (load.start_vus, load.graceful_ramp_down_s, load.graceful_stop_s) == (0, 30, 30)


@pytest.mark.parametrize("kind", [Stage, *get_args(Load)])
def test_every_field_is_documented_and_its_default_plausible(kind):
    hints = get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        settings = [note for note in hints[field.name].__metadata__ if isinstance(note, Setting)]
        assert len(settings) == 1, field.name
        setting = settings[0]
        assert setting.doc
        if isinstance(field.default, int | float):
            assert setting.low <= field.default <= setting.high, field.name
