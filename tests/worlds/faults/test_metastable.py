"""The config `metastable` with a quarter of the people on a quarter of the machine."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.config.reading import load
from sim.load.settings import ConstantVUs
from sim.run import simulate

LATE_S = 50.0
"""After the trigger, by when a service that recovers has done so."""
END_S = 150.0


def answers_per_s(*, backs_off, trigger, request_timeout_s=2.0, people=600):
    """Answers per second before the trigger, and late after it."""
    world = load("metastable").world
    assert isinstance(world.load, ConstantVUs)
    world = replace(
        world,
        customer=replace(world.customer, backs_off=backs_off),
        load=replace(world.load, duration_s=END_S, vus=people // 4),
        host=replace(world.host, speed=world.host.speed / 4.0),
        faults=world.faults if trigger else (),
        generator=replace(world.generator, request_timeout_s=request_timeout_s),
    )
    series = simulate(world, 1).series
    answered = np.asarray(series["http_reqs"]) - np.asarray(series["http_req_failed"])
    time_s = np.asarray(series["t_s"])
    (fault,) = load("metastable").world.faults
    before = answered[time_s <= fault.at_s][-1] / fault.at_s
    begin_s = fault.at_s + fault.for_s + LATE_S
    late = (answered[-1] - answered[time_s <= begin_s][-1]) / (time_s[-1] - begin_s)
    return before, late


@pytest.mark.parametrize(
    ("backs_off", "trigger", "recovers"),
    [(False, True, False), (True, True, True), (False, False, True)],
    ids=["at once", "with back-off", "no trigger"],
)
def test_only_what_is_asked_again_at_once_keeps_the_service_overloaded(
    backs_off, trigger, recovers
):
    before, late = answers_per_s(backs_off=backs_off, trigger=trigger)
    assert before > 5.0
    if recovers:
        assert late > 0.9 * before
    else:
        assert late < 0.1 * before


def test_who_waits_for_long_does_not_keep_it_overloaded():
    before, late = answers_per_s(backs_off=False, trigger=True, request_timeout_s=30.0)
    assert late > 0.9 * before


@pytest.mark.parametrize(("people", "recovers"), [(150, True), (350, False)])
def test_it_ends_only_where_repeats_are_fewer_than_the_service_can_do(people, recovers):
    """Everybody who repeats asks every two seconds; the service can do 100 a second."""
    before, late = answers_per_s(backs_off=False, trigger=True, people=people)
    assert (late > 0.9 * before) == recovers
    assert recovers or late < 0.1 * before
