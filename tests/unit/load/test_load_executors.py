"""Virtual users as k6's executors start, stop and interrupt them."""

import gc
import time

import pytest

from sim.kernel.environment import Environment, KernelError
from sim.kernel.random_streams import Streams
from sim.load.executor import TimelessLoopError
from sim.load.executors import IterationInterrupted, make_executor
from sim.load.settings import (
    ConstantArrivalRate,
    ConstantVUs,
    PerVUIterations,
    RampingArrivalRate,
    RampingVUs,
    SharedIterations,
    Stage,
)
from tests.unit.load.load_recorder import Recorder


def ramp(*stages, start=0, down=30.0, stop=30.0):
    return RampingVUs(
        stages=tuple(Stage(*stage) for stage in stages),
        start_vus=start,
        graceful_ramp_down_s=down,
        graceful_stop_s=stop,
    )


def constant(vus, duration_s, stop=30.0):
    return ConstantVUs("constant-vus", duration_s, vus, stop)


def arrivals(rate, duration_s, vus, most=None, stop=30.0):
    return ConstantArrivalRate(
        "constant-arrival-rate", duration_s, rate, vus, max_vus=most, graceful_stop_s=stop
    )


def sleeps(delay_s):
    return lambda recorder, _vu: recorder.env.sleep(delay_s)


def counts(recorder):
    executor = recorder.executor
    return executor.iterations, executor.interrupted_iterations, executor.dropped_iterations


# Looping users


def test_users_iterate_until_the_time_is_up_and_finish_what_they_began():
    recorder = Recorder(constant(2, 10), sleeps(3)).run()
    assert counts(recorder) == (8, 0, 0)
    assert recorder.env.now == 12


def test_interrupting_many_leaves_nothing_to_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        recorder = Recorder(constant(50, 10, stop=0.0), sleeps(1_000)).run()
        assert recorder.executor.interrupted_iterations == 50
        left = [one for one in gc.get_objects() if isinstance(one, IterationInterrupted)]
        assert not left
    finally:
        gc.enable()


def test_what_is_not_finished_in_the_graceful_period_is_interrupted():
    recorder = Recorder(constant(2, 10, stop=1), sleeps(3)).run()
    assert counts(recorder) == (6, 2, 0)
    assert recorder.env.now == recorder.executor.end_s == 11
    assert sorted(recorder.ends[-2:]) == [(11, 1, True), (11, 2, True)]
    assert recorder.durations[-2:] == [2, 2]


def test_the_user_ramped_up_last_is_ramped_down_first():
    recorder = Recorder(ramp((3, 3), (3, 0)), sleeps(0.01)).run()
    assert [(sign, vu) for _, sign, vu in recorder.lives] == [
        (1, 1),
        (1, 2),
        (1, 3),
        (-1, 3),
        (-1, 2),
        (-1, 1),
    ]


def test_a_place_is_taken_by_the_user_who_was_idle_longest():
    recorder = Recorder(ramp((3, 3), (2, 1), (2, 3), (1, 3)), sleeps(0.01)).run()
    assert [vu for _, sign, vu in recorder.lives if sign > 0] == [1, 2, 3, 3, 2]


def test_a_user_wanted_again_while_it_finishes_an_iteration_just_goes_on():
    recorder = Recorder(ramp((1, 0), (1, 1), (8, 1), start=1, down=30), sleeps(5)).run()
    assert recorder.lives == [(0, 1, 1), (10, -1, 1)]
    assert [begin_s for begin_s, _, _ in recorder.begins] == [0, 5]


def test_a_user_keeps_its_state_and_its_count_when_it_comes_back():
    def script(recorder, vu):
        vu.state = (vu.state or 0) + 1
        recorder.env.sleep(1.25)

    recorder = Recorder(ramp((2, 0), (3, 0), (2, 1), (3, 1), start=1, stop=0), script).run()
    assert recorder.users[1].state == 5
    assert [number for _, _, number in recorder.begins] == [0, 1, 2, 3, 4]
    assert [sign for _, sign, _ in recorder.lives] == [1, -1, 1, -1]


def test_a_ramped_down_user_is_interrupted_after_its_graceful_period_only():
    recorder = Recorder(ramp((4, 0), (20, 0), start=2, down=3), sleeps(60)).run()
    assert recorder.ends == [(5, 2, True), (7, 1, True)]


def test_without_a_graceful_period_a_ramped_down_user_is_interrupted_at_once():
    recorder = Recorder(ramp((4, 0), start=2, down=0), sleeps(60)).run()
    assert recorder.ends == [(2, 2, True), (4, 1, True)]


def test_a_jump_up_in_the_middle_of_a_late_interruption_loses_users_as_in_k6():
    load = ramp((3, 10), (0, 4), (2, 7), (6, 7), start=10, down=4, stop=3)
    recorder = Recorder(load, sleeps(0.77)).run()
    assert recorder.active_between(6, 6.9) == {7}
    assert recorder.active_between(7.1, 10.9) == {4}


def test_a_user_stopped_before_its_first_step_makes_no_iteration():
    recorder = Recorder(ramp((1, 1), (0, 0), (0, 1), (0, 0), (1, 0)), sleeps(1)).run()
    assert counts(recorder) == (0, 0, 0)
    assert [sign for _, sign, _ in recorder.lives] == [1, -1]


def test_an_interruption_is_not_swallowed_by_a_script_that_catches_exceptions():
    def script(recorder, _vu):
        try:
            recorder.env.sleep(60)
        except Exception:  # noqa: BLE001 - the point of the test
            recorder.env.sleep(60)

    recorder = Recorder(constant(1, 1, stop=1), script).run()
    assert recorder.env.now == 2
    assert counts(recorder) == (0, 1, 0)


def test_an_iteration_that_swallows_its_interruption_still_counts_as_interrupted():
    def script(recorder, _vu):
        try:
            recorder.env.sleep(60)
        except IterationInterrupted:
            return

    recorder = Recorder(constant(1, 1, stop=1), script).run()
    assert counts(recorder) == (0, 1, 0)


def test_a_failing_script_ends_the_iteration_and_counts():
    def script(recorder, vu):
        recorder.env.sleep(1)
        raise LookupError(vu.iteration)

    recorder = Recorder(constant(1, 3), script).run()
    assert counts(recorder) == (3, 0, 0)
    assert [str(error) for error in recorder.failures] == ["0", "1", "2"]


def test_the_end_is_announced_once_and_nothing_is_left_to_happen():
    recorder = Recorder(constant(3, 10), sleeps(3))
    recorder.executor.start()
    recorder.env.run()
    assert recorder.executor.all_done.processed
    assert recorder.executor.active_vus == 0
    assert sum(sign for _, sign, _ in recorder.lives) == 0


def test_a_load_may_start_later():
    recorder = Recorder(constant(1, 2), sleeps(1))
    recorder.env.call_at(100, recorder.executor.start)
    recorder.env.run()
    assert [begin_s for begin_s, _, _ in recorder.begins] == [100, 101]
    assert recorder.executor.end_s == 132


# Users that are done


def spins_after(iterations):
    def script(recorder, vu):
        recorder.env.sleep(1)
        vu.spinning = vu.iteration + 1 >= iterations

    return script


def test_a_spinning_user_is_one_block_of_time_instead_of_iterations():
    recorder = Recorder(constant(2, 10), spins_after(3)).run()
    assert counts(recorder) == (6, 0, 0)
    assert sorted(recorder.spins) == [(3, 10, 1), (3, 10, 2)]


def test_a_spinning_user_leaves_at_once_when_it_is_ramped_down():
    recorder = Recorder(ramp((4, 0), (20, 0), start=2), spins_after(1)).run()
    assert recorder.spins == [(1, 2, 2), (1, 4, 1)]
    assert counts(recorder) == (2, 0, 0)
    assert recorder.env.now == 4


def test_a_spinning_user_that_comes_back_spins_on():
    recorder = Recorder(ramp((2, 0), (2, 0), (2, 1), (2, 1), start=1), spins_after(1)).run()
    assert recorder.spins == [(1, 2, 1), (6, 8, 1)]
    assert counts(recorder) == (1, 0, 0)


def test_a_spinning_user_that_begins_to_spin_after_it_was_ramped_down_just_leaves():
    recorder = Recorder(ramp((0.5, 0), (20, 0), start=1), spins_after(1)).run()
    assert recorder.spins == []
    assert recorder.lives == [(0, 1, 1), (1, -1, 1)]


def test_a_user_that_is_about_to_spin_finishes_its_iteration_in_the_graceful_period():
    def script(recorder, vu):
        vu.spinning = True
        recorder.env.sleep(3)

    recorder = Recorder(ramp((1, 0), (20, 0), start=1), script).run()
    assert recorder.ends == [(3, 1, False)]


def test_whoever_accounts_for_spinning_may_let_the_user_iterate_again():
    recorder = Recorder(constant(1, 10), spins_after(2))

    def spin(vu):
        recorder.env.sleep(4)
        vu.spinning = False

    recorder.spin = spin
    recorder.run()
    assert [begin_s for begin_s, _, _ in recorder.begins] == [0, 1, 6]


def stops_after(iterations):
    def script(recorder, vu):
        recorder.env.sleep(1)
        if vu.iteration + 1 >= iterations:
            vu.stop()

    return script


def test_a_stopped_user_stays_active_to_the_end_and_leaves_at_once_then():
    recorder = Recorder(constant(2, 10), stops_after(2)).run()
    assert counts(recorder) == (4, 0, 0)
    assert recorder.active_between(0.5, 9.5) == {2}
    assert [at_s for at_s, sign, _ in recorder.lives if sign < 0] == [10, 10]


def test_a_stopped_user_does_not_iterate_when_it_is_ramped_up_again():
    recorder = Recorder(ramp((2, 0), (2, 0), (2, 1), (2, 1), start=1), stops_after(1)).run()
    assert counts(recorder) == (1, 0, 0)
    assert recorder.lives == [(0, 1, 1), (2, -1, 1), (6, 1, 1), (8, -1, 1)]


def test_a_stopped_user_drops_its_own_iterations_and_leaves_shared_ones_to_others():
    each = PerVUIterations("per-vu-iterations", vus=2, iterations=5)
    recorder = Recorder(each, stops_after(2)).run()
    assert counts(recorder) == (4, 0, 6)
    assert recorder.env.now == 2

    def first_stops(recorder, vu):
        recorder.env.sleep(1)
        if vu.id == 1:
            vu.stop()

    shared = SharedIterations("shared-iterations", vus=2, iterations=6)
    recorder = Recorder(shared, first_stops).run()
    assert counts(recorder) == (6, 0, 0)
    assert recorder.env.now == 5


def test_arrivals_do_not_go_to_stopped_users():
    recorder = Recorder(arrivals(rate=1, duration_s=9.5, vus=3), stops_after(1)).run()
    assert counts(recorder) == (3, 0, 7)


def test_a_loop_on_which_no_time_passes_is_an_error_that_says_who_and_when():
    recorder = Recorder(constant(1, 10), lambda _recorder, _vu: None)
    with pytest.raises(TimelessLoopError, match=r"virtual user 1 began 1,001 iterations at 0.0 s"):
        recorder.run()


def test_a_spin_on_which_no_time_passes_is_an_error_too():
    recorder = Recorder(constant(1, 10), spins_after(1))
    recorder.spin = lambda _vu: None
    with pytest.raises(TimelessLoopError, match=r"at 1\.0 s"):
        recorder.run()


def test_an_error_of_the_kernel_is_not_taken_for_one_of_the_script():
    with pytest.raises(KernelError, match="cannot sleep -1 s"):
        Recorder(constant(1, 10), sleeps(-1)).run()


# A number of iterations


def test_iterations_per_user_that_there_is_no_time_for_are_dropped():
    load = PerVUIterations("per-vu-iterations", 2, 10, max_duration_s=5, graceful_stop_s=30)
    recorder = Recorder(load, lambda recorder, vu: recorder.env.sleep(vu.id)).run()
    assert counts(recorder) == (5 + 3, 0, 5 + 7)
    assert recorder.drops == [(5, 5), (6, 7)]


def test_iterations_per_user_end_early_when_all_are_made():
    load = PerVUIterations("per-vu-iterations", 2, 3, max_duration_s=100)
    recorder = Recorder(load, lambda recorder, vu: recorder.env.sleep(vu.id)).run()
    assert counts(recorder) == (6, 0, 0)
    assert recorder.lives[2:] == [(3, -1, 1), (6, -1, 2)]


def test_an_interrupted_iteration_per_user_is_not_dropped_as_well():
    load = PerVUIterations("per-vu-iterations", 1, 10, max_duration_s=5, graceful_stop_s=0.5)
    assert counts(Recorder(load, sleeps(2)).run()) == (2, 1, 7)


def test_shared_iterations_go_to_whoever_is_free():
    load = SharedIterations("shared-iterations", 2, 9)
    recorder = Recorder(load, lambda recorder, vu: recorder.env.sleep(2 * vu.id - 1)).run()
    assert counts(recorder) == (9, 0, 0)
    assert [vu for _, vu, _ in recorder.begins] == [1, 2, 1, 1, 2, 1, 1, 1, 2]


def test_shared_iterations_that_nobody_began_are_dropped_together_at_the_end():
    load = SharedIterations("shared-iterations", 2, 20, max_duration_s=5, graceful_stop_s=1.5)
    recorder = Recorder(load, sleeps(2)).run()
    assert counts(recorder) == (6, 0, 14)
    assert recorder.drops == [(6, 14)]


# Arrivals


def test_arrivals_start_on_time_whatever_the_answers():
    recorder = Recorder(arrivals(rate=2, duration_s=2.5, vus=10), sleeps(4)).run()
    assert [begin_s for begin_s, _, _ in recorder.begins] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert recorder.env.now == 6.5


def test_an_arrival_goes_to_the_user_who_was_free_longest():
    recorder = Recorder(arrivals(rate=1, duration_s=5.5, vus=3), sleeps(0.5)).run()
    assert [vu for _, vu, _ in recorder.begins] == [1, 2, 3, 1, 2, 3]


def test_without_a_free_user_an_arrival_is_dropped():
    recorder = Recorder(arrivals(rate=1, duration_s=5.5, vus=2), sleeps(2.5)).run()
    assert counts(recorder) == (4, 0, 2)
    assert recorder.drops == [(2, 1), (5, 1)]


def test_a_dropped_arrival_brings_one_more_user_for_later_ones():
    recorder = Recorder(arrivals(rate=1, duration_s=5.5, vus=1, most=3), sleeps(60)).run()
    assert recorder.executor.allocated_vus == 3
    assert [(begin_s, vu) for begin_s, vu, _ in recorder.begins] == [(0, 1), (2, 2), (4, 3)]
    assert counts(recorder) == (0, 3, 3)


def test_while_a_user_is_being_initialised_no_other_is():
    recorder = Recorder(arrivals(rate=1, duration_s=8.5, vus=1, most=9), sleeps(60))
    recorder.initialise_s = 2.5
    recorder.run()
    assert [(begin_s, vu) for begin_s, vu, _ in recorder.begins] == [(0, 1), (4, 2), (8, 3)]
    assert recorder.executor.dropped_iterations == 6


def test_only_users_within_an_iteration_count_as_active():
    recorder = Recorder(arrivals(rate=1, duration_s=5.5, vus=5), sleeps(0.5)).run()
    assert recorder.active_between(0.1, 0.4) == {1}
    assert recorder.active_between(0.6, 0.9) == {0}
    assert sum(sign for _, sign, _ in recorder.lives) == 0


def test_arrivals_that_are_not_finished_in_the_graceful_period_are_interrupted():
    recorder = Recorder(arrivals(rate=1, duration_s=2.5, vus=3, stop=2), sleeps(3)).run()
    assert counts(recorder) == (2, 1, 0)
    assert recorder.env.now == 4.5


def test_ramping_arrivals_follow_their_stages():
    load = RampingArrivalRate("ramping-arrival-rate", (Stage(2, 4), Stage(2, 0)), 4)
    recorder = Recorder(load, sleeps(0.1)).run()
    begins = [begin_s for begin_s, _, _ in recorder.begins]
    assert begins[:4] == pytest.approx([1, 2**0.5, 3**0.5, 2])
    assert len(begins) == 8
    assert begins[-1] == 4


# Size


class Nothing:
    """Hooks that cost nothing."""

    def __getattr__(self, name):
        return lambda *_, **__: None


def test_thirty_thousand_users_come_and_go_in_no_time():
    env = Environment()
    load = ramp((10, 30_000), (10, 0))
    begin_s = time.process_time()
    rng = Streams(1).stream("arrivals")
    executor = make_executor(
        env, load, lambda _vu: env.sleep(1_000), Nothing(), opens_s=0.0, rng=rng
    )
    executor.start()
    env.run(until=executor.all_done)
    spent_s = time.process_time() - begin_s
    assert executor.interrupted_iterations == 30_000
    # About 1.2 s on a slow machine, half of it the kernel's threads.
    assert spent_s < 4


def test_steps_to_come_are_not_timers_yet():
    recorder = Recorder(ramp((10, 30_000), (10, 0)), sleeps(1_000))
    recorder.executor.start()
    assert len(recorder.env._queue) == 1
