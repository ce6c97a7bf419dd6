"""The interpreter's lock, in order and as CPython has it."""

import pytest

from sim.app.interpreter import WakingLock, interpreter_lock, wake_s
from sim.kernel.environment import Environment
from sim.machines.host import Host
from sim.world import Host as HostSettings

WAKE_S = 0.001


def host_of(env, cores=4.0):
    return Host(env, HostSettings(cores=cores))


def entries(env, lock, plan):
    """Name -> time at which it got the lock; `plan` has name, start and time held."""
    found = {}

    def user(name, start_s, held_s):
        env.sleep(start_s)
        lock.enter()
        found[name] = env.now
        env.sleep(held_s)
        lock.leave()

    for name, start_s, held_s in plan:
        env.spawn(name, lambda name=name, start=start_s, held=held_s: user(name, start, held))
    env.run()
    return found


def test_a_thread_that_asks_before_the_woken_one_runs_overtakes_it():
    env = Environment()
    plan = [("a", 0.0, 0.01), ("b", 0.001, 0.01), ("thief", 0.0105, 0.01)]
    found = entries(env, WakingLock(env, host_of(env), WAKE_S), plan)
    assert found["thief"] == pytest.approx(0.0105)
    assert found["b"] == pytest.approx(0.0205 + WAKE_S)


def test_in_order_nobody_overtakes():
    env = Environment()
    plan = [("a", 0.0, 0.01), ("b", 0.001, 0.01), ("thief", 0.0105, 0.01)]
    found = entries(env, interpreter_lock(env, host_of(env), None), plan)
    assert found == pytest.approx({"a": 0.0, "b": 0.01, "thief": 0.02})


def test_a_woken_thread_waits_for_a_core_only_when_all_are_busy():
    env = Environment()
    host = host_of(env, cores=1.0)
    assert wake_s(host) == 0.0
    process = host.cpu.process()
    seen = []
    for _ in range(4):
        env.spawn("busy", lambda: process.compute(1.0))
    env.call_in(0.1, lambda: seen.append(wake_s(host)))
    env.run()
    assert seen == pytest.approx([0.5 * 4 * host.settings.slice_s])


def test_a_thread_that_is_killed_once_woken_leaves_the_lock_to_the_next():
    env = Environment()
    lock = WakingLock(env, host_of(env), WAKE_S)
    got = []

    def holder():
        lock.enter()
        env.sleep(0.01)
        lock.leave()

    def waits(name):
        lock.enter()
        got.append((name, env.now))
        lock.leave()

    env.spawn("holder", holder)
    killed = env.spawn("killed", lambda: waits("killed"))
    env.spawn("next", lambda: waits("next"))
    env.call_in(0.0105, killed.kill)
    env.run()
    assert [name for name, _ in got] == ["next"]
