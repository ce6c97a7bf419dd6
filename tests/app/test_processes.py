"""What a run leaves in its process, and what a busy machine does to it."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace

import pytest

from sim.app.errors import StuckError
from sim.app.seams.runtime import RUNTIME
from sim.app.watching import watchdog
from sim.app.watching.watchdog import ApplicationWatchdog, Spent

APP = """
    from MySQLdb import connect
    def app(environ, start_response):
        import MySQLdb
        assert MySQLdb.connect is connect
        start_response("200 OK", [])
        return [b"simulated"]
"""
ASKS = "def customer(user):\n    assert user.get('/').status == 200\n    user.finish()\n"


@pytest.mark.parametrize("before", [None, types.ModuleType("MySQLdb")], ids=["none", "a real one"])
def test_driver_modules_are_simulated_only_during_a_run(run_app, monkeypatch, before):
    if before is None:
        monkeypatch.delitem(sys.modules, "MySQLdb", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "MySQLdb", before)
    for _ in range(2):
        result = run_app(APP, ASKS)
        assert (result.ended, result.exceptions) == ("completed", {})
        assert sys.modules.get("MySQLdb") is before
        assert "MySQLdb.constants" not in sys.modules


@pytest.fixture
def look(monkeypatch):
    """Looks of a watchdog with 20 s of patience: `look(what was spent at each after the first)`."""

    def looks(*moments):
        env = SimpleNamespace(now=1.0, events=5, current=None)
        settings = SimpleNamespace(patience_s=20.0, memory_limit_mb=1e6)
        dog = ApplicationWatchdog(env, settings)
        for moment in (Spent(0.0, 0.0, 0.0), *moments):
            monkeypatch.setattr(watchdog, "spent", lambda moment=moment: moment)
            dog._look(0, None)

    monkeypatch.setattr(RUNTIME, "roots", ("/none/",))
    monkeypatch.setattr(RUNTIME, "refuse", lambda _error: None)
    return looks


def test_a_busy_machine_ends_no_run(look):
    look(Spent(real_s=300.0, computing_s=19.0, queued_s=270.0))


def test_a_program_that_was_stopped_and_goes_on_is_not_ended(look):
    """Ctrl-Z for five minutes, twice: nobody could look meanwhile."""
    look(Spent(300.0, 0.1, 0.0), Spent(300.5, 0.2, 0.0), Spent(600.0, 0.3, 0.0))


@pytest.mark.parametrize(
    "moments",
    [
        [Spent(300.0, 21.0, 279.0)],
        [Spent(0.5 * number, 0.01 * number, 0.0) for number in range(1, 45)],
    ],
    ids=["it computes", "it waits for a native lock"],
)
def test_code_that_stands_still_ends_the_run(look, moments):
    with pytest.raises(StuckError, match="stood still for 20 s"):
        look(*moments)


def test_spent_time_grows_with_what_the_program_does():
    before = watchdog.spent()
    while watchdog.spent().computing_s < before.computing_s + 0.05:
        pass
    assert watchdog.spent().since(before).longest_s >= 0.05
