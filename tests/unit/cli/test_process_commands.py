"""`[[processes]]` on the command line: announced, kept, resumed, and refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TICKETSIM = Path(sys.executable).parent / "ticketsim"
CODE = """
def looks(env, world, *, at_s=1.0):
    yield env.timeout(at_s)
    world.note(f"{world.users} users")


def fails(env, world):
    yield env.timeout(2.0)
    raise KeyError("gone")


def no_generator(env, world):
    return 3


not_callable = 3
"""


@pytest.fixture
def ticketsim(tmp_path):
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")

    def run(process, *arguments, command="run"):
        words = [command, "smoke", "--set", f"processes=[{process}]", "--scale", "0.1"]
        done = subprocess.run(
            [TICKETSIM, *words, *arguments, *(["--verbose"] if command == "run" else [])],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def last_line(done):
    return done.stderr.splitlines()[-1]


def test_code_is_announced_and_a_change_of_it_is_another_run(ticketsim, tmp_path):
    process = '{code="mine:looks", name="watcher", arguments={at_s=3.0}}'
    done = ticketsim(process, "--out", "kept")
    assert done.returncode == 0
    assert 'processes.code = "mine:looks" is Python code and runs' in done.stderr
    assert "3.0 s: watcher: " in done.stdout + done.stderr
    assert ticketsim(process, "--out", "kept").returncode == 0
    (tmp_path / "mine.py").write_text(CODE.replace("users", "people"), encoding="utf-8")
    changed = ticketsim(process, "--out", "kept")
    assert changed.returncode == 104
    assert "code" in last_line(changed)
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    other = ticketsim(process.replace("3.0", "4.0"), "--out", "kept")
    assert other.returncode == 104
    assert "processes" in last_line(other)


def test_a_failing_process_ends_with_1_and_what_was_measured_is_kept_and_marked(
    ticketsim, tmp_path
):
    three = ["--replications", "3", "--workers", "1"]
    done = ticketsim('{code="mine:fails"}', "--out", "kept", *three)
    assert done.returncode == 1
    assert last_line(done) == (
        "ticketsim: seed 1, after 2 simulated seconds: process fails (mine.py, line 9): "
        "KeyError: 'gone'"
    )
    assert "PARTIAL: ended with an error" in done.stdout + done.stderr
    kept = json.loads((tmp_path / "kept" / "manifest.json").read_text("utf-8"))
    assert kept["partial"]
    assert [run["ended"] for run in kept["replications"]] == ["failed"]
    # It is no finished run: the same command runs it again.
    again = ticketsim('{code="mine:fails"}', "--out", "kept", *three)
    assert again.returncode == 1


def test_a_comparison_ends_with_the_process_that_failed(ticketsim):
    done = ticketsim(
        '{code="mine:fails"}', "--variants", "fixed-rate", "--quiet", command="compare"
    )
    assert done.returncode == 1
    assert "process fails (mine.py, line 9): KeyError: 'gone'" in last_line(done)


@pytest.mark.parametrize(
    ("process", "told"),
    [
        ('{code="mine:no_generator"}', "not a generator function, as it has no yield"),
        ('{code="mine:not_callable"}', "not a generator function, as it has no yield"),
        ('{code="mine:nothing"}', "has no attribute 'nothing'"),
        ('{code="nowhere:x"}', "No module named 'nowhere'"),
        ('{code="mine"}', "allowed: package.module:function"),
        ('{code="mine:looks", arguments={when=3}}', "unexpected keyword argument 'when'"),
        ('{code="mine:looks", arguments=3}', "processes.0.arguments = 3"),
        ("{}", "processes.0.code: this key is required"),
        ('{code="mine:looks", at_s=3.0}', "processes.0.at_s = 3.0: unknown key"),
    ],
)
def test_what_is_no_process_is_a_config_error(ticketsim, process, told):
    done = ticketsim(process)
    assert done.returncode == 104
    assert told in last_line(done)
