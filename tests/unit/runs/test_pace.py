"""What is said of how long runs take, and of how far a run came that nobody keeps."""

from experiments.runs.pace import EVERY_S, Pace, nothing_measured
from sim.run import Progress


def test_the_first_finished_run_tells_how_long_all_take():
    said, clock = [], _Clock()
    pace = Pace(8, 2, said.append, clock)
    clock.now_s = 63.0
    pace.finished(0)
    assert said == ["1 run took 63 s; about 4 min for all 8 runs on 2 processes"]


def test_runs_that_end_within_seconds_need_no_line():
    said, clock = [], _Clock()
    pace = Pace(4, 1, said.append, clock)
    for number in range(4):
        clock.now_s += 0.5
        pace.finished(number)
    assert said == []


def test_later_lines_come_at_long_intervals_and_none_after_the_last_run():
    said, clock = [], _Clock()
    pace = Pace(3, 1, said.append, clock)
    for number in range(3):
        clock.now_s += EVERY_S
        pace.finished(number)
    assert said[1:] == ["2 of 3 runs are done; about 30 s more"]


def test_where_nothing_was_finished_the_error_says_how_far_the_run_came():
    clock = _Clock()
    pace = Pace(2, 2, lambda _line: None, clock)
    assert pace.so_far == ""
    pace.heard(0, _progress(400.0))
    pace.heard(1, _progress(412.0))
    clock.now_s = 130.0
    text = nothing_measured(pace.so_far)
    assert "at 412 of 4,500 simulated seconds after 2 min" in text
    assert "--scale" in text
    assert "--budget" in text


def test_a_long_run_is_not_silent():
    said, clock = [], _Clock()
    pace = Pace(1, 1, said.append, clock)
    for minute in range(12):
        clock.now_s = 60.0 * minute
        pace.heard(0, _progress(100.0 * minute))
    assert said == [
        "the run that is furthest is at 500 of 4,500 simulated seconds after 5 min",
        "the run that is furthest is at 1,000 of 4,500 simulated seconds after 10 min",
    ]


class _Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _progress(now_s: float) -> Progress:
    return Progress(now_s=now_s, end_s=4_500.0, requests=0, failed=0, vus=0, waiting=0)
