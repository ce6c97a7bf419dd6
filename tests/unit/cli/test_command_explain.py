"""`ticketsim explain` as a user meets it."""

import json

import pytest

from experiments.cli.main import main
from experiments.runs.budget import BudgetLeft

CONFIG = """
extends = "smoke"
name = "riddle"
[load]
executor = "ramping-vus"
graceful_stop_s = 0.0
stages = [{ duration_s = 3.0, target = 8.0 }, { duration_s = 3.0, target = 8.0 }]
[customer]
preset = "incident"
[observed.tokens]
metric = "tables.token_history"
value = 4
spread = 0.2
[observed.failed]
metric = "http_req_failed.rate"
value = 0.0
[explain]
most_requests = 1500
[explain.priors.people]
key = "load.stages.target"
distribution = "choice"
values = [0.25, 0.5, 1.0]
scales = true
reason = "as many as there are tokens"
[explain.priors.speed]
key = "host.speed"
distribution = "log-uniform"
low = 0.5
high = 2.0
reason = "says nothing"
[explain.hypotheses.broken]
description = "checks fail"
on = { "policy.position_is_set" = false }
off = { "policy.position_is_set" = true }
[explain.hypotheses.small]
description = "few are let in"
on = { "catalogue.capacity" = 1 }
off = { "catalogue.capacity" = 100 }
[explain.groups]
checks = ["F1", "F1b", "F6"]
script = ["F2c", "F16"]
"""


@pytest.fixture
def riddle(tmp_path):
    path = tmp_path / "riddle.toml"
    path.write_text(CONFIG)
    return path


def explained(capsys, config, *arguments, code=0):
    words = ["explain", str(config), "--scale=1", "--quiet", *arguments, "--json"]
    assert main(words) == code
    return json.loads(capsys.readouterr().out)


def same(found):
    return {name: value for name, value in found.items() if name != "wall_seconds"}


def test_an_answer_is_whole_resumed_and_the_same_with_two_workers(riddle, capsys, tmp_path):
    folder = tmp_path / "answer"
    found = explained(capsys, riddle, "--budget=80", "--workers=1", f"--out={folder}")
    assert {row["model"] for row in found["models"]} == {"broken", "small", "broken+small"}
    assert sum(row["probability"] for row in found["models"]) == pytest.approx(1.0)
    best = next(row for row in found["models"] if row["model"] == "broken")
    assert best["best_inputs"]["people"] == "0.5"
    assert best["best_numbers"]["tokens"] == 4
    assert best["misses"] == []
    tokens = next(row for row in found["predictions"] if row["observation"] == "tokens")
    assert tokens["low"] <= 4 <= tokens["high"]
    assert found["runs"] <= 80
    for outcome in found["attribution"]["outcomes"]:
        total = sum(share["value"] for share in outcome["shares"])
        assert total == pytest.approx(outcome["every"] - outcome["none"])
    assert (folder / "explanation.txt").read_text().startswith("riddle: seed")
    runs = (folder / "runs.jsonl").read_text()
    again = explained(capsys, riddle, "--budget=80", "--workers=2", f"--out={folder}")
    assert same(again) == same(found)
    assert (folder / "runs.jsonl").read_text() == runs, "no run is made twice"
    elsewhere = explained(capsys, riddle, "--budget=80", "--workers=2")
    assert same(elsewhere) == same(found)


def test_the_json_has_the_shape_of_its_schema(riddle, capsys):
    from pydantic import TypeAdapter

    from experiments.studies.explain.results import Explanation

    found = explained(capsys, riddle, "--budget=80", "--workers=1")
    TypeAdapter(Explanation).validate_python(found)
    assert main(["schema", "--output", "explain"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["required"]) <= set(found) <= set(schema["properties"])


def test_a_spent_budget_leaves_a_partial_answer(riddle, capsys, monkeypatch):
    # Every run takes a tenth of a second, on whatever machine.
    seconds_left = property(lambda left: left.budget.duration_s - 0.1 * left.spent_runs)
    monkeypatch.setattr(BudgetLeft, "seconds_left", seconds_left)
    found = explained(capsys, riddle, "--budget=4s", "--workers=1")
    assert found["partial"]
    assert "attribution" not in found
    assert any("budget is spent" in warning for warning in found["warnings"])


@pytest.mark.parametrize(
    ("more", "arguments", "words"),
    [
        ("", ["--budget", "0.01s", "--workers=1"], "--budget: too short for any answer"),
        ("", ["--budget", "10"], "--budget: 10 runs are too few for any answer"),
        ("[observed.it]\nmetric = 'tables.bookings'\nvalue = 1\n", [], "did you mean"),
        ("", ["--set", "explain.priors.speed.high=0.5"], "explain.priors.speed: no support"),
        ("", ["--set", 'explain.groups.checks=["F99"]'], "explain.groups.checks: no variant F99"),
        ("", ["--set", 'explain.groups.checks=["F16"]'], "F16 is in explain.groups.checks too"),
        ("", ["--set", "explain.most_rows=0.5"], "explain.most_rows"),
    ],
)
def test_bad_input_is_one_line_and_104(riddle, capsys, more, arguments, words):
    riddle.write_text(CONFIG + more)
    assert main(["explain", str(riddle), *arguments]) == 104
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_nothing_observed_is_nothing_to_explain(capsys):
    assert main(["explain", "smoke"]) == 104
    assert "nothing was observed" in capsys.readouterr().err


def test_at_length_every_defect_is_a_player_and_known_truths_are_inferred_back(
    riddle, capsys, monkeypatch
):
    from experiments.studies.explain import study
    from experiments.studies.explain.inference import Plan
    from experiments.studies.explain.plan import Thorough

    few = Thorough(orders=2, truths=3, calibration=Plan(8, 1))
    monkeypatch.setattr(study, "THOROUGH", few)
    found = explained(capsys, riddle, "--full", "--budget=80", "--workers=1")
    single = found["attribution_of_single_defects"]
    assert set(single["players"]) == {"F1", "F1b", "F6", "F2c", "F16"}
    for outcome in single["outcomes"]:
        total = sum(share["value"] for share in outcome["shares"])
        assert total == pytest.approx(outcome["every"] - outcome["none"])
    calibration = found["calibration"]
    assert calibration["truths"] == 3
    assert {row["unknown"] for row in calibration["coverage"]} == {"people", "speed"}


def test_without_unknowns_there_is_nothing_to_infer_but_an_answer(capsys, tmp_path):
    config = tmp_path / "sure.toml"
    head, _, rest = CONFIG.partition("[explain.priors.people]")
    config.write_text(head + rest[rest.index("[explain.hypotheses.broken]") :])
    found = explained(capsys, config, "--budget=80", "--workers=1")
    assert found["unknowns"] == []
    assert "nothing to infer: the config names no explain.priors" in found["warnings"]


@pytest.mark.parametrize("budget", [80, 95, 110])
def test_a_number_of_runs_is_never_exceeded(budget, riddle, capsys, tmp_path):
    folder = tmp_path / "answer"
    explained(capsys, riddle, f"--budget={budget}", "--workers=1", f"--out={folder}")
    assert len((folder / "runs.jsonl").read_text().splitlines()) <= budget
