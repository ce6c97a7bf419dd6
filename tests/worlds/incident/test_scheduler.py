"""One scheduler thread for everything (D15): late sweeps, lost sweeps, and what mends them."""

from itertools import pairwise

import pytest

from sim.run import simulate
from tests.support.world_small import Played, hold_connections, one_by_one, small

HELD_UP = {"policy": {"sweep_interval_s": 5.0}, "pool": {"connections": 2, "timeout_s": 1.0}}
# The second sweep is due 4.5 s after the load began.
NO_CONNECTION = [(4.0, hold_connections(1.8))]


@pytest.mark.parametrize(
    ("defect", "pause_s"),
    [("D15", 5.0), (None, 1.0)],
    ids=["lost until the next one is due", "tried again after a second"],
)
def test_a_pool_timeout_loses_a_sweep(defect, pause_s):
    played = Played(small(**HELD_UP, defect=defect), events=NO_CONNECTION)
    sweeps = played.result.sweeps

    lost = [number for number, sweep in enumerate(sweeps) if sweep.outcome != "ok"]
    assert lost == [1]
    failed, following = sweeps[1], sweeps[2]
    assert failed.outcome == "PoolTimeoutError"
    assert failed.ended_s - failed.started_s == pytest.approx(1.0, abs=0.01)
    assert following.planned_s - failed.ended_s == pytest.approx(pause_s)
    assert following.outcome == "ok"


def test_a_lost_sweep_lets_nobody_in_for_a_whole_interval():
    # Newcomers would help to fill free slots; they have all come after three seconds.
    world = {**HELD_UP, "load": one_by_one(12.0, 30)}

    def waiting(defect):
        return dict(Played(small(**world, defect=defect), events=NO_CONNECTION).column("waiting"))

    wrong, right = waiting("D15"), waiting(None)
    assert right[6.0] == wrong[6.0] == wrong[10.0] > 5
    assert right[7.0] < right[6.0]


AWAY = {"available": False, "max_block_s": 0.2}


def lateness_s(result):
    return [sweep.started_s - sweep.planned_s for sweep in result.sweeps]


def test_a_broker_that_is_away_holds_up_the_sweep_on_the_one_thread():
    right = simulate(small(broker=AWAY), seed=1)
    wrong = simulate(small(broker=AWAY, defect="D15"), seed=1)

    # The outbox retry blocks on every unsent event, and the sweep waits behind it.
    assert max(lateness_s(wrong)) > 2.0
    assert max(lateness_s(right)) < 0.1
    assert len(wrong.sweeps) < len(right.sweeps)


def test_sweeps_start_an_interval_after_the_last_one_ended():
    for defect in (None, "D15"):
        sweeps = simulate(small(defect=defect), seed=1).sweeps
        assert len(sweeps) >= 20
        for before, after in pairwise(sweeps):
            assert after.planned_s == pytest.approx(before.ended_s + 1.0)
            assert after.started_s >= after.planned_s
