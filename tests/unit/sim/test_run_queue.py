"""One core's run queue: times worked out by hand from the order of Linux's EEVDF."""

import pytest

from sim.kernel.environment import Environment, KernelError
from sim.machines.cpu import Cpu
from sim.machines.run_queue import RunQueue
from sim.stations.single_server import SingleServer

SLICE_S = 0.0014
ONE = 7
"""Number of a thread that works for others."""


class Threads:
    """Threads that come at a time, compute, and write down when they have done it."""

    def __init__(self, queue=True):
        self.env = Environment()
        self.cpu = RunQueue(self.env, 1.0, SLICE_S) if queue else Cpu(self.env, 1.0)
        self.process = self.cpu.process()
        self.ended_ms = {}

    def work(self, name, at_s, *pieces_s, pause_s=0.0):
        def body():
            self.env.sleep(at_s)
            for piece_s in pieces_s:
                self.process.compute(piece_s)
                if pause_s:
                    self.env.sleep(pause_s)
            self.ended_ms[name] = 1e3 * self.env.now

        return self.env.spawn(name, body)


def test_a_thread_that_works_for_one_caller_is_refused_to_another():
    threads = Threads()
    ended = []

    def body():
        threads.process.compute(0.001, ONE)
        ended.append(threads.env.now)

    threads.env.spawn("a", body)
    threads.env.spawn("b", body)
    with pytest.raises(KernelError, match="one caller at a time"):
        threads.env.run()
    threads.env.close()
    assert not ended


def test_a_thread_runs_alone_until_it_has_done_its_work():
    threads = Threads()
    threads.work("a", 0.0, 0.001)
    threads.work("b", 0.0, 0.001)
    threads.env.run()
    assert threads.ended_ms == pytest.approx({"a": 1, "b": 2})


def test_two_pieces_of_work_without_a_wait_between_are_one():
    threads = Threads()
    threads.work("a", 0.0, 0.0005, 0.0005)
    threads.work("b", 0.0, 0.001)
    threads.env.run()
    assert threads.ended_ms == pytest.approx({"a": 1, "b": 2})


def test_a_used_up_slice_ends_at_the_next_tick():
    # a runs 0 to 4, 8 to 12 and 16 to 18 ms, b the rest: a slice of 1.4 ms is seen at ticks only.
    threads = Threads()
    threads.work("a", 0.0, 0.010)
    threads.work("b", 0.0, 0.010)
    threads.env.run()
    assert threads.ended_ms == pytest.approx({"a": 18, "b": 20})


def test_a_slice_that_is_not_used_up_goes_on_when_another_thread_is_woken():
    threads = Threads()
    threads.work("a", 0.0, 0.0013)
    threads.work("b", 0.001, 0.0001)
    threads.env.run()
    assert threads.ended_ms == pytest.approx({"a": 1.3, "b": 1.4})


def test_who_slept_before_the_mean_ends_a_used_up_slice_as_it_is_woken():
    # a runs to the tick at 4 ms, b to 4.1 ms. Woken at 6.1 ms, b is far before the mean, and a has
    # run for 2 ms: b does not wait for the tick at 8 ms.
    threads = Threads()
    threads.work("a", 0.0, 0.020)
    threads.work("b", 0.0, 0.0001, 0.0001, pause_s=0.002)
    threads.env.run()
    # 6.1 ms, 0.1 ms of work and the pause after it.
    assert threads.ended_ms["b"] == pytest.approx(8.2)


def test_who_is_woken_far_before_the_mean_interrupts_a_thread_that_is_after_it():
    # a runs to the tick at 4 ms, b to 4.1 ms. Woken at 4.6 ms, b is 1 ms before the mean and a,
    # with 0.9 ms of its slice left, 1 ms after it.
    threads = Threads()
    threads.work("a", 0.0, 0.020)
    threads.work("b", 0.0, 0.0001, 0.0001, pause_s=0.0005)
    threads.env.run()
    # 4.7 ms and the pause after it.
    assert threads.ended_ms["b"] == pytest.approx(5.2)


def test_callers_of_one_thread_are_served_in_one_turn():
    threads = Threads()
    server, served_ms = SingleServer(threads.env), []

    def call():
        threads.env.sleep(0.001)
        server.enter()
        threads.process.compute(0.0003, ONE)
        served_ms.append(1e3 * threads.env.now)
        server.leave()

    threads.work("a", 0.0, 0.010)
    for _ in range(3):
        threads.env.spawn("caller", call)
    threads.env.run()
    # a's first turn ends at the tick.
    assert served_ms == pytest.approx([4.3, 4.6, 4.9])
    assert len(threads.process._entities) == len(("a", "the one that works for the callers"))


def test_who_asks_a_thread_far_before_the_mean_is_not_asleep_while_that_one_answers():
    # Who is woken far before the mean runs at once, so the other has no time to go to sleep.
    threads = Threads()
    asleep = []

    def ask(work_s):
        threads.process.compute(work_s)
        own = threads.process._entities[threads.env.current]
        threads.env.call_in(0.00005, lambda: asleep.append(own.asleep or not own.queued))
        threads.process.compute(0.0001, ONE)
        threads.process.compute(0.0001)

    def first():
        threads.env.sleep(0.001)
        threads.process.compute(0.0001, ONE)

    # The thread that answers waits for the tick at 4 ms and is 1.45 ms before the mean at 4.1 ms.
    threads.env.spawn("first", first)
    threads.work("a", 0.0, 0.005)
    threads.env.call_in(0.006, lambda: threads.env.spawn("asks", lambda: ask(0.001)))
    threads.env.run()
    assert asleep == [False]


def test_an_interrupted_thread_leaves_the_core_to_the_others():
    threads = Threads()
    killed = threads.work("a", 0.0, 1.0)
    threads.work("b", 0.0, 0.001)
    threads.env.call_in(0.002, killed.kill)
    threads.env.run()
    assert threads.ended_ms == pytest.approx({"b": 3})
    assert threads.cpu.runnable == 0.0


def test_half_the_speed_takes_twice_as_long():
    threads = Threads()
    threads.cpu.set_slowdown(2.0)
    threads.work("a", 0.0, 0.001)
    threads.env.run()
    assert threads.ended_ms == pytest.approx({"a": 2})


@pytest.mark.parametrize("queue", [False, True], ids=["shared", "run queue"])
def test_all_work_is_done_and_the_core_is_never_idle_meanwhile(queue):
    threads = Threads(queue)
    works_s = [0.0003 * (number % 7 + 1) for number in range(40)]
    for number, work_s in enumerate(works_s):
        threads.work(number, 0.0, work_s, work_s, work_s)
    threads.env.run()
    total_s = 3.0 * sum(works_s)
    assert max(threads.ended_ms.values()) == pytest.approx(1e3 * total_s)
    threads.cpu.advance()
    assert threads.cpu.busy_core_s == pytest.approx(total_s)


def test_threads_that_never_wait_get_the_same_within_two_turns():
    threads = Threads()
    for number in range(5):
        threads.work(number, 0.0, 10.0)
    threads.env.run(until=2.0)
    threads.cpu.advance()
    ran_s = [entity.ran_s for entity in threads.process._entities.values()]
    assert sum(ran_s) == pytest.approx(2.0)
    assert max(ran_s) - min(ran_s) <= 0.008


@pytest.mark.parametrize(
    "impossible",
    [
        lambda cpu: cpu.process(threads=2.0),
        lambda cpu: cpu.set_cores(2.0),
        lambda cpu: cpu.process().set_background(1.0),
    ],
)
def test_what_it_does_not_know_is_refused(impossible):
    with pytest.raises(KernelError):
        impossible(Threads().cpu)


def test_a_turn_of_everyone_is_a_slice_or_what_is_left_of_their_work():
    env = Environment()
    cpu = Cpu(env, 1.0)
    process = cpu.process()
    for work_s in (1.0, 2.0, 0.5):
        env.spawn("work", lambda work_s=work_s: process.compute(work_s))
    turns_s = []
    for at_s in (0.1, 0.9):
        env.call_at(at_s, lambda: turns_s.append(cpu.turns_s(1.0)))
    env.run()
    third = 0.1 / 3
    assert turns_s == pytest.approx([(1.0 - third) + 1.0 + (0.5 - third), 0.7 + 1.0 + 0.2])
