"""The pytest plugin in a team's own project, whose packages have the names of ours."""

import os
import subprocess
import sys

import pytest

CONFIG = """\
extends = "smoke"
name = "onsale"
[load]
graceful_stop_s = 0.0
stages = [{ duration_s = 5.0, target = 10 }, { duration_s = 10.0, target = 10 }]
"""
TESTS = """\
import pytest
import model, sim
from pytest_ticketsim import SimulationError

def test_their_own_packages_are_theirs():
    assert model.OURS == sim.OURS == "the team's"

def test_the_on_sale(simulate):
    result = simulate("onsale.toml", replications=3, workers=1)
    assert result.failure_rate <= result.high("http_req_failed") < 0.5
    assert result.low("http_reqs") > 0
    assert result.value("http_req_duration", "p(95)") < 60_000
    assert result.invariants["oversold"] == 0
    assert simulate("onsale.toml", replications=3, workers=1).digest == result.digest

def test_values_change_the_config(simulate):
    few = simulate("onsale.toml", values={"load.stages": "[{ duration_s = 5.0, target = 2 }]"})
    assert few.value("vus_max", "value") == 2

def test_a_metric_without_samples_is_no_zero(simulate):
    result = simulate("onsale.toml")
    with pytest.raises(LookupError, match="no samples"):
        result.value("checks", "rate")
    with pytest.raises(LookupError, match="3 replications"):
        result.high("http_req_failed")

def test_a_config_that_is_wrong_says_so(simulate):
    with pytest.raises(SimulationError, match="did you mean pool.connections") as caught:
        simulate("onsale.toml", values={"pool.conections": "3"})
    assert caught.value.exit_code == 104
"""


@pytest.fixture
def project(tmp_path):
    for name in ("model", "sim", "experiments"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('OURS = "the team\'s"\n')
    (tmp_path / "onsale.toml").write_text(CONFIG)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_onsale.py").write_text(TESTS)
    return tmp_path


def run_pytest(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_teams_tests_use_the_fixture_beside_packages_of_the_same_names(project):
    done = run_pytest(project)
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_a_command_that_is_not_there_is_said(project):
    done = run_pytest(project, "-o", "ticketsim_command=/nowhere/ticketsim", "-k", "values")
    assert done.returncode == 1
    assert "/nowhere/ticketsim" in done.stdout


def test_the_plugin_imports_none_of_our_packages():
    code = (
        "import sys, pytest_ticketsim\n"
        "ours = {'model', 'sim', 'experiments'}\n"
        "sys.exit(bool(ours & {name.partition('.')[0] for name in sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
