"""Two Dask workers on the loopback device give what one process gives, also when one is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from experiments.cli.main import main

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
START = "from distributed.cli.dask_{0} import main; main()"


def process(kind, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", START.format(kind), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def worker(address):
    return process("worker", address, "--nthreads=1", "--no-dashboard", "--no-nanny")


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and its two workers."""
    file = tmp_path / "scheduler.json"
    arguments = ["--host=127.0.0.1", "--port=0", "--no-dashboard", f"--scheduler-file={file}"]
    processes = [process("scheduler", *arguments)]
    try:
        address = _address(file)
        processes += [worker(address), worker(address)]
        _wait_for_workers(address, 2)
        yield address, processes[1:]
    finally:
        for one in processes:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


def _address(file):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and file.read_text().strip():
            return json.loads(file.read_text())["address"]
        time.sleep(0.1)
    raise TimeoutError("no scheduler")


def _wait_for_workers(address, count):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


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
