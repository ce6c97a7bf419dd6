"""Simulated time: order of events, threads that block, waits that end once."""

import gc
import random

import greenlet
import pytest
import simpy

from sim.kernel import environment
from sim.kernel.environment import TIMEOUT, Deadlines, Environment, KernelError, Waiter


def test_a_thread_sleeps_simulated_time():
    env = Environment()
    seen = []

    def body():
        env.sleep(1.5)
        seen.append(env.now)
        env.sleep(0.5)
        seen.append(env.now)

    env.spawn("sleeper", body)
    env.run()
    assert seen == [1.5, 2.0]


def test_threads_due_at_the_same_time_run_in_the_order_in_which_they_were_scheduled():
    env = Environment()
    order = []

    def body(name, delays):
        for delay_s in delays:
            env.sleep(delay_s)
        order.append(name)

    env.spawn("late", lambda: body("late", [0.5, 0.5]))
    env.spawn("early", lambda: body("early", [1.0]))
    env.spawn("zero", lambda: body("zero", [1.0, 0.0]))
    env.run()
    assert order == ["early", "late", "zero"]


def _script(seed):
    rng = random.Random(seed)
    return [[rng.choice((0.0, 0.5, 1.0, rng.random())) for _ in range(20)] for _ in range(30)]


@pytest.mark.parametrize("seed", range(20))
def test_threads_keep_the_order_of_simpy_processes(seed):
    script = _script(seed)

    def in_threads():
        env, log = Environment(), []

        def body(number):
            for delay_s in script[number]:
                env.sleep(delay_s)
                log.append((env.now, number))

        for number in range(len(script)):
            env.spawn(str(number), lambda number=number: body(number))
        env.run()
        return log

    def in_processes(env):
        log = []

        def body(number):
            for delay_s in script[number]:
                yield env.timeout(delay_s)
                log.append((env.now, number))

        for number in range(len(script)):
            env.process(body(number))
        env.run()
        return log

    assert in_threads() == in_processes(simpy.Environment()) == in_processes(Environment())


def _meetings(seed):
    """What each of twenty actors does: sleep, wait for the next bell of a channel, or ring it."""
    rng = random.Random(seed)

    def step():
        kind = rng.choice(("sleep", "sleep", "wait", "ring", "ring"))
        if kind == "sleep":
            return kind, rng.choice((0.0, 0.5, 1.0, rng.random()))
        return kind, rng.randrange(3)

    return [[step() for _ in range(40)] for _ in range(20)]


def _threads_meet(script):
    env, log, bells = Environment(), [], [[], [], []]

    def body(number):
        for kind, value in script[number]:
            if kind == "sleep":
                env.sleep(value)
            elif kind == "wait":
                bells[value].append(env.waiter())
                bells[value][-1].wait()
            else:
                rung, bells[value] = bells[value], []
                for waiter in rung:
                    waiter.wake()
            log.append((env.now, number))

    for number in range(len(script)):
        env.spawn(str(number), lambda number=number: body(number))
    env.run()
    return log


def _processes_meet(env, script):
    log, bells = [], [[], [], []]

    def body(number):
        for kind, value in script[number]:
            if kind == "sleep":
                yield env.timeout(value)
            elif kind == "wait":
                bells[value].append(env.event())
                yield bells[value][-1]
            else:
                rung, bells[value] = bells[value], []
                for event in rung:
                    event.succeed()
            log.append((env.now, number))

    for number in range(len(script)):
        env.process(body(number))
    env.run()
    return log


@pytest.mark.parametrize("seed", range(20))
def test_wakeups_keep_the_order_of_simpy_events(seed):
    script = _meetings(seed)
    log = _threads_meet(script)
    assert log == _processes_meet(simpy.Environment(), script)
    assert log == _processes_meet(Environment(), script)
    assert len(log) > 200


def test_a_wait_ends_once_and_with_the_first_value():
    env = Environment()
    got = []
    waiters: list[Waiter] = []

    def body():
        waiter = env.waiter()
        waiters.append(waiter)
        got.append(waiter.wait())

    def waker():
        env.sleep(2.0)
        assert waiters[0].wake("first")
        assert not waiters[0].wake("second")

    env.spawn("body", body)
    env.spawn("waker", waker)
    env.run()
    assert got == ["first"]


def test_deadlines_end_waits_in_order_unless_they_ended_before():
    env = Environment()
    deadlines = Deadlines(env, 10.0)
    got = []

    def body(start_s, wake_after_s):
        env.sleep(start_s)
        waiter = env.waiter()
        deadlines.add(waiter)
        if wake_after_s is not None:
            env.call_in(wake_after_s, lambda: waiter.wake("woken"))
        got.append((start_s, waiter.wait(), env.now))

    env.spawn("a", lambda: body(0.0, None))
    env.spawn("b", lambda: body(1.0, 3.0))
    env.spawn("c", lambda: body(2.0, None))
    env.spawn("d", lambda: body(2.0, 10.5))
    env.run()
    assert got == [
        (1.0, "woken", 4.0),
        (0.0, TIMEOUT, 10.0),
        (2.0, TIMEOUT, 12.0),
        (2.0, TIMEOUT, 12.0),
    ]


def test_an_interrupt_arrives_where_the_thread_waits():
    env = Environment()
    log = []

    def sleeper():
        try:
            env.sleep(100.0)
        except ValueError as error:
            log.append((env.now, str(error)))
        env.sleep(1.0)
        log.append((env.now, "went on"))

    thread = env.spawn("sleeper", sleeper)
    env.call_at(3.0, lambda: thread.interrupt(ValueError("stop")))
    env.run()
    assert log == [(3.0, "stop"), (4.0, "went on")]
    assert thread.done
    assert not thread.interrupt(ValueError("too late"))


@pytest.mark.parametrize("wait", ["sleep", "wait"])
def test_who_interrupts_itself_is_told_at_its_next_wait(wait):
    env = Environment()
    log = []

    def body():
        env.sleep(1.0)
        env.current.interrupt(ValueError("me"))
        try:
            if wait == "sleep":
                env.sleep(100.0)
            else:
                env.waiter().wait()
        except ValueError as error:
            log.append((env.now, str(error)))
        env.sleep(1.0)
        log.append((env.now, "went on"))

    env.spawn("body", body)
    env.run()
    assert log == [(1.0, "me"), (2.0, "went on")]


def test_an_error_in_a_thread_ends_the_run():
    env = Environment()

    def body():
        env.sleep(1.0)
        raise KeyError("boom")

    env.spawn("body", body)
    env.spawn("other", lambda: env.sleep(5.0))
    with pytest.raises(KeyError, match="boom"):
        env.run()
    assert env.now == 1.0


def test_an_error_in_a_callback_ends_the_run_even_while_a_thread_drives():
    env = Environment()

    def fail():
        raise KeyError("boom")

    env.spawn("body", lambda: env.sleep(5.0))
    env.call_at(1.0, fail)
    with pytest.raises(KeyError, match="boom"):
        env.run()


def test_run_until_stops_before_that_time_and_goes_on_later():
    env = Environment()
    seen = []

    def body():
        while True:
            env.sleep(1.0)
            seen.append(env.now)

    env.spawn("body", body)
    env.run(until=3.0)
    assert (env.now, seen) == (3.0, [1.0, 2.0])
    env.run(until=4.5)
    assert (env.now, seen) == (4.5, [1.0, 2.0, 3.0, 4.0])


def test_step_processes_one_event():
    env = Environment()
    seen = []

    def body(name):
        env.sleep(1.0)
        seen.append(name)
        env.sleep(1.0)

    env.spawn("a", lambda: body("a"))
    env.spawn("b", lambda: body("b"))
    env.step()
    env.step()
    assert seen == []
    env.step()
    assert (seen, env.now) == (["a"], 1.0)
    env.step()
    assert seen == ["a", "b"]


def test_ten_thousand_threads_start_one_another():
    env = Environment()
    started = []

    def body(number):
        started.append(number)
        if number < 10_000:
            env.spawn(str(number + 1), lambda: body(number + 1))
        env.sleep(1.0)

    env.spawn("0", lambda: body(0))
    env.run()
    assert len(started) == 10_001


def test_callbacks_must_not_block():
    env = Environment()
    env.call_at(1.0, lambda: env.sleep(1.0))
    with pytest.raises(KernelError, match="must not block"):
        env.run()


def test_a_thread_waits_for_simpy_events():
    env = Environment()
    got = []

    def process():
        yield env.timeout(2.0)
        return "value"

    def failing():
        yield env.timeout(1.0)
        raise ValueError("lost")

    def body():
        got.append(env.wait_for(env.process(process())))
        try:
            env.wait_for(env.process(failing()))
        except ValueError as error:
            got.append(str(error))
        got.append(env.now)

    env.spawn("body", body)
    env.run()
    assert got == ["value", "lost", 3.0]


def test_closing_abandons_threads_without_running_them_on():
    log = []

    def abandoned():
        env = Environment()

        def body():
            try:
                env.sleep(10.0)
            finally:
                log.append("finally")
                env.sleep(1.0)
                log.append("slept in finally")

        env.spawn("body", body)
        env.run(until=1.0)
        env.close()

    abandoned()
    gc.collect()
    assert log == ["finally"]


@pytest.mark.parametrize("seed", range(20))
def test_parked_threads_keep_the_order_of_blocked_ones(seed):
    script = _script(seed)

    def played(*, parks):
        env, log = Environment(), []

        def body(number):
            for delay_s in script[number]:
                env.sleep(delay_s)
                log.append((env.now, number))

        def steps(number):
            for place, delay_s in enumerate(script[number]):
                if place % 3:
                    yield delay_s
                else:
                    env.sleep(delay_s)
                log.append((env.now, number))

        for number in range(len(script)):
            if parks:
                env.spawn_steps(str(number), steps(number))
            else:
                env.spawn(str(number), lambda number=number: body(number))
        env.run()
        assert not env.threads
        return log

    assert played(parks=True) == played(parks=False)


def test_parked_threads_share_stacks():
    env = Environment()
    seen = set()

    def steps(number):
        yield 1.0 + number
        seen.add(greenlet.getcurrent())
        yield 1_000.0

    for number in range(100):
        env.spawn_steps(str(number), steps(number))
    env.run(until=500.0)
    assert len(seen) == 1
    assert len(env.threads) == 100
    env.close()


def test_a_parked_thread_can_be_interrupted_killed_and_joined():
    env = Environment()
    log = []

    def steps(name):
        try:
            yield 10.0
        except ValueError as error:
            log.append((env.now, name, str(error)))
            yield 1.0
        finally:
            log.append((env.now, name, "over"))

    told = env.spawn_steps("told", steps("told"))
    killed = env.spawn_steps("killed", steps("killed"))
    env.call_at(2.0, lambda: told.interrupt(ValueError("now")))
    env.call_at(2.0, killed.kill)

    def joins():
        told.join()
        log.append((env.now, "joined"))

    env.spawn("joins", joins)
    env.run()
    assert log == [
        (2.0, "told", "now"),
        (2.0, "killed", "over"),
        (3.0, "told", "over"),
        (3.0, "joined"),
    ]
    assert not told.interrupt(ValueError("late"))


def test_an_error_in_a_parked_thread_ends_the_run():
    env = Environment()

    def steps():
        yield 1.0
        raise ValueError("lost")

    env.spawn_steps("fails", steps())
    with pytest.raises(ValueError, match="lost"):
        env.run()
    env.spawn_steps("negative", iter_of(-1.0))
    with pytest.raises(KernelError, match=r"cannot pause -1\.0 s"):
        env.run()


def iter_of(delay_s):
    yield delay_s


def test_closing_abandons_parked_threads():
    env = Environment()
    log = []

    def steps():
        try:
            yield 10.0
        finally:
            log.append("finally")
            env.sleep(1.0)
            log.append("slept in finally")

    env.spawn_steps("parked", steps())
    env.run(until=1.0)
    env.close()
    assert log == ["finally"]


def test_timers_that_are_cancelled_do_not_stay_in_the_queue_until_they_are_due():
    env = Environment()
    log = []

    def asks(number):
        for _ in range(1_000):
            timer = env.call_in(1_000.0, lambda: log.append("late"))
            env.sleep(0.1 + number * 1e-3)
            timer.cancel()
        log.append((env.now, number))

    for number in range(20):
        env.spawn(str(number), lambda number=number: asks(number))
    longest = 0
    while env.peek() < 1_000.0:
        env.step()
        longest = max(longest, len(env._queue))
    assert len(log) == 20
    assert longest <= 2 * 4_096


@pytest.mark.parametrize("seed", range(5))
def test_a_queue_is_swept_without_a_change_of_order(seed, monkeypatch):
    def played():
        env, log, rng, timers = Environment(), [], random.Random(seed), []

        def plan(delay_s, number):
            timers.append(env.call_in(delay_s, lambda: fires(number)))

        def fires(number):
            log.append((env.now, number))
            for _ in range(rng.randrange(1, 4)):
                plan(rng.choice([1.0, 2.0, 3.0]), len(log))
                timers.pop(rng.randrange(len(timers))).cancel()

        for number in range(30):
            plan(float(number % 3), number)
        env.run(until=12.0)
        return log, env._sweep_at

    whole, at_first = played()
    monkeypatch.setattr(environment, "_FIRST_SWEEP", 1)
    swept, at_last = played()
    assert swept == whole
    assert len(whole) > 30
    # It grows with what is left of the queue, each time it is swept.
    assert at_first == 4_096
    assert 1 < at_last < 200
