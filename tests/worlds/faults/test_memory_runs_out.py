"""A run whose memory runs out ends there: interrupted, with what was measured until then."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sim.result import INTERRUPTED
from sim.run import simulate
from tests.support.world_small import small

HERE = "tests.worlds.faults.test_memory_runs_out"
HOARDED_BYTES = 1_000_000
LEFT_BYTES = 150_000_000
"""Less than the hoards of thirty customers who ask twice a second for twenty seconds."""
MORE_THAN_ANY_MACHINE_HAS = 1 << 60
_hoard = []


def hoarding(user):
    """Keep a megabyte for each request."""
    user.get("check", "/v1/token/check", {"WaitingToken": "none"})
    _hoard.append(bytearray(HOARDED_BYTES))
    user.sleep(0.5)


def greedy(user):
    """After some requests ask the system for what it does not have."""
    user.get("check", "/v1/token/check", {"WaitingToken": "none"})
    user.sleep(0.5)
    if user.now_s > 5.0:
        bytearray(MORE_THAN_ANY_MACHINE_HAS)


def greedy_in_a_tab(user):
    """The same in another tab, which nobody waits for."""
    user.open_tab(_greedy_for_ten_seconds)
    user.sleep(10.0)


def _greedy_for_ten_seconds(user):
    while True:
        greedy(user)


def told(run):
    """What a child process tells of its run."""
    return {
        "ended": run.ended,
        "notes": run.notes,
        "requests": run.metrics["http_reqs"]["count"],
        "script_errors": run.metrics["script_errors"]["count"],
    }


def within_limit():
    """Simulate hoarders in a process that may take little more than it has."""
    world = small(customer={"script": f"{HERE}:hoarding"})
    simulate(small(load=None), 1, scale=0.1)
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + LEFT_BYTES, resource.RLIM_INFINITY))
    run = simulate(world, 1)
    _hoard.clear()
    sys.stdout.write(json.dumps(told(run)))


@pytest.mark.parametrize("script", ["greedy", "greedy_in_a_tab"])
def test_a_customer_for_whom_there_is_no_memory_ends_the_run(script):
    run = simulate(small(customer={"script": f"{HERE}:{script}"}), 1)
    assert run.ended == INTERRUPTED
    assert run.partial
    assert [note for note in run.notes if note.startswith("memory ran out after 5 s")]
    assert run.metrics["http_reqs"]["count"] > 100
    assert run.metrics["script_errors"]["count"] == 0
    assert 5.0 <= run.simulated_s < 6.0


def test_no_service_answers_for_the_memory_of_the_simulation(monkeypatch):
    from model.waiting_room import WaitingRoom

    calls = 0

    def short_of_memory(self, *arguments, **keywords):
        nonlocal calls
        calls += 1
        if calls == 100:
            raise MemoryError
        return place(self, *arguments, **keywords)

    place = WaitingRoom.place
    monkeypatch.setattr(WaitingRoom, "place", short_of_memory)
    run = simulate(small(), 1)
    assert calls == 100
    assert run.ended == INTERRUPTED
    assert not run.exceptions.get("GET /v1/token/check")
    assert run.metrics["http_reqs"]["count"] > 50


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of address space is Linux's")
def test_a_process_at_its_limit_keeps_what_was_measured():
    code = f"from {HERE} import within_limit; within_limit()"
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout)
    assert found["ended"] == INTERRUPTED
    assert any(note.startswith("memory ran out after ") for note in found["notes"])
    assert 50 < found["requests"] < 500
    assert found["script_errors"] == 0
