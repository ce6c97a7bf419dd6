"""The Python API: results as tables and plots, changes as keys, errors as the command line's."""

import json
import subprocess
import sys

import pandas as pd
import pytest

import ticketsim
from experiments.api.plots import EmptyPlotError
from ticketsim import TicketsimError, compare, keys, load, plot_together, simulate, sweep

SHORT = {
    "load.stages": [{"duration_s": 10.0, "target": 60}, {"duration_s": 40.0, "target": 60}],
    "catalogue.capacity": 20,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "run"
    return simulate("smoke", changes=SHORT, replications=3, workers=1, out=folder), folder


def test_every_table_agrees_with_the_summary(run):
    run, _ = run
    summary = run.summary
    assert run.requests["requests"].sum() == pytest.approx(summary["metrics"]["http_reqs"]["count"])
    failed = summary["metrics"]["http_req_failed"]["passes"]
    assert run.requests["failed"].sum() == pytest.approx(failed)
    assert run.errors["count"].sum() == pytest.approx(failed)
    assert run.funnel["people"].sum() == 60
    assert run.funnel["share"].sum() == pytest.approx(1.0)
    assert run.reached["people"]["came"] == 60
    assert run.tables["rows"]["booking"] == summary["tables"]["booking"]
    p95 = summary["metrics"]["http_req_duration"]["p(95)"]
    assert run.latency["p95_ms"]["http_req_duration"] == p95
    assert run.value("http_req_duration", "p(95)") == p95
    low, high = run.interval("http_reqs")
    assert low <= run.total_requests <= high
    last = run.series.groupby("replication").last()
    assert last["http_reqs"].mean() == pytest.approx(run.total_requests, rel=0.02)
    assert list(run.replications["digest"]) == [one["digest"][:16] for one in summary["runs"]]


def test_every_plot_shows_something_and_says_what(run):
    run, _ = run
    # Worlds and what was drawn of them: only where something is unknown (test_worlds_page).
    of_worlds = {"plot_reproduction", "plot_drawn"}
    names = [name for name in dir(run) if name.startswith("plot_") and name not in of_worlds]
    assert len(names) == 7
    for name in names:
        data, described = getattr(run, name)()._repr_mimebundle_()
        assert len(data["image/png"]) > 5_000
        assert described["image/png"]["alt"] == data["text/plain"] != ""


def test_a_plot_without_data_is_refused():
    from matplotlib.figure import Figure

    from experiments.api.plots import Plot

    figure = Figure()
    figure.subplots().axvspan(0, 1, zorder=-2)
    with pytest.raises(EmptyPlotError):
        Plot(figure)


def test_results_read_back_are_the_same(run):
    run, folder = run
    again = load(folder)
    assert again.digest == run.digest
    assert again.summary == json.loads(json.dumps(run.summary))
    pd.testing.assert_frame_equal(again.series, run.series)
    assert again.interval("http_reqs") == run.interval("http_reqs")
    assert again.config.resolved["catalogue"]["capacity"] == 20


def test_a_notebook_shows_units_and_no_noise(run):
    run, _ = run
    html = run._repr_html_()
    assert f"{100 * run.failed_share:.2f} %" in html
    assert "ms</td>" in html
    assert repr(run).startswith("smoke, seed 1, 3 replications: ")
    assert str(run).startswith("smoke: HOLDS\n")
    assert run.verdict.holds
    assert str(run.verdict).startswith("smoke: HOLDS\nseats ")
    assert repr(run.verdict) == "smoke: HOLDS"


def test_keys_in_a_mapping_and_as_arguments_are_the_same():
    mapped = simulate("smoke", changes={**SHORT, "pool.connections": 3}, workers=1)
    named = simulate("smoke", changes=SHORT, pool__connections=3, workers=1)
    assert mapped.digest == named.digest
    assert mapped.world.pool.connections == 3


def test_variants_of_ones_own_stand_beside_shipped_ones():
    found = compare(
        "smoke",
        {"sweep by rank": {"policy.sweep_by_score": False}, "short": "F2"},
        replications=3,
        workers=1,
        changes=SHORT,
    )
    table = found.table()
    assert set(table.index) == {"sweep by rank", "short"}
    row = table.loc["sweep by rank"]
    assert row["difference_share"] == pytest.approx(row["variant_share"] - row["base_share"])
    assert row["low_share"] <= row["difference_share"] <= row["high_share"]
    assert found.differences.loc[("short", "failed"), "difference"] == 0.0
    assert "policy.sweep_by_score = False" in found.changes["changes"]["sweep by rank"]
    assert "sweep by rank" in found.plot().words
    with pytest.raises(TicketsimError, match="did you mean payments"):
        found.plot("payment")


def test_a_sweep_is_a_table_with_one_row_per_point(tmp_path):
    found = sweep(
        "smoke", {"catalogue.capacity": [5, 20]}, workers=1, changes=SHORT, out=tmp_path / "sweep"
    )
    assert list(found.points["catalogue.capacity"]) == [5, 20]
    assert found.points["tokens"].iloc[0] <= found.points["tokens"].iloc[1]
    assert "catalogue.capacity" in found.plot().words
    assert load(tmp_path / "sweep").digest == found.digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pool__connexions": 3}, r"changes: pool\.connexions.*did you mean pool\.connections\?"),
        ({"pool__connections": "3"}, r'changes: pool\.connections = "3": allowed'),
        ({"changes": {"pool.connections": None}}, r"changes: pool\.connections = None: allowed"),
        ({"scale": 0.0}, r"scale = 0\.0: allowed: 0 < scale <= 1"),
        ({"seed": -1}, "seed = -1: allowed"),
        ({"replications": 0}, "replications = 0: allowed"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(arguments, message):
    with pytest.raises(TicketsimError, match=message):
        simulate("smoke", **arguments)


def test_what_cannot_be_found_is_said_with_what_there_is(run, tmp_path):
    run, _ = run
    with pytest.raises(TicketsimError, match="did you mean smoke"):
        simulate("smokes")
    with pytest.raises(TicketsimError, match="no results"):
        load(tmp_path)
    with pytest.raises(LookupError, match=r"did you mean p\(95\)"):
        run.value("http_req_duration", "p95")
    with pytest.raises(TicketsimError, match="did you mean waiting"):
        plot_together({"one": run}, "waitin")
    with pytest.raises(TicketsimError, match="allowed: one of knee"):
        sweep("smoke", {"catalogue.capacity": "1..9"}, knee=True, latin=3)


def test_keys_say_unit_range_and_source():
    row = keys("pool.connections").loc["pool.connections"]
    assert (row["default"], row["unit"], row["range"]) == ("10", "connections", "1 to 1,000")
    assert "HikariCP" in row["source"]


def test_every_public_name_is_documented():
    for name in ticketsim.__all__:
        item = getattr(ticketsim, name)
        assert item.__doc__, name
        for member, value in vars(item).items() if isinstance(item, type) else ():
            if not member.startswith("_"):
                assert getattr(value, "__doc__", None), f"{name}.{member}"


def test_a_script_without_a_guard_runs_in_one_process(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "from ticketsim import simulate\n"
        f"run = simulate('smoke', changes={SHORT!r}, replications=2)\n"
        "print(run.digest)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    again = simulate("smoke", changes=SHORT, replications=2, workers=1)
    assert done.stdout.split() == [again.digest]
    assert done.stderr == ""


def test_a_notebook_shows_an_error_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    with capture_output() as shown:
        shell.run_cell("from ticketsim import simulate\nsimulate('smok')")
    InteractiveShell.clear_instance()
    lines = (shown.stdout + shown.stderr).strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("ConfigError: smok: no such config")
