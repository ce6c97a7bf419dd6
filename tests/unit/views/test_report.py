"""The report: what it says of results, of broken ones too, and that it says it safely."""

import dataclasses
import json
import os
import re
import stat
from html.parser import HTMLParser

import pytest

from experiments.cli.main import main
from experiments.config.reading import load, read
from experiments.runs.options import RunOptions
from experiments.statistics.summary import Setup, summarise
from experiments.statistics.thresholds import criteria
from experiments.statistics.verdict import Terms, verdict_on
from experiments.studies.run import run
from experiments.studies.saved_results import SavedRun, read_folder
from experiments.views.report.explanations import CAUSES, INVARIANTS
from experiments.views.report.page import page_of
from experiments.views.report.render import html
from experiments.views.report.run_page import limits_p95
from tests.unit.statistics.test_verdict import sale
from tests.unit.views.report_folders import (
    HOSTILE,
    comparison,
    gate,
    hostile_run,
    ramp,
    run_with_series,
    verdict,
    write_campaign,
    write_run,
)


class Elements(HTMLParser):
    """Counts elements and collects attributes."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.attributes = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]


def elements(text):
    found = Elements()
    found.feed(text)
    return found


def page(folder):
    return page_of(read_folder(folder))


def said(folder):
    return " ".join(f"{one.label} {one.text}" for one in page(folder).sentences)


def figures(told):
    return sum(section.draw is not None for section in told.sections)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The page of one made-up run, as text."""
    return html(page(write_run(tmp_path_factory.mktemp("report") / "run")))


def test_the_verdict_comes_first_and_says_what_failed_and_why(tmp_path):
    told = page(write_run(tmp_path / "run"))
    assert told.level == "failed"
    assert told.badge == "This on-sale fails."
    assert [(one.label, one.text) for one in told.sentences[:2]] == [
        ("Failed:", "must never happen: 2 overadmitted."),
        ("Failed:", "token: 20.00 % failed (limit 1.00 %); PoolTimeout, 100 % of them."),
    ]
    assert any("77.50 % of 1,000 failed" in one.text for one in told.sentences)
    assert any("25 got in" in one.text for one in told.sentences)
    why = next(one.text for one in told.sentences if one.label == "Why requests failed:")
    # Lost seat races are business; the commonest real cause comes first.
    assert why.startswith("MalformedToken (77 % of the failures)")
    begun = next(one.text for one in told.sentences if one.label == "How it began:")
    assert begun.startswith("10:")
    sweep = next(one.text for one in told.sentences if one.label == "The sweep:")
    assert sweep.startswith("1 of 2 runs of the sweep")


def test_a_quiet_run_held(tmp_path):
    run = run_with_series()
    quiet = dataclasses.replace(
        run,
        metrics={**run.metrics, "http_req_failed": {"rate": 0.0, "passes": 0, "fails": 1000}},
        outcomes={"GET /x": {"200": 990, "409": 10}},
        errors={},
        invariants={"oversold": 0},
        sweeps=run.sweeps[:1],
    )
    told = page(write_run(tmp_path / "run", {0: quiet}))
    assert (told.level, told.badge) == ("held", "This on-sale holds.")
    assert not any(one.label == "Behind it:" for one in told.sentences)


def test_a_seat_sold_twice_is_a_failure_however_few_requests_fail(tmp_path):
    run = run_with_series()
    twice = dataclasses.replace(
        run, outcomes={"GET /x": {"200": 990}}, errors={}, invariants={"oversold": 3}
    )
    folder = write_run(tmp_path / "run", {0: twice})
    assert page(folder).level == "failed"
    assert "3 seats sold to more than one person" in said(folder)


def test_every_figure_is_there_wide_and_narrow_with_words(written):
    found = elements(written)
    labels = [
        value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")
    ]
    assert found.tags.count("svg") == len(labels) == 2 * 8
    assert all(len(label) > 40 for label in labels)
    assert len(set(labels)) == 8
    # Text stays text, and takes its colour from the page.
    assert found.tags.count("text") > 100
    assert "var(--ink,#1b1f24)" in written


def test_ids_are_unique(written):
    ids = [value for _, name, value in elements(written).attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 10
    for name in re.findall(r'(?:url\(#|href="#)([^)"]+)', written):
        assert name in ids


def test_nothing_is_fetched_and_nothing_runs(written):
    found = elements(written)
    assert found.tags.count("script") == 1
    assert "script-src 'sha256-" in written
    assert not {"link", "img", "iframe", "object", "use-external"} & set(found.tags)
    for _, name, value in found.attributes:
        if name in {"src", "href", "xlink:href"}:
            assert value.startswith("#")
    assert "@import" not in written
    assert re.findall(r"url\((?!#)", written) == []


def test_the_same_results_give_the_same_page(tmp_path):
    folder = write_campaign(tmp_path / "s", "sweep", "sweep.json", ramp())
    assert html(page(folder)) == html(page(folder))


@pytest.mark.filterwarnings("error")
def test_names_from_outside_stay_text(tmp_path):
    folder = write_run(tmp_path / "run", {0: hostile_run()}, name=HOSTILE)
    text = html(page(folder))
    found = elements(text)
    assert found.tags.count("script") == text.count("<script") == 1
    # In the title, the verdict, tables, figures and remarks, and unchanged.
    assert text.count("&lt;script&gt;") > 8
    assert "frac{1}{2}" in text


def test_replications_show_their_intervals(tmp_path):
    runs = {n: run_with_series(n + 1, tokens=700 + n) for n in range(3)}
    told = page(write_run(tmp_path / "run", runs))
    assert any("95 % interval" in tile.note for tile in told.tiles)
    assert any("means over 3 runs" in fact for fact in told.facts)
    assert any("means over the runs" in one.text for one in told.sentences)


def test_partial_results_are_reported_and_marked(tmp_path):
    run = run_with_series(ended="interrupted")
    assert page(write_run(tmp_path / "run", {0: run}, wanted=2)).partial
    content = gate() | {"partial": True}
    assert "Partial." in html(page(write_campaign(tmp_path / "g", "gate", "gate.json", content)))


def test_results_without_time_series_have_the_other_figures(tmp_path):
    run = dataclasses.replace(run_with_series(), series={})
    assert figures(page(write_run(tmp_path / "run", {0: run}))) == 3


def test_a_config_that_cannot_be_read_any_more_costs_only_its_lines(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "config.toml").write_text('[customer]\nscript = "gone:away"\n')
    told = page(folder)
    assert any("stages and limits are left out" in item for s in told.sections for item in s.items)
    assert figures(told) == 8


def test_observed_numbers_stand_beside_the_simulated_ones(tmp_path):
    changes = (
        'observed.failed={metric="http_req_failed.rate", value=0.7379, note="the report"}',
        'observed.paid={metric="tables.payment", value=3}',
    )
    told = page(write_run(tmp_path / "run", changes=changes))
    table = next(s.table for s in told.sections if s.title == "Observed and simulated")
    rows = {row[0]: row for row in table.rows}
    assert rows["failed"][1:4] == ["73.79 %", "72.50 %", "-1.3 points"]
    assert rows["paid"][1:4] == ["3", "6", "2.0 times"]


def test_a_comparison_names_what_helps(tmp_path):
    folder = write_campaign(tmp_path / "c", "compare", "comparison.json", comparison())
    told = page(folder)
    assert told.badge == "Recommended: all-fixes."
    assert "As it is: FAILS: booking: 30.00 % failed (limit 1.00 %)" in said(folder)
    assert "With all-fixes (a fix): 90 of 100 sold" in said(folder)
    assert "1 ranks before the config as it is, 1 ranks behind it, 1 cannot be told" in said(folder)
    assert figures(told) == 4
    decision = told.sections[0].table
    assert [line[1] for line in decision.rows] == ["all-fixes", "(as it is)", "F1", "F7"]
    assert decision.levels == ["held", "failed", "failed", "failed"]


def test_a_comparison_in_which_nothing_helps_says_so(tmp_path):
    nothing = comparison()
    nothing |= {"variants": nothing["variants"][1:], "recommended": []}
    folder = write_campaign(tmp_path / "c", "compare", "comparison.json", nothing)
    assert page(folder).badge == ("No variant meets everything, and none is shown to be better.")


def test_a_ramp_says_where_it_breaks_and_of_what(tmp_path):
    folder = write_campaign(tmp_path / "s", "sweep", "sweep.json", ramp())
    assert page(folder).badge == "2 of 3 points hold; load.vus: 500 to 1000 hold; 2000 fails."
    assert page(folder).level == "strained"
    assert (
        f"At 2,000 it breaks: booking: 30.00 % failed (limit 1.00 %); {CAUSES['DialTimeout']} "
        "(DialTimeout), 80 % of them; the limit is service.max_connections."
    ) in said(folder)


def test_a_ramp_breaks_at_the_first_threshold_that_is_not_met(tmp_path):
    slow = ramp()
    slow["points"][1]["verdict"] = verdict("payment")
    folder = write_campaign(tmp_path / "s", "sweep", "sweep.json", slow)
    assert page(folder).badge == "1 of 3 points hold; load.vus: 500 holds; 1000 to 2000 fail."
    assert "At 1,000 it breaks: payment" in said(folder)


def test_a_knee_is_where_the_search_found_it(tmp_path):
    side = {
        "value": 800,
        "threshold": "http_req_duration: p(95)<1000",
        "outcome": "fail",
        "found": 1500.0,
        "limit": 1000.0,
    }
    knee = {
        "parameter": "load.vus",
        "meets": 700,
        "does_not": 800,
        "first_cause": "",
        "region": [500, 700],
        "below": None,
        "above": side,
        "nearest": None,
    }
    folder = write_campaign(tmp_path / "s", "sweep", "sweep.json", ramp(design="knee", knee=knee))
    assert page(folder).badge == "Everything is met from load.vus = 500 to 700."
    assert "at load.vus = 800 not met: http_req_duration: p(95)<1000, is 1.5s" in said(folder)


def test_a_grid_over_two_keys_shows_its_extremes(tmp_path):
    grid = ramp()
    for index, point in enumerate(grid["points"]):
        point["values"]["pool.connections"] = 10 * (index + 1)
    folder = write_campaign(tmp_path / "s", "sweep", "sweep.json", grid)
    assert "Most: 30.00 % failed at load.vus = 2,000, pool.connections = 30." in said(folder)
    assert figures(page(folder)) == 1


@pytest.mark.parametrize(
    ("outcome", "level"), [("pass", "held"), ("fail", "failed"), ("inconclusive", "open")]
)
def test_a_gate_says_which_threshold_decided(tmp_path, outcome, level):
    folder = write_campaign(tmp_path / "g", "gate", "gate.json", gate(outcome))
    assert page(folder).level == level
    assert ("http_req_failed: rate<0.01" in said(folder)) == (outcome != "pass")


def test_everything_that_must_never_happen_has_its_words():
    short = ("load.stages=[{duration_s=2.0, target=2}]",)
    finished = run(read("smoke", short), RunOptions())
    assert set(finished.summary["invariants"]) <= set(INVARIANTS)


# The command.


def test_the_command_writes_into_the_folder_and_says_where(tmp_path, capsys):
    folder = write_campaign(tmp_path / "g", "gate", "gate.json", gate())
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().err == f"{folder / 'report.html'}\n"
    path = folder / "report.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not list(folder.glob(".report*"))
    other = tmp_path / "other.html"
    assert main(["report", str(folder), "--out", str(other), "--quiet"]) == 0
    assert other.read_text() == path.read_text()
    assert capsys.readouterr().err == ""


BROKEN = {
    "gone": (lambda path: path, "no such folder"),
    "foreign": (lambda path: path.mkdir(), "holds no results of ticketsim"),
    "file": (lambda path: path.write_text(""), "is no folder"),
    "unfinished": (
        lambda path: write_campaign(path, "compare", "x.json", {}),
        "has no comparison.json",
    ),
    "other command": (
        lambda path: write_campaign(path, "dance", "x.json", {}),
        "holds results of dance",
    ),
    "other shape": (
        lambda path: write_campaign(path, "compare", "comparison.json", {"schema": 1}),
        "comparison.json: is not what ticketsim wrote: config",
    ),
    "no json": (
        lambda path: (write_run(path) / "summary.json").write_text("{"),
        "summary.json: is not JSON",
    ),
    "no table": (
        lambda path: (write_run(path) / "series.parquet").write_bytes(b"nonsense"),
        "a table in it is broken",
    ),
    "other version": (
        lambda path: (write_run(path) / "manifest.json").write_text(json.dumps({"format": 99})),
        "no results of this version",
    ),
}
"""What is wrong with a folder: how it is made so, and what is said about it."""


@pytest.mark.parametrize("how", BROKEN)
def test_what_cannot_be_reported_is_said_in_one_line(tmp_path, capsys, how):
    make, reason = BROKEN[how]
    folder = tmp_path / how
    make(folder)
    assert main(["report", str(folder)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(folder) in error
    assert reason in error


def test_a_page_that_cannot_be_written_is_said_in_one_line(tmp_path, capsys):
    folder = write_run(tmp_path / "run")
    for out, reason in (
        ("/proc/report.html", "cannot be written"),
        (tmp_path / "no" / "such.html", "no such folder"),
        (tmp_path, "is a folder"),
    ):
        assert main(["report", str(folder), "--out", str(out)]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert reason in error


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_said_in_one_line(tmp_path, capsys):
    folder = write_run(tmp_path / "run")
    folder.chmod(0o555)
    try:
        assert main(["report", str(folder)]) == 1
        assert "cannot be written: Permission denied" in capsys.readouterr().err
    finally:
        folder.chmod(0o755)


def test_tiles_and_people_of_a_smaller_run_are_at_full_size(tmp_path):
    summary = summarise(Setup("smoke", 1, 1, 0.1, {}, terms=Terms(scale=0.1)), {0: sale()}, 0.5)
    kept = SavedRun(tmp_path, "run", {}, summary, [sale()], load("smoke"), "")
    told = page_of(kept)
    tiles = {tile.label: tile for tile in told.tiles}
    assert (tiles["people let in"].value, tiles["seats paid"].value) == ("2,500", "600")
    assert tiles["seats sold"].note == "of 1,000; extrapolated"
    section = next(s for s in told.sections if s.title == "How far people came")
    counts = [int(row[1].replace(",", "")) for row in section.table.rows]
    assert sum(counts[:-1]) == counts[-1] == 2_400
    assert "extrapolated to full size, from 240 simulated" in section.text


@pytest.mark.parametrize(
    ("threshold", "is_drawn"),
    [
        ({"http_req_duration": ["p(95)<500"]}, True),
        ({"http_req_duration": ["p(95.0) < 500"]}, True),
        ({"http_req_duration": ["p(99)<500"]}, False),
        ({"http_req_duration{expected_response:true}": ["p(95)<500"]}, False),
    ],
)
def test_the_line_of_a_threshold_is_drawn_for_what_the_threshold_measures(threshold, is_drawn):
    row = verdict_on([sale()], Terms(tuple(criteria(threshold, "x"))))["thresholds"][0]
    assert limits_p95(row) is is_drawn
