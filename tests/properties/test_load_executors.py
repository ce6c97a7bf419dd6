"""What holds for every load: nobody and nothing is lost, and the plans are what k6 promises."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sim.load.plan import constant_arrivals, ramping_arrivals, ramping_plan
from sim.load.settings import (
    ConstantArrivalRate,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    Stage,
)
from tests.unit.load.load_recorder import Recorder

lengths = st.integers(1, 40).map(lambda tenths: tenths / 4)
periods = st.sampled_from([0.0, 0.3, 2.0, 7.5])
stages_of_users = st.lists(
    st.builds(Stage, lengths, st.integers(0, 12)), min_size=1, max_size=5
).map(tuple)
stages_of_rates = st.lists(
    st.builds(Stage, st.integers(0, 40).map(lambda tenths: tenths / 4), st.integers(0, 12)),
    min_size=1,
    max_size=5,
).map(tuple)


@st.composite
def ramps(draw):
    stages = draw(stages_of_users)
    nobody = all(stage.target == 0 for stage in stages)
    return RampingVUs(
        stages=stages,
        start_vus=draw(st.integers(1 if nobody else 0, 8)),
        graceful_ramp_down_s=draw(periods),
        graceful_stop_s=draw(periods),
    )


@st.composite
def rates(draw):
    stages = draw(stages_of_rates.filter(lambda some: sum(stage.duration_s for stage in some) > 0))
    nothing = all(stage.target == 0 for stage in stages)
    vus = draw(st.integers(1, 5))
    return RampingArrivalRate(
        "ramping-arrival-rate",
        stages,
        vus,
        draw(st.integers(1 if nothing else 0, 12)),
        draw(st.sampled_from([1.0, 10.0])),
        draw(st.none() | st.integers(vus, 9)),
        draw(periods),
    )


def value_at(steps, at_s):
    return [step.vus for step in steps if step.at_s <= at_s][-1]


def line_at(load, at_s):
    """The number of users on the straight lines between the targets, and which way it goes."""
    begin_s, vus = 0.0, load.start_vus
    for stage in load.stages:
        if at_s < begin_s + stage.duration_s:
            share = (at_s - begin_s) / stage.duration_s
            return vus + share * (stage.target - vus), stage.target >= vus
        begin_s, vus = begin_s + stage.duration_s, stage.target
    return 0, True


@given(ramps(), st.floats(0, 1))
def test_wanted_users_are_the_line_between_the_targets_in_whole_users(load, share):
    plan = ramping_plan(load)
    at_s = share * plan.regular_s
    line, upwards = line_at(load, at_s)
    if abs(line - round(line)) < 1e-6:
        return
    assert value_at(plan.wanted, at_s) == (math.floor(line) if upwards else math.ceil(line))


@given(ramps(), st.floats(0, 1))
def test_whoever_was_wanted_within_the_graceful_period_may_finish(load, share):
    plan = ramping_plan(load)
    at_s = share * plan.end_s * 0.999
    since_s = at_s - load.graceful_ramp_down_s
    times = [step.at_s for step in plan.wanted]
    if any(abs(time_s - edge_s) < 1e-6 for time_s in times for edge_s in (at_s, since_s)):
        return
    # The fall to nobody at the end of a load that does not ramp down is not a ramp-down.
    steps = plan.wanted[:-1] if load.stages[-1].target > 0 else plan.wanted
    inside = [step.vus for step in steps if since_s < step.at_s <= at_s]
    before = [step.vus for step in steps if step.at_s <= since_s][-1:]
    assert value_at(plan.allowed, at_s) == max(before + inside)


@given(ramps(), st.sampled_from([0.07, 0.9, 3.3, 50.0]))
def test_looping_users_are_never_lost_and_never_more_than_allowed(load, sleep_s):
    recorder = Recorder(load, lambda recorder, vu: recorder.env.sleep(sleep_s + vu.id / 97))
    executor = recorder.run().executor
    plan = ramping_plan(load)
    assert executor.active_vus == 0
    assert recorder.env.now <= executor.end_s + 1e-9
    assert executor.iterations + executor.interrupted_iterations == len(recorder.begins)
    assert len(recorder.ends) == len(recorder.begins)
    assert sum(sign for _, sign, _ in recorder.lives) == 0
    assert sorted(recorder.users) == list(range(1, len(recorder.users) + 1))
    active = 0
    for at_s, sign, _ in recorder.lives:
        active += sign
        assert 0 <= active <= executor.allocated_vus
        if at_s not in {step.at_s for step in plan.allowed}:
            assert active <= value_at(plan.allowed, at_s)


@given(ramps())
def test_wanted_users_are_active(load):
    recorder = Recorder(load, lambda recorder, _vu: recorder.env.sleep(0.4)).run()
    plan = ramping_plan(load)
    for step, following in pairwise(plan.wanted):
        if following.at_s > step.at_s:
            middle_s = (step.at_s + following.at_s) / 2
            active = sum(sign for at_s, sign, _ in recorder.lives if at_s <= middle_s)
            assert active >= step.vus


@given(ramps(), st.sampled_from([0.07, 3.3]))
def test_the_same_load_gives_the_same_run(load, sleep_s):
    first, second = (
        Recorder(load, lambda recorder, _vu: recorder.env.sleep(sleep_s)).run() for _ in range(2)
    )
    assert (first.lives, first.begins, first.ends) == (second.lives, second.begins, second.ends)


@given(
    st.integers(1, 6), st.integers(0, 20), st.booleans(), periods, st.sampled_from([0.4, 1.1, 9.0])
)
def test_a_number_of_iterations_is_begun_or_dropped(vus, more, is_shared, stop_s, sleep_s):
    if is_shared:
        load = SharedIterations("shared-iterations", vus, vus + more, 4.0, stop_s)
        total = vus + more
    else:
        load = PerVUIterations("per-vu-iterations", vus, 1 + more, 4.0, stop_s)
        total = vus * (1 + more)
    recorder = Recorder(load, lambda recorder, vu: recorder.env.sleep(sleep_s + vu.id / 97)).run()
    executor = recorder.executor
    assert executor.iterations + executor.interrupted_iterations == len(recorder.begins)
    assert len(recorder.begins) + executor.dropped_iterations == total
    assert sum(count for _, count in recorder.drops) == executor.dropped_iterations
    assert all(begin_s < 4 for begin_s, _, _ in recorder.begins)
    assert recorder.env.now <= executor.end_s


@given(rates(), st.sampled_from([0.02, 0.8, 20.0]))
def test_every_arrival_begins_or_is_dropped(load, sleep_s):
    recorder = Recorder(load, lambda recorder, _vu: recorder.env.sleep(sleep_s))
    recorder.initialise_s = 0.3
    executor = recorder.run().executor
    due = len(list(ramping_arrivals(load)))
    assert executor.iterations + executor.interrupted_iterations == len(recorder.begins)
    assert len(recorder.begins) + executor.dropped_iterations == due
    assert executor.active_vus == 0
    assert executor.allocated_vus <= (load.max_vus or load.pre_allocated_vus)
    assert sum(sign for _, sign, _ in recorder.lives) == 0


def area(load, until_s):
    """Iterations due by then: the area under the rate."""
    begin_s, rate, total = 0.0, load.start_rate, 0.0
    for stage in load.stages:
        length_s = min(stage.duration_s, max(0.0, until_s - begin_s))
        if stage.duration_s > 0:
            reached = rate + (stage.target - rate) * length_s / stage.duration_s
            total += (rate + reached) / 2 * length_s
        begin_s, rate = begin_s + stage.duration_s, stage.target
    return total / load.time_unit_s


@given(rates())
def test_the_nth_arrival_is_when_the_area_under_the_rate_is_n(load):
    times = list(ramping_arrivals(load))
    assert times == sorted(times)
    assert all(abs(area(load, at_s) - number) < 1e-6 for number, at_s in enumerate(times, start=1))
    assert len(times) == math.floor(area(load, math.inf) + 1e-6)


@given(st.integers(1, 500), st.sampled_from([1.0, 60.0]), st.integers(1, 200))
def test_constant_arrivals_are_the_rate_times_the_time(rate, time_unit_s, tenths):
    load = ConstantArrivalRate("constant-arrival-rate", tenths / 10, rate, 1, time_unit_s)
    times = list(constant_arrivals(load))
    assert abs(len(times) - rate * load.duration_s / time_unit_s) <= 1
    assert times[0] == 0
    assert times[-1] <= load.duration_s
