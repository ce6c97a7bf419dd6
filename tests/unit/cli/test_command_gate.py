"""`ticketsim gate` as a user and a build server meet it."""

import json
from xml.etree import ElementTree as ET

import pytest

from experiments.cli.main import main

QUICK = (
    'extends = "smoke"\nname = "quick"\nreplications = 3\n'
    "[load]\ngraceful_stop_s = 0.0\n"
    "stages = [{ duration_s = 5.0, target = 10 }, { duration_s = 10.0, target = 10 }]\n"
)


@pytest.fixture
def config(tmp_path):
    def write(thresholds, more=""):
        path = tmp_path / "quick.toml"
        path.write_text(f"{QUICK}{more}[thresholds]\n{thresholds}\n")
        return str(path)

    return write


def gate(*arguments):
    return main(["gate", *map(str, arguments), "--workers=1"])


@pytest.mark.parametrize(("name", "code"), [("pass", 0), ("fail", 99), ("inconclusive", 98)])
def test_the_shipped_examples_end_with_the_codes_of_the_contract(name, code, capsys):
    assert gate(f"gate-{name}", "--scale=0.2", "--budget=12", "--json") == code
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["outcome"] == name
    assert captured.err.count("\n") <= 3  # remarks on the scale


def test_the_files_of_a_build_server(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    path = config('http_reqs = ["count<1"]\nhttp_req_failed = ["rate<0.5"]')
    assert gate(path, "--junit", tmp_path / "j.xml", "--out", tmp_path / "out", "--quiet") == 99
    assert "::error file=" in capsys.readouterr().err
    assert (tmp_path / "summary.md").read_text().startswith("### ticketsim gate: quick: FAIL")
    assert len(list(ET.parse(tmp_path / "j.xml").getroot().iter("failure"))) == 1
    names = {entry.name for entry in (tmp_path / "out").iterdir()}
    assert names == {"manifest.json", "runs.jsonl", "gate.json", "gate.md", "junit.xml"}


def test_a_change_for_the_worse_fails_against_the_baseline_below_the_threshold(
    config, tmp_path, capsys
):
    generous = 'http_req_duration = ["avg<60000"]'
    path = config(generous)
    assert gate(path, "--json", "--quiet") == 0
    accepted = tmp_path / "accepted.json"
    accepted.write_text(capsys.readouterr().out)
    assert gate(path, "--baseline", accepted, "--quiet") == 0
    slower = config(generous, more="[host]\ncores = 2.0\nspeed = 0.5\n")
    assert gate(slower, "--baseline", accepted, "--json", "--quiet") == 99
    found = json.loads(capsys.readouterr().out)
    outcomes = {check["kind"]: check["outcome"] for check in found["checks"]}
    assert outcomes["threshold"] == "pass"
    assert outcomes["baseline"] == "fail"


def test_the_json_of_run_is_a_baseline_too(config, tmp_path, capsys):
    path = config('http_req_duration = ["avg<60000"]')
    assert main(["run", path, "--json", "--quiet", "--workers=1"]) == 0
    accepted = tmp_path / "accepted.json"
    accepted.write_text(capsys.readouterr().out)
    assert gate(path, "--baseline", accepted, "--quiet") == 0


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ("{", "no result; allowed: what run --json"),
        ("[]", "no result"),
        ("{}", "schema = nothing: of another schema; allowed: 1"),
        ('{"schema": 2}', "schema = 2: of another schema"),
        ('{"schema": 1, "config": "other"}', 'config = "other": of another config'),
        ('{"schema": 1, "config": "quick", "scale": 0.5}', "scale = 0.5: of another scale"),
        ('{"schema": 1, "config": "quick", "scale": 1.0, "runs": [3]}', "no result"),
        (None, "cannot be read"),
    ],
)
def test_a_baseline_of_something_else_is_one_clear_line(config, tmp_path, capsys, stored, says):
    path = config('http_reqs = ["count>1"]')
    accepted = tmp_path / "accepted.json"
    if stored is not None:
        accepted.write_text(stored)
    assert gate(path, "--baseline", accepted) == 104
    message = capsys.readouterr().err
    assert says in message
    assert str(accepted) in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("thresholds", "says"),
    [
        ('http_req_fialed = ["rate<1"]', "did you mean http_req_failed"),
        ('http_req_failed = ["rate"]', "allowed: aggregation, operator and number"),
        ('http_req_failed = "rate<1"', "thresholds.http_req_failed"),
        ('http_req_failed = [{ threshold = "rate<1", abort = true }]', "abort = true: unknown key"),
        ("", "no threshold"),
    ],
)
def test_a_threshold_that_is_not_right_is_one_clear_line(
    config, tmp_path, capsys, thresholds, says
):
    assert gate(config(thresholds), "--out", tmp_path / "out") == 104
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_junit_file_that_cannot_be_written_is_said_before_anything_runs(config, capsys):
    assert gate(config('http_reqs = ["count>1"]'), "--junit", "/nowhere/j.xml") == 1
    assert "--junit /nowhere/j.xml: cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compare", "sweep", "gate"])
def test_every_command_with_json_has_a_schema(command, capsys):
    assert main(["schema", "--output", command]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["schema"] == {"const": 1, "title": "Schema", "type": "integer"}
    assert "digest" in schema["required"]


def test_a_pass_at_a_scale_that_rounds_a_resource_is_said_to_be_no_proof(config, capsys):
    path = config('http_req_failed = ["rate<=1"]')
    assert gate(path, "--scale=0.2") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "PASSES at this scale; host.cores" in first
    assert "no proof for full" in first
    assert gate(path, "--scale=0.2", "--strict") == 104
