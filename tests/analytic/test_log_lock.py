"""The log's lock under a full pool of threads, against the balance of those who queue and leave."""

from math import sqrt

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.machines.cpu import Cpu
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
