"""How commands end that cannot go on: whose help is named, and what a closed pipe does."""

import os
import subprocess
import sys

import pytest

from experiments.cli.main import main

PROGRAM = "import sys; from experiments.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "smoke", "--nope"],
        ["run"],
        ["gate", "smoke", "more", "words"],
        ["init"],
        ["import-k6", "a.json", "--scenario"],
    ],
)
def test_wrong_options_name_the_help_of_their_command(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith(f"ticketsim {arguments[0]}: ")
    assert told.endswith(f"(see ticketsim {arguments[0]} -h)\n")
    assert told.count("\n") == 1


def test_a_reader_that_has_enough_ends_the_program_as_usual():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "schema"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 128 + 13
    assert done.stderr == ""


def test_a_gate_on_a_small_scale_warns_as_run_does(capsys):
    assert main(["gate", "gate-pass", "--scale", "0.02", "--workers", "1"]) in {0, 98, 99}
    told = capsys.readouterr().err
    assert "warning: scale 0.02: " in told
    assert "--check-scale" in told
