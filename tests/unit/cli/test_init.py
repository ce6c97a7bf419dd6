"""A project made by `ticketsim init` runs as it is; user code comes in by paths the user wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli.main import main
from sim.run import simulate
from sim.service.service_class import service_class
from tests.support.world_small import small

ROOT = Path(__file__).parents[3]
PROGRAM = "import sys; from experiments.cli.main import main; sys.exit(main())"


def ticketsim(folder, *arguments):
    """Run the command in a folder, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


MEMBERS = 'service.code="onsale_service:MembersFirst"'
QUICK = ("--set", "load.people=30", "--set", "load.duration_s=200.0", "--workers", "1")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new") / "my-sale"
    assert main(["init", str(folder)]) == 0
    return folder


def test_the_project_has_everything(project):
    files = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "onsale.toml",
        "onsale_policies.toml",
        "onsale_customer.py",
        "onsale_service.py",
        ".github/workflows/onsale-gate.yml",
    }
    for name in files - {"README.md"}:
        assert name in (project / "README.md").read_text()


def test_it_runs_from_any_folder(project, tmp_path):
    done = ticketsim(
        *(
            tmp_path,
            "run",
            str(project / "onsale.toml"),
            "--replications",
            "1",
            *QUICK,
            "--verbose",
        ),
        *("--set", MEMBERS),
    )
    assert done.returncode == 0, done.stderr
    assert "members" in done.stdout.lower()  # its own service answered
    assert "paid" in done.stdout
    assert "script error" not in done.stdout


@pytest.mark.parametrize(
    "command",
    [("compare", "--variants", "pool.toml"), ("sweep", "--param", "catalogue.capacity=5,20")],
    ids=["compare", "sweep"],
)
def test_its_code_is_found_by_every_command_from_any_folder(project, tmp_path, command):
    (tmp_path / "pool.toml").write_text("[variants.small-pool]\npool.connections = 1\n")
    name, *options = command
    config = str(project / "onsale.toml")
    once = ("--replications", "1", *QUICK, "--set", MEMBERS)
    done = ticketsim(tmp_path, name, config, *options, *once)
    assert done.returncode == 0, done.stderr
    assert f"runs: {project / 'onsale_service.py'}" in done.stderr


def test_its_results_are_read_and_run_again_wherever_they_are_kept(project, tmp_path):
    kept, config = tmp_path / "runs" / "one", str(project / "onsale.toml")
    words = ("--replications", "1", "--quiet", "--json", *QUICK)
    first = ticketsim(project, "run", "onsale.toml", "--out", str(kept), *words)
    assert first.returncode == 0, first.stderr
    again = ticketsim(tmp_path, "run", str(kept / "config.toml"), "--quiet", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["digest"] == json.loads(first.stdout)["digest"]
    resumed = ticketsim(tmp_path, "run", config, "--out", str(kept), *words)
    assert json.loads(resumed.stdout)["digest"] == json.loads(first.stdout)["digest"]


def test_its_gate_passes(project):
    done = ticketsim(project, "gate", "onsale.toml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("onsale: PASSES")


def test_as_it_is_nobody_is_refused(project):
    done = ticketsim(project, "run", "onsale.toml", "--replications", "1", *QUICK, "--verbose")
    assert done.returncode == 0, done.stderr
    assert "MembersFirst 1" not in done.stdout
    assert "403" not in done.stdout


def test_code_beside_a_config_is_found_only_where_the_config_says_so(project, tmp_path):
    text = (project / "onsale.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("python_path")]
    silent = project / "silent.toml"
    silent.write_text("\n".join(lines))
    done = ticketsim(tmp_path, "run", str(silent), *QUICK)
    silent.unlink()
    assert done.returncode == 104
    assert "customer.script" in done.stderr
    assert "No module named 'onsale_customer'" in done.stderr


def test_a_python_path_that_is_not_there_is_refused(project):
    done = ticketsim(project, "run", "onsale.toml", "--set", 'python_path="elsewhere"')
    assert done.returncode == 104
    assert "python_path" in done.stderr
    assert "no such folder" in done.stderr


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("model.service:Nothing", "no attribute 'Nothing'"),
        ("no_such_module:Service", "No module named"),
        ("model.service:GENERATION", "a subclass of model.service.TicketService"),
        ("model.policy:Policy", "a subclass of model.service.TicketService"),
        ("", "allowed: package.module:Class"),
    ],
)
def test_a_service_that_is_none_is_refused(path, named):
    with pytest.raises(ValueError, match=named):
        service_class(path)


# Where it may be written


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path, capsys):
    (tmp_path / "precious.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told == f"ticketsim: init {tmp_path}: not empty; allowed: a new or empty folder\n"
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_an_empty_folder_will_do(tmp_path):
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "onsale.toml").exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_the_way_is_refused(tmp_path, capsys, place):
    (tmp_path / "file").write_text("mine")
    assert main(["init", str(tmp_path / place)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_where_nothing_can_be_written_one_line_says_so(monkeypatch, tmp_path, capsys):
    def read_only(_path, *_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", read_only)
    assert main(["init", str(tmp_path / "new")]) == 1
    assert "cannot be written: Permission denied" in capsys.readouterr().err


# A customer that does nothing


def does_nothing(_user):
    """Return at once, for ever."""


def test_a_script_that_does_nothing_is_refused_at_once(monkeypatch):
    monkeypatch.setattr("tests.support.world_customers.does_nothing", does_nothing, raising=False)
    with pytest.raises(RuntimeError, match="1,000 iterations in a row without a request"):
        simulate(small(script="does_nothing"), 1)


def fails(_user):
    """End with an error before anything happens."""
    raise ZeroDivisionError("of my own")


def test_a_script_that_fails_at_once_is_refused_with_its_own_error(monkeypatch):
    monkeypatch.setattr("tests.support.world_customers.fails", fails, raising=False)
    with pytest.raises(RuntimeError, match="it ended with ZeroDivisionError: of my own"):
        simulate(small(script="fails"), 1)
