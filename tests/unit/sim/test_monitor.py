"""A monitor of the virtual machine: stacks of arrivals, barging, and one woken thread at a time."""

import pytest

from sim.kernel.environment import Environment
from sim.stations.monitor import Monitor


class Desk:
    """Threads that come at given times and hold the monitor for a while."""

    def __init__(self, wake_up_s=0.0):
        self.env = Environment()
        self.monitor = Monitor(self.env, lambda: self.env.sleep(wake_up_s))
        self.got = []
        self.threads = {}

    def come(self, name, at_s, holds_s):
        def visit():
            self.env.sleep(at_s)
            self.monitor.enter()
            self.got.append((name, round(self.env.now, 6)))
            self.env.sleep(holds_s)
            self.monitor.leave()

        self.threads[name] = self.env.spawn(name, visit)

    def names(self):
        self.env.run(until=100.0)
        return [name for name, _ in self.got]


def test_the_latest_of_a_batch_is_the_first():
    desk = Desk()
    desk.come("holder", 0.0, 1.0)
    for number in range(4):
        desk.come(number, 0.1 + 0.1 * number, 1.0)
    assert desk.names() == ["holder", 3, 2, 1, 0]


def test_who_comes_while_a_batch_is_served_comes_after_it():
    desk = Desk()
    desk.come("holder", 0.0, 1.0)
    desk.come("a", 0.1, 1.0)
    desk.come("b", 0.2, 1.0)
    # Both arrive while b, who is the first of the batch, is in.
    desk.come("c", 1.1, 1.0)
    desk.come("d", 1.2, 1.0)
    assert desk.names() == ["holder", "b", "a", "d", "c"]


def test_a_thread_that_finds_it_free_overtakes_the_woken_one_which_keeps_its_place():
    desk = Desk(wake_up_s=0.5)
    desk.come("holder", 0.0, 1.0)
    desk.come("a", 0.1, 1.0)
    desk.come("b", 0.2, 1.0)
    # b is told at 1.0 and runs at 1.5.
    desk.come("quick", 1.2, 1.0)
    assert desk.names() == ["holder", "quick", "b", "a"]
    # Told again when quick leaves at 2.2.
    assert desk.got[2] == ("b", 2.7)


def test_while_one_thread_is_woken_nobody_else_is():
    desk = Desk(wake_up_s=1.0)
    desk.come("holder", 0.0, 1.0)
    desk.come("a", 0.1, 0.1)
    desk.come("b", 0.2, 0.1)
    # It comes and goes while b is on its way.
    desk.come("quick", 1.2, 0.1)
    desk.names()
    assert desk.got[1:] == [("quick", 1.2), ("b", 2.0), ("a", 3.1)]


@pytest.mark.parametrize("killed", ["a", "b"])
def test_a_thread_that_is_killed_keeps_nobody_waiting(killed):
    desk = Desk(wake_up_s=0.5)
    desk.come("holder", 0.0, 1.0)
    desk.come("a", 0.1, 1.0)
    desk.come("b", 0.2, 1.0)
    # b has been told by then, a waits in the line.
    desk.env.call_at(1.2, desk.threads[killed].kill)
    left = "b" if killed == "a" else "a"
    assert desk.names() == ["holder", left]
    assert desk.monitor.waiting == 0


def test_it_is_free_again_after_all_have_left():
    desk = Desk()
    desk.come("a", 0.0, 1.0)
    desk.come("b", 5.0, 1.0)
    desk.names()
    assert desk.got == [("a", 0.0), ("b", 5.0)]
