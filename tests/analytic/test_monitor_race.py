"""How long threads wait for a monitor on one core, as real threads show it.

`tools/thread_races/MonitorRace.java` is the same loop with OpenJDK 17 on Linux 6.18.
"""

from functools import partial
from math import exp

import numpy as np
import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.machines.run_queue import RunQueue
from sim.stations.connection_pool import ConnectionPool
from sim.stations.monitor import Monitor

FROM_S, UNTIL_S = 2.0, 10.0
SWITCH_MS = 0.002
DATABASE_MS = 0.04


class Service:
    """Threads that work, borrow a connection for two round trips, and work under a monitor."""

    def __init__(self, threads, request_ms, outside_ms, hold_ms, locked_ms, *, monitor=True):
        self.env = Environment()
        cpu = RunQueue(self.env, 1.0, 0.0014)
        self.process, self.database = cpu.process(), cpu.process()
        self.monitor = Monitor(self.env, self.switch) if monitor else None
        self.pool = ConnectionPool(
            self.env, 10, 1e6, barging=True, wake_up=self.switch, tell=self.switch
        )
        self.work = request_ms, outside_ms, hold_ms, locked_ms
        self.out_ms, self.held_ms, self.waits_ms, self.pending = [], [], [], []
        for number in range(threads):
            self.env.spawn("thread", partial(self.loop, Streams(number).stream("work")))
        self.env.run(until=FROM_S)
        while self.env.now < UNTIL_S:
            self.env.run(until=self.env.now + 0.02)
            self.pending.append(self.pool.pending)
        self.env.close()

    def compute(self, ms):
        self.process.compute(1e-3 * ms)

    def switch(self):
        self.compute(SWITCH_MS)

    def loop(self, noise):
        request_ms, outside_ms, hold_ms, locked_ms = self.work
        while True:
            factor = exp(0.47 * noise.normal() - 0.11)
            self.compute(request_ms / 2.0 * factor)
            borrowed_s = self.pool.acquire()
            for _ in range(2):
                self.compute(hold_ms / 3.0 * factor)
                self.database.compute(1e-3 * DATABASE_MS)
                self.switch()
            self.compute(hold_ms / 3.0 * factor)
            out_s = self.env.now - borrowed_s
            self.pool.release(borrowed_s)
            self.compute(outside_ms * factor)
            came_s = self.env.now
            if self.monitor is not None:
                self.monitor.enter()
            entered_s = self.env.now
            self.compute(locked_ms * factor)
            left_s = self.env.now
            if self.monitor is not None:
                self.monitor.leave()
            self.compute(request_ms / 2.0 * factor)
            if came_s > FROM_S:
                self.out_ms.append(1e3 * out_s)
                self.held_ms.append(1e3 * (left_s - entered_s))
                self.waits_ms.append(1e3 * (entered_s - came_s))


# Real: the means of three runs of the real program.
@pytest.mark.parametrize(
    ("loop", "real"),
    [
        pytest.param(
            (190, 0.35, 1.1, 0.25, 0.5),
            {"out": 10.4, "held": 1.04, "at once": 0.64, "p95": 2149.0, "most": 2597.0},
            id="hot",
        ),
        pytest.param(
            (100, 2.0, 2.1, 0.8, 1.0),
            {"out": 18.2, "held": 3.09, "at once": 0.49, "p95": 2145.0, "most": 2504.0},
            id="cold",
        ),
    ],
)
def test_waits_are_those_of_real_threads(loop, real):
    service = Service(*loop)
    waits_ms = np.array(service.waits_ms)
    assert np.mean(service.pending) < 2.0
    assert np.mean(service.out_ms) == pytest.approx(real["out"], rel=0.2)
    assert np.mean(service.held_ms) == pytest.approx(real["held"], rel=0.2)
    assert np.mean(waits_ms < 1.0) == pytest.approx(real["at once"], abs=0.08)
    assert np.percentile(waits_ms, 95) == pytest.approx(real["p95"], rel=0.2)
    assert waits_ms.max() == pytest.approx(real["most"], rel=0.2)


def test_without_the_monitor_they_wait_for_a_connection():
    alone = Service(190, 0.35, 1.1, 0.25, 0.5, monitor=False)
    assert np.mean(alone.pending) > 150.0
    assert max(alone.waits_ms) == 0.0
