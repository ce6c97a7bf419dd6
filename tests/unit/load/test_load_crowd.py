"""People who come around the opening of a sale."""

import numpy as np
import pytest
from scipy.stats import kstest

from sim.kernel.random_streams import Streams
from sim.load.crowd import crowd_arrivals
from sim.load.settings import OpeningCrowd
from tests.unit.load.load_recorder import Recorder

OPENS_S = 1_800.0


def crowd(people, **changes):
    return OpeningCrowd("opening-crowd", people=people, duration_s=3_600.0, **changes)


def times(settings, opens_s=OPENS_S, seed=1):
    return np.array(crowd_arrivals(settings, opens_s, Streams(seed).stream("arrivals")))


def cut_exponential(mean_s, longest_s):
    """The distribution function of an exponential time that is at most `longest_s`."""
    return lambda x: (1.0 - np.exp(-x / mean_s)) / (1.0 - np.exp(-longest_s / mean_s))


@pytest.mark.parametrize("early_share", [0.2, 0.8])
def test_so_many_come_early_and_how_early_they_come(early_share):
    came = times(crowd(20_000, early_share=early_share, early_mean_s=900.0, late_mean_s=60.0))
    early, late = came[came < OPENS_S], came[came >= OPENS_S]

    deviation = (early_share * (1 - early_share) * 20_000) ** 0.5
    assert abs(len(early) - early_share * 20_000) < 4 * deviation
    assert kstest(OPENS_S - early, cut_exponential(900.0, OPENS_S)).pvalue > 0.001
    assert kstest(late - OPENS_S, cut_exponential(60.0, OPENS_S)).pvalue > 0.001


def test_everyone_comes_once_in_order_and_during_the_load():
    came = times(crowd(1_000, early_mean_s=7_200.0, late_mean_s=7_200.0))
    assert len(came) == 1_000
    assert (np.diff(came) >= 0).all()
    assert came[0] >= 0.0
    assert came[-1] <= 3_600.0


def test_without_an_opening_everyone_comes_after_the_beginning():
    came = times(crowd(5_000, early_share=0.9, late_mean_s=120.0), opens_s=0.0)
    assert kstest(came, cut_exponential(120.0, 3_600.0)).pvalue > 0.001


def test_an_opening_after_the_end_has_everyone_come_early():
    came = times(crowd(100, early_share=0.0), opens_s=9_999.0)
    assert came[-1] <= 3_600.0


def test_another_seed_gives_other_times_and_the_same_seed_the_same():
    assert (times(crowd(50)) == times(crowd(50))).all()
    assert (times(crowd(50)) != times(crowd(50), seed=2)).all()


def test_one_virtual_user_is_one_person():
    def visit(_recorder, vu):
        vu.stop()

    recorder = Recorder(crowd(200), visit, opens_s=OPENS_S).run()
    assert recorder.executor.iterations == 200
    assert recorder.executor.dropped_iterations == 0
    assert len(recorder.users) == 200
    assert {vu.iteration for vu in recorder.users.values()} == {0}


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"early_share": 1.5}, "early_share"), ({"late_mean_s": 0.0}, "late_mean_s")],
)
def test_impossible_crowds_are_refused(changes, named):
    with pytest.raises(ValueError, match=named):
        crowd(10, **changes)


def test_a_crowd_of_nobody_is_refused():
    with pytest.raises(ValueError, match="people"):
        crowd(0)
