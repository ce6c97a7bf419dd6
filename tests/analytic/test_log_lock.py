"""The log's lock under a full pool of threads.

On a shared core against the balance of those who queue and leave; on a run queue the sign of what
real threads of OpenJDK 17 on Linux 6.18 show (`tools/log_lock`, numbers in docs/validation.md).
"""

from functools import partial
from math import exp, sqrt

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.machines.cpu import Cpu
from sim.machines.run_queue import RunQueue
from sim.service.log_reader import LogReader
from sim.stations.connection_pool import ConnectionPool
from sim.stations.reentrant_lock import ReentrantLock

THREADS = 200
WORK_S = 0.003
FROM_S, UNTIL_S = 10.0, 60.0


@pytest.mark.parametrize(("wake_up_s", "locked"), [(0.010, 0.01), (0.020, 0.006)])
def test_as_many_queue_for_the_lock_as_leave_its_queue(wake_up_s, locked):
    env = Environment()
    cpu = Cpu(env, 1.0)
    process = cpu.process()
    lock = ReentrantLock(env, lambda: env.sleep(wake_up_s))
    work = Streams(1).stream("work")
    held_s = 0.0

    def loop():
        nonlocal held_s
        while True:
            process.compute((1.0 - locked) * work.exponential(WORK_S))
            lock.enter()
            began_s = env.now
            process.compute(locked * WORK_S)
            if began_s > FROM_S:
                held_s += env.now - began_s
            lock.leave()

    for _ in range(THREADS):
        env.spawn("loop", loop)
    env.run(until=UNTIL_S)
    # Held for u of the time: u / x queue per second, (1 - u) / (w + u x) leave.
    ratio = 1.0 + wake_up_s / WORK_S
    expected = (sqrt(ratio * ratio + 4.0) - ratio) / 2.0
    # The balance takes the lock's state when a woken thread runs for independent of all else.
    assert held_s / (UNTIL_S - FROM_S) == pytest.approx(expected, rel=0.15)


class Service:
    """Threads that work, borrow a connection for two round trips, and log a stack trace.

    The loop of `tools/log_lock/LogLock.java`, with the same work in milliseconds.
    """

    DATABASE_MS = 0.04
    WAKE_MS = 0.002

    def __init__(self, threads, request_ms, trace_ms, hold_ms, *, queue, reader, write_ms):
        self.env = Environment()
        self.cpu = RunQueue(self.env, 1.0, 0.0014) if queue else Cpu(self.env, 1.0)
        self.process, self.database = self.cpu.process(), self.cpu.process()
        self.lock = ReentrantLock(self.env, self.wake)
        self.pool = ConnectionPool(self.env, 10, 1e6, barging=True, wake_up=self.wake)
        self.reader = LogReader(self.env, self.cpu.process()) if reader else None
        self.work = request_ms, trace_ms, hold_ms, write_ms
        self.in_log = self.in_pool = 0
        self.held_s = self.out_s = self.writes = 0.0
        for number in range(threads):
            self.env.spawn("thread", partial(self.loop, Streams(number).stream("work")))

    def compute(self, ms):
        self.process.compute(1e-3 * ms)

    def wake(self):
        self.compute(self.WAKE_MS)

    def loop(self, noise):
        request_ms, trace_ms, hold_ms, write_ms = self.work
        while True:
            factor = exp(0.47 * noise.normal() - 0.11)
            self.compute(request_ms / 2.0 * factor)
            self.pool.acquire()
            borrowed_s = self.env.now
            for _ in range(2):
                self.compute(hold_ms / 3.0 * factor)
                self.database.compute(1e-3 * self.DATABASE_MS)
                self.wake()
            self.compute(hold_ms / 3.0 * factor)
            self.out_s += self.env.now - borrowed_s
            self.pool.release(borrowed_s)
            self.compute(trace_ms * factor)
            self.lock.enter()
            began_s = self.env.now
            if self.reader is not None:
                self.reader.write()
            self.compute(write_ms)
            self.held_s += self.env.now - began_s
            self.writes += 1.0
            self.lock.leave()
            self.compute(request_ms / 2.0 * factor)

    def run(self, until_s):
        """Run; then `in_log` and `in_pool` are the mean numbers of those who wait, after 2 s."""
        self.env.run(until=2.0)
        looks = 0
        while self.env.now < until_s:
            self.env.run(until=self.env.now + 0.02)
            looks += 1
            self.in_log += self.lock.waiting
            self.in_pool += self.pool.pending
        self.in_log /= looks
        self.in_pool /= looks
        self.env.close()
        return self


def test_a_reader_of_the_log_moves_the_waiting_threads_from_the_pool_to_the_log():
    # Nearly hot code: who writes has nearly always used up its slice when the reader is woken.
    work = {"threads": 60, "request_ms": 0.5, "trace_ms": 2.0, "hold_ms": 0.5, "write_ms": 0.03}
    alone = Service(**work, queue=True, reader=False).run(6.0)
    read = Service(**work, queue=True, reader=True).run(6.0)
    assert read.in_log > 48.0
    assert alone.in_log < 30.0
    assert read.in_pool < 1.0
    assert alone.in_pool > 10.0
    assert read.out_s / read.writes < 0.6 * alone.out_s / alone.writes


def test_without_a_run_queue_a_reader_makes_no_difference():
    work = {"threads": 60, "request_ms": 0.5, "trace_ms": 2.0, "hold_ms": 0.5, "write_ms": 0.03}
    alone, read = (Service(**work, queue=False, reader=r).run(6.0) for r in (False, True))
    assert read.in_log == pytest.approx(alone.in_log, abs=6.0)
    assert read.held_s / read.writes == pytest.approx(alone.held_s / alone.writes, rel=0.3)
