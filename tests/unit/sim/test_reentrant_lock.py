"""The log's lock: times worked out by hand from the order that java.util.concurrent keeps."""

import pytest

from sim.kernel.environment import Environment
from sim.machines.cpu import Cpu
from sim.stations.reentrant_lock import ReentrantLock


class Visits:
    """Threads that come at a time, hold the lock for a while and write down when."""

    def __init__(self, wake_up_s=0.0):
        self.env = Environment()
        self.lock = ReentrantLock(self.env, lambda: self.env.sleep(wake_up_s))
        self.held = {}
        self.threads = {}

    def visit(self, name, at_s, for_s):
        def body():
            self.env.sleep(at_s)
            self.lock.enter()
            began_s = self.env.now
            try:
                self.env.sleep(for_s)
            finally:
                self.lock.leave()
            self.held[name] = pytest.approx((began_s, self.env.now))

        self.threads[name] = self.env.spawn(name, body)


def test_those_that_wait_go_in_the_order_in_which_they_came():
    visits = Visits()
    for name, at_s in (("a", 0.0), ("c", 0.2), ("d", 0.3), ("b", 0.1)):
        visits.visit(name, at_s, 1.0)
    visits.env.run()
    assert visits.held == {"a": (0, 1), "b": (1, 2), "c": (2, 3), "d": (3, 4)}


def test_who_comes_while_the_first_is_being_woken_goes_before_it_and_the_first_stays_first():
    visits = Visits(wake_up_s=0.5)
    for name, at_s in (("a", 0.0), ("b", 0.1), ("c", 0.2), ("quick", 1.2)):
        visits.visit(name, at_s, 1.0)
    visits.env.run()
    assert visits.held == {"a": (0, 1), "quick": (1.2, 2.2), "b": (2.7, 3.7), "c": (4.2, 5.2)}


def test_being_woken_is_not_begun_again_by_another_leave():
    visits = Visits(wake_up_s=0.5)
    visits.visit("a", 0.0, 1.0)
    visits.visit("b", 0.1, 1.0)
    visits.visit("quick", 1.1, 0.2)
    visits.env.run()
    assert visits.held == {"a": (0, 1), "quick": (1.1, 1.3), "b": (1.5, 2.5)}


@pytest.mark.parametrize(("at_s", "c_from_s"), [(0.5, 1.5), (1.2, 1.7)], ids=["asleep", "woken"])
def test_the_next_one_goes_when_the_first_is_killed(at_s, c_from_s):
    visits = Visits(wake_up_s=0.5)
    for name, come_s in (("a", 0.0), ("b", 0.1), ("c", 0.2)):
        visits.visit(name, come_s, 1.0)
    visits.env.call_at(at_s, visits.threads["b"].kill)
    visits.env.run()
    assert visits.held == {"a": (0, 1), "c": (c_from_s, c_from_s + 1)}
    assert visits.lock.waiting == 0


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
