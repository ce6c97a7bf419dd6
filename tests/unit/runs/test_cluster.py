"""Two Dask workers on the loopback device give what one process gives, also when one is killed."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from experiments.cli.main import main
from tests.support.dask_cluster import dask_cluster

SWEEP = [
    "sweep",
    "smoke",
    "--scale=0.2",
    "--param",
    "catalogue.capacity=5,20,50",
    "--replications=2",
    "--json",
    "--quiet",
]


@pytest.fixture
def cluster():
    """Address of a scheduler, and its two workers."""
    with dask_cluster([sys.executable], 2) as found:
        yield found


def swept(capsys, *arguments):
    assert main([*SWEEP, *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    return [point["digest"] for point in found["points"]], found["digest"]


def test_digests_are_those_of_one_process_also_when_a_worker_is_killed_midway(
    cluster, capsys, tmp_path
):
    address, (first, _second) = cluster
    alone = swept(capsys, "--workers=1")
    assert swept(capsys, "--cluster", address) == alone

    out = tmp_path / "out"
    killed = threading.Event()

    def kill_midway():
        runs = out / "runs.jsonl"
        while not (runs.exists() and runs.read_text()):
            time.sleep(0.01)
        os.killpg(first.pid, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill_midway, daemon=True).start()
    assert swept(capsys, "--cluster", address, "--out", str(out)) == alone
    assert killed.wait(timeout=10)
    assert first.wait(timeout=10) == -signal.SIGKILL


MINE = """
extends = "smoke"
python_path = "code"

[customer]
script = "only_here:asks_once"
"""
ASKS_ONCE = """
def asks_once(user):
    user.sleep({pause})
    user.get("dates", "/v1/concerts/1/available-dates", {{}})
    user.finish(spin=False)
"""


def test_a_customer_of_the_users_own_reaches_the_workers_also_after_a_change(
    cluster, capsys, tmp_path
):
    address, _ = cluster
    code = tmp_path / "code"
    code.mkdir()
    config = tmp_path / "mine.toml"
    config.write_text(MINE)
    digests = []
    for pause in (1.0, 2.0):
        (code / "only_here.py").write_text(ASKS_ONCE.format(pause=pause))
        pair = []
        for where in (["--workers=2"], ["--cluster", address]):
            arguments = ["--scale=0.2", "--replications=2", "--json", "--quiet", *where]
            assert main(["run", str(config), *arguments]) == 0
            pair.append(json.loads(capsys.readouterr().out)["digest"])
        assert pair[0] == pair[1]
        digests.append(pair[0])
    assert digests[0] != digests[1]


def test_a_cluster_without_workers_is_said(cluster, capsys):
    address, workers = cluster
    for one in workers:
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()
    time.sleep(1.0)
    assert main([*SWEEP, "--cluster", address]) == 1
    assert "has no workers" in capsys.readouterr().err


def test_an_address_that_nobody_listens_at_is_one_clear_line(capsys, monkeypatch):
    monkeypatch.setattr("experiments.runs.workers.cluster._CONNECT_S", 1.0)
    assert main([*SWEEP, "--cluster", "tcp://127.0.0.1:9"]) == 1
    message = capsys.readouterr().err
    assert "--cluster tcp://127.0.0.1:9: cannot be reached" in message


def test_workers_and_cluster_exclude_one_another(capsys):
    with pytest.raises(SystemExit):
        main([*SWEEP, "--workers=2", "--cluster", "tcp://127.0.0.1:9"])
    assert "not allowed with argument" in capsys.readouterr().err
