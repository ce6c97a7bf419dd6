"""The real thing beside its prediction, at a small size; and what a missing part leads to."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.studies.live import rig
from experiments.studies.live.load_cut import cut
from experiments.studies.live.numbers import of_requests
from experiments.studies.live.study import compared
from sim.load.settings import ConstantVUs, OpeningCrowd, PerVUIterations, RampingVUs, Stage

SMALL = [
    "smoke",
    "--database=sqlite",
    "--replications=3",
    "--set=customer.poll_interval_s=0.5",
    "--set=customer.think_low_s=0.1",
    "--set=customer.think_high_s=0.3",
    "--scale=0.1",
]


@pytest.mark.redis_server
@pytest.mark.k6
def test_the_real_thing_and_its_prediction_name_the_same_numbers(tmp_path, capsys):
    assert main(["live", *SMALL, "--at-most=6s", "--json", "--quiet", f"--out={tmp_path}/x"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["requests POST /v1/token/generation"]["measured"] > 0
    assert rows["requests POST /v1/token/generation"]["inside"]
    assert found["judged"] >= found["inside"] > 0
    assert json.loads((tmp_path / "x" / "prediction.json").read_text())


@pytest.mark.redis_server
@pytest.mark.k6
def test_ctrl_c_leaves_nothing_running():
    command = [sys.executable, "-m", "experiments.cli", "live", *SMALL, "--at-most=60s"]
    program = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    for line in program.stderr:
        if "running the real programs" in line:
            break
    time.sleep(2.0)
    children = descendants(program.pid)
    assert len(children) >= 3
    program.send_signal(signal.SIGINT)
    assert program.wait(30) == 130
    assert not left_of(children)


@pytest.mark.redis_server
@pytest.mark.k6
def test_a_server_that_dies_is_one_line_and_leaves_nothing_running():
    command = [sys.executable, "-m", "experiments.cli", "live", *SMALL, "--at-most=6s", "--quiet"]
    program = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    served = None
    while served is None and program.poll() is None:
        time.sleep(0.1)
        served = next((each for each in descendants(program.pid) if is_serving(each)), None)
    assert served is not None
    time.sleep(1.0)
    children = descendants(program.pid)
    os.kill(served, signal.SIGKILL)
    (line,) = program.stderr.read().splitlines()
    assert program.wait(60) == 1
    assert "service: ended with code -9" in line
    assert not left_of(children)


def left_of(processes):
    """Those that run. One that was killed stays listed until its new parent looks at it."""
    deadline_s = time.monotonic() + 5.0
    left = processes
    while left and time.monotonic() < deadline_s:
        time.sleep(0.1)
        left = [each for each in left if os.path.exists(f"/proc/{each}")]  # noqa: PTH110
    return left


def is_serving(process):
    """Whether it is gunicorn's first process."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        parent = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
        above = Path(f"/proc/{parent}/cmdline").read_bytes()
        return b"gunicorn" in words and b"gunicorn" not in above
    return False


def descendants(process):
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}

    def is_below(pid):
        while pid in parents:
            pid = parents[pid]
            if pid == process:
                return True
        return False

    return [pid for pid in parents if is_below(pid)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--redis=redis://10.1.2.3:6379/0"], "--redis: 10.1.2.3; allowed: addresses of this"),
        (
            ["--redis=redis://127.0.0.1:1/0"],
            "--redis redis://127.0.0.1:1/0: nobody listens on port 1",
        ),
        (["--redis=redis://127.0.0.1"], "no port; allowed: SCHEME://127.0.0.1:PORT/..."),
        (["--database=mysql+pymysql://u@127.0.0.1:1/x"], "nobody listens on port 1"),
        (["--database=oracle"], "--database oracle: allowed: mariadb, postgresql, sqlite or a URL"),
        (["--set", 'customer.script="sim.customers.human:human"'], "k6 runs JavaScript"),
    ],
)
@pytest.mark.redis_server
def test_what_cannot_be_run_is_said_in_one_line(options, message, capsys):
    assert main(["live", *SMALL, "--at-most=5s", "--quiet", *options]) in {1, 104}
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_program_that_is_missing_is_named(monkeypatch, capsys):
    def nothing(name, package):
        raise rig.ProgramError(f"no {name} on the path; install it ({package}), or leave it out")

    monkeypatch.setattr("experiments.interop.programs.required_program", nothing)
    assert main(["live", *SMALL, "--at-most=5s", "--quiet"]) == 1
    assert "no redis-server on the path" in capsys.readouterr().err


def test_what_is_missing_is_said_before_anything_takes_time(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("experiments.studies.live.study.simulate", None)
    assert main(["live", *SMALL, "--at-most=5s"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no k6 on the path; install it" in line


@pytest.mark.redis_server
@pytest.mark.k6
def test_ctrl_c_while_it_calibrates_leaves_nothing_running():
    command = [sys.executable, "-m", "experiments.cli", "live", *SMALL, "--calibrate"]
    program = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True
    )
    children = []
    while not any(is_serving(child) for child in children) and program.poll() is None:
        time.sleep(0.1)
        children = descendants(program.pid)
    program.send_signal(signal.SIGINT)
    assert program.wait(30) == 130
    assert not left_of(children)


def test_a_folder_with_files_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["live", *SMALL, "--at-most=5s", "--quiet", f"--out={tmp_path}"]) == 1
    assert "not empty" in capsys.readouterr().err


def test_a_load_is_cut_where_it_stands():
    load = RampingVUs(stages=(Stage(10.0, 100), Stage(10.0, 0)))
    assert cut(load, 5.0).stages == (Stage(5.0, 50),)
    assert cut(load, 15.0).stages == (Stage(10.0, 100), Stage(5.0, 50))
    assert cut(load, 20.0) is load
    assert cut(ConstantVUs("constant-vus", 60.0), 5.0).duration_s == 5.0
    assert cut(PerVUIterations("per-vu-iterations"), 5.0).max_duration_s == 5.0
    with pytest.raises(Exception, match="cannot be cut short"):
        cut(OpeningCrowd("opening-crowd", 5, 60.0), 5.0)


def test_no_request_of_a_kind_is_a_count_of_zero_but_no_latency():
    runs = [{"requests a": 3.0, "median a": 5.0 + k} for k in range(5)]
    rows = {row["name"]: row for row in compared(runs, of_requests([]))}
    assert rows["requests a"]["measured"] == 0.0
    assert rows["requests a"]["inside"] is False
    assert rows["median a"]["inside"] is None
