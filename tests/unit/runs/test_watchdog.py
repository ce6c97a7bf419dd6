"""Code of users that never returns is ended, with its line; what only takes long is not."""

import time
from contextlib import suppress

import pytest

from experiments.config.changes import Change
from experiments.config.reading import read_changed
from experiments.runs.workers import watchdog
from experiments.runs.workers.watchdog import StuckCodeWatchdog
from experiments.runs.workers.worker import Task
from sim.kernel.environment import Environment
from sim.kernel.errors import StuckCodeError
from sim.result import INTERRUPTED

_LOOK_S = 0.01


def _hang():
    while True:
        with suppress(Exception):
            _ = 1


def _works_on(env):
    end_s = time.monotonic() + 80 * _LOOK_S
    while time.monotonic() < end_s:
        env.sleep(1.0)


def _run(work, *, stopped=False):
    env = Environment()
    env.spawn("vu-7", work)
    dog = StuckCodeWatchdog(lambda: stopped, _LOOK_S)
    with dog.watching():
        dog.follow(env)
        env.run()


def endless(_user):
    while True:
        pass


def test_a_run_that_is_stuck_when_the_user_stops_it_is_interrupted_and_not_failed():
    script = f"{__name__}:endless"
    world = read_changed("smoke", [Change("customer.script", script, "")]).config.world
    run = Task(0, world, 1, 1.0).simulate(lambda _progress: False, lambda: True)
    assert (run.ended, run.failure) == (INTERRUPTED, "")
    assert any("is stuck in endless" in note for note in run.notes)


def test_a_loop_without_end_is_named_with_customer_and_line():
    with pytest.raises(
        StuckCodeError, match=r"customer 7 is stuck in _hang \(line 2[0-6] of test_w"
    ):
        _run(_hang)


def test_when_the_user_has_asked_to_stop_it_ends_sooner(monkeypatch):
    monkeypatch.setattr(watchdog, "MOST_LOOKS", 10**9)
    with pytest.raises(StuckCodeError, match="is stuck in _hang"):
        _run(_hang, stopped=True)


def test_a_run_that_gets_on_is_left_alone():
    env = Environment()
    env.spawn("vu-7", lambda: _works_on(env))
    dog = StuckCodeWatchdog(lambda: True, _LOOK_S)
    with dog.watching():
        dog.follow(env)
        env.run()


def test_our_own_code_may_take_its_time():
    import sim.kernel.environment as ours

    assert watchdog.users_frame(None) is None
    frames = []
    namespace = {"__name__": ours.__name__, "sys": __import__("sys"), "frames": frames}
    exec("def own(): frames.append(sys._getframe())\nown()", namespace)
    assert watchdog.users_frame(frames[0]).f_globals["__name__"] == __name__
