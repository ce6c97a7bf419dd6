"""What commands print for programs and for people."""

import argparse
import json

import pytest

from experiments.cli.main import main
from experiments.cli.output import show
from experiments.cli.schema import DOCUMENTS
from experiments.documents import as_json
from experiments.views.text.verdict_text import verdict_lines
from tests.unit.views.report_folders import verdict


def columns(_document, width):
    return f"{width} columns\n"


@pytest.mark.parametrize("command", DOCUMENTS)
def test_every_command_has_a_schema_of_what_it_prints(command, capsys):
    assert main(["schema", "--output", command]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"schema", "digest" if command != "calibrate" else "fragment"} <= set(schema["required"])


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_a_program_gets_json_only_and_people_are_told_unless_quiet(
    quiet, wanted, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "77")
    show(argparse.Namespace(json=wanted, quiet=quiet, verbose=False), {"a": 1}, columns)
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out == ('{\n  "a": 1\n}\n' if wanted else "" if quiet else "77 columns\n")


def test_a_document_ends_with_its_line():
    assert as_json({}) == "{}\n"


def test_a_run_ends_with_its_budget_and_says_how_much_is_done(capsys):
    quick = [
        "--set",
        "load.stages=[{duration_s=2.0,target=3}]",
        "--set",
        "load.graceful_stop_s=0.0",
    ]
    assert main(["run", "smoke", *quick, "--replications=3", "--workers=1", "--budget=2"]) == 0
    said = capsys.readouterr().out
    assert "the budget is spent: 2 of 3 replications are done" in said


def test_people_shut_out_of_an_on_sale_that_holds_are_explained():
    told = verdict()
    told["people"]["shut_out"] = 3_056.0
    (line,) = [line for line in verdict_lines(told, 100) if line.startswith("shut out")]
    assert "catalogue.capacity" in line
    assert "no threshold of the config counts them" in line
    told["people"]["shut_out"] = 0.0
    assert not any(line.startswith("shut out") for line in verdict_lines(told, 100))
