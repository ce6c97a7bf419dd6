"""The live view: what it says, on wide and narrow terminals, and that it says it nowhere else."""

import time

import pytest

from experiments.cli.main import parser
from experiments.cli.options import run_options
from experiments.config.reading import load
from experiments.runs.display import silent
from experiments.statistics.so_far import so_far
from experiments.statistics.verdict import verdict_on
from experiments.studies.terms import terms_of
from experiments.views.live_view import LiveDisplay, View, recent_rates, stage_of
from sim.load.settings import ConstantVUs, RampingVUs, Stage
from sim.measure.watched import Watched
from sim.run import Progress, simulate

LOAD = RampingVUs(stages=(Stage(300.0, 20_000), Stage(600.0, 30_000), Stage(300.0, 0)))


def progress(now_s, requests=0, failed=0, **more):
    return Progress(now_s, 1230.0, requests, failed, vus=1234, waiting=567, **more)


@pytest.fixture
def view():
    shown = View(LOAD, 1)
    for second in range(400, 421):
        shown.report(
            0, progress(float(second), 100 * second, 50 * second, top_exception="PoolTimeoutError")
        )
    return shown


def test_it_says_where_the_load_is_and_how_it_goes(view):
    text = " ".join(view.lines(120))
    for part in (
        "34 %",
        "7:00 of 20:30",
        "42,000 requests, 50.00 % failed",
        "left",
        "stage 2 of 3, to 30,000",
        "1,234 users",
        "100 requests/s",
        "50.00 % failing now",
        "567 waiting",
        "most logged: PoolTimeoutError",
    ):
        assert part in text, part


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_it_fits_the_terminal(view, width):
    lines = view.lines(width)
    longest = max(map(len, lines))
    # What cannot be divided may be longer than the narrowest terminals; it is cropped.
    assert longest < max(width, 36)
    assert len(lines) <= 12


def test_rates_are_about_the_last_seconds_only():
    calm = [progress(float(second), 10 * second, 0) for second in range(5)]
    assert recent_rates(calm) == (10.0, 0.0)
    assert recent_rates([progress(0.0)]) == (0.0, None)
    assert recent_rates([progress(10.0, 500, 400), progress(12.0, 600, 500)]) == (50.0, 1.0)


def test_replications_are_counted_together():
    shown = View(LOAD, 3)
    shown.report(0, progress(1230.0, 1000, 0))
    shown.report(1, progress(615.0, 1000, 500))
    text = " ".join(shown.lines(120))
    assert "run 2 of 3" in text
    assert "50 %" in text
    assert "2,000 requests, 25.00 % failed" in text


def test_stages_are_named_only_where_there_are_some():
    assert stage_of(LOAD, 0.0) == "stage 1 of 3, to 20,000"
    assert stage_of(LOAD, 1210.0) == "load over, last iterations"
    assert stage_of(ConstantVUs("constant-vus", 60.0, 3), 10.0) == ""


@pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (True, True)])
def test_nothing_is_shown_without_a_terminal_or_when_quiet(monkeypatch, capsys, terminal, quiet):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    options = parser().parse_args(["run", "smoke", *(["--quiet"] if quiet else [])])
    options.began_s = 0.0
    with run_options(options, LiveDisplay).display.runs(1, LOAD) as report:
        assert report is silent
        report(0, progress(1.0))
    assert capsys.readouterr().err == ""


def test_it_costs_the_simulation_next_to_nothing():
    """A report is made 1,800 times a run, a frame drawn four times a second.

    Together at most 2 % of a core: 20 ms of each second for four frames, with room for reports.
    """
    shown = View(LOAD, 1)
    began = time.process_time()
    for second in range(1_800):
        shown.report(0, progress(float(second), 100 * second, 50 * second))
    assert time.process_time() - began < 0.1
    began = time.process_time()
    for _ in range(400):
        shown.lines(100)
    assert (time.process_time() - began) / 400 < 0.004


def test_it_shows_what_already_fails():
    shown = View(LOAD, 1)
    shown.report(0, progress(400.0))
    assert "verdict" not in " ".join(shown.lines(120))
    shown.report(0, progress(401.0, failing=()))
    assert "verdict so far: nothing fails" in shown.lines(120)
    failing = (("step_failed{step:booking}: rate<=0.01", 0.2048),)
    shown.report(0, progress(402.0, failing=failing))
    assert "verdict so far: FAILS: step_failed{step:booking}: rate<=0.01: is 20.48 %" in " ".join(
        shown.lines(120)
    )


def test_a_run_under_way_is_judged_as_it_is_at_the_end_and_is_the_same_run():
    """Without anybody who watches, nobody judges; the digest is that of any other run."""
    config = load(
        "smoke", ["policy.sweep_by_score=false", 'thresholds.http_req_failed=["rate<0.01"]']
    )
    terms = terms_of(config, 1.0)
    told = []
    watched = Watched(judge=so_far(terms))
    run = simulate(config.world, 1, progress=told.append, watched=watched)
    assert run.digest == simulate(config.world, 1).digest
    end = [name for name, _ in told[-1].failing]
    failures = verdict_on([run], terms)["failures"]
    assert [failure["name"] for failure in failures] == ["http_req_failed: rate<0.01", "booking"]
    assert end == ["http_req_failed: rate<0.01", "step_failed{step:booking}: rate<=0.01"]
    assert simulate(config.world, 1, progress=told.append).digest == run.digest
    assert told[-1].failing is None
