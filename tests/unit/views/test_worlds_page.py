"""The page of a run over worlds beside what was observed: the verdict first, misses named."""

import json

import pytest

from experiments.cli.main import main
from experiments.config.reading import Observed
from experiments.statistics.reproduction import reproduction
from sim.result import RunResult

CONFIG = """
extends = "smoke"
name = "mine"
replications = 4
[load]
graceful_stop_s = 0.0
stages = [{ duration_s = 5.0, target = 10 }, { duration_s = 10.0, target = 10 }]
[unknowns.room]
key = "catalogue.capacity"
low = 2
high = 9
[observed.requests]
metric = "http_reqs.count"
value = 1000000
[observed.tokens]
metric = "tables.token_history"
value = 1
bound = "at_least"
"""


def run_with(tokens):
    return RunResult(
        seed=1,
        digest="",
        simulated_s=1.0,
        ended="completed",
        metrics={},
        outcomes={},
        errors={},
        exceptions={},
        tables={"token_history": tokens},
        funnel={},
        invariants={},
        sweeps=[],
        notes=[],
    )


@pytest.mark.parametrize(
    ("value", "bound", "reproduced"),
    [
        (5.0, "equal", True),
        (0.5, "equal", False),
        (9.5, "equal", False),
        (9.5, "at_least", False),
        (8.5, "at_least", True),
        (1.5, "at_most", True),
        (0.5, "at_most", False),
    ],
)
def test_a_number_is_reproduced_when_the_worlds_reach_it(value, bound, reproduced):
    observed = {"tokens": Observed("tables.token_history", value, "", bound)}
    runs = [run_with(tokens) for tokens in range(1, 10)]
    row = reproduction(observed, runs, 1.0)["rows"]["tokens"]
    assert row["reproduced"] is reproduced
    assert (row["low"], row["median"], row["high"]) == (1.0, 5.0, 9.0)


def test_counts_of_a_scaled_run_are_held_beside_full_size():
    observed = {"tokens": Observed("tables.token_history", 50.0)}
    row = reproduction(observed, [run_with(5)], 0.1)["rows"]["tokens"]
    assert row["median"] == pytest.approx(50.0)
    assert row["reproduced"]


def test_a_count_of_fewer_than_five_events_at_a_scale_is_not_told():
    observed = {"tokens": Observed("tables.token_history", 17.0)}
    rows = {scale: reproduction(observed, [run_with(2)], scale)["rows"] for scale in (0.1, 0.3)}
    assert rows[0.1]["tokens"]["reproduced"] is None
    assert rows[0.3]["tokens"]["reproduced"] is False
    few = {"tokens": Observed("tables.token_history", 2.0)}
    assert reproduction(few, [run_with(2)], 1.0)["rows"]["tokens"]["reproduced"]


def test_at_a_scale_nothing_is_called_reproduced(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(CONFIG)
    assert main(["run", str(path), "--workers=1", "--scale=0.5"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "AT SCALE 0.5, WHICH SHOWS LITTLE" in shown
    assert "REPRODUCED:" not in shown.replace("NOT REPRODUCED:", "")


def test_what_is_missed_stands_in_the_first_lines(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text(CONFIG)
    assert main(["run", str(path), "--workers=1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["reproduction"]
    assert not found["rows"]["requests"]["reproduced"]
    assert found["rows"]["tokens"]["reproduced"]
    assert main(["run", str(path), "--workers=1"]) == 0
    shown = capsys.readouterr().out
    first = " ".join(" ".join(shown.splitlines()[:6]).split())
    assert "NOT REPRODUCED: requests" in first
    assert shown.index("NOT REPRODUCED") < shown.index("what happened")
    assert shown.index("what happened") < shown.index("what would help")


def test_strips_show_worlds_beside_what_was_observed_and_what_was_drawn(tmp_path):
    from ticketsim import draws, plot_drawn, simulate

    path = tmp_path / "mine.toml"
    path.write_text(CONFIG)
    run = simulate(path, workers=1)
    told = run.plot_reproduction().words
    assert "requests: " in told
    assert "(observed: 1,000,000)" in told
    assert "(observed: >= 1)" in told
    drawn = run.drawn["catalogue.capacity"]
    assert list(drawn) == list(draws(path)["catalogue.capacity"])
    assert "catalogue.capacity" in run.plot_drawn().words
    assert run.plot_drawn().words == plot_drawn(draws(path), "catalogue.capacity").words
    # Worlds that were run twice to tell chance apart are no replications.
    assert sorted(run.results) == [0, 1, 2, 3]


def test_thresholds_on_the_model_are_the_gates_alone(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    limit = '[thresholds]\nhttp_reqs = ["count>1"]\n'
    path.write_text(
        CONFIG.replace("replications = 4", "replications = 4\nthresholds_check_model = true")
        + limit
    )
    assert main(["gate", str(path), "--workers", "1", "--json", "--quiet"]) == 0
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert check["name"].startswith("http_reqs")
    main(["run", str(path), "--workers", "1", "--json", "--quiet"])
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict["thresholds"] == []
