"""What is left of results when processes are killed, disks are full and two write at once."""

import errno
import json
import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from experiments.cli.main import main
from experiments.config.reading import load
from experiments.errors import OutputError
from experiments.runs.storage.folder import Folder
from experiments.runs.storage.journal import Journal
from experiments.runs.storage.store import RunFolder, identity_of
from experiments.runs.workers.replications import LostWorkersError, run_replications, seed_of
from experiments.runs.workers.worker import Task
from tests.unit.results import result
from tests.unit.runs.test_store import CONFIG, folder, summary

ROOT = Path(__file__).parents[3]
PROGRAM = Path(sys.executable).with_name("ticketsim")
SHORT = (
    "load.stages=[{ duration_s = 2.0, target = 20 }, { duration_s = 8.0, target = 20 }]",
    "load.graceful_stop_s=0.0",
)
OPTIONS = [part for assignment in SHORT for part in ("--set", assignment)]
LONG = ["run", "incident-as-planned", "--scale", "0.1", "--quiet"]


def ticketsim(*arguments, **options):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


def one_line_of(done, code):
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    return done.stderr


# SIGKILL


WRITES_AGAIN_AND_AGAIN = """
import sys
from pathlib import Path
from tests.unit.results import result
from tests.unit.runs.test_store import CONFIG, folder, summary

known, runs = folder(Path(sys.argv[1])), {}
for number in known.open():
    runs[number] = result(number + 1)
while True:
    runs[len(runs)] = result(len(runs) + 1)
    known.write(summary(runs, len(runs) + 1), runs, CONFIG)
    print("written", flush=True)
"""


def test_a_kill_at_any_moment_of_writing_leaves_a_marked_partial_result(tmp_path):
    rng = random.Random(1)
    path = tmp_path / "out"
    kept = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITES_AGAIN_AND_AGAIN, path], cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"written\n"
            time.sleep(rng.uniform(0.0, 0.15))
            process.kill()
        known = folder(path).open()
        # Whole, in order, and never less than before.
        assert list(known) == list(range(len(known)))
        assert len(known) > kept
        assert all(known[number].seed == number + 1 for number in known)
        assert all(len(run.series["t_s"]) for run in known.values())
        kept = len(known)
        assert json.loads((path / "manifest.json").read_text())["partial"]
    assert [entry.name for entry in path.glob(".*")] == []


KEPT_AT_ONCE = """
import sys
from experiments.studies import run as study
from experiments.cli.main import main

study.SAVED_EVERY_S = 0.0
sys.exit(main(sys.argv[1:]))
"""


def test_a_killed_run_goes_on_where_it_was_to_the_same_result(tmp_path):
    path = tmp_path / "out"
    arguments = ["run", "smoke", *OPTIONS, "--replications", "6", "--workers", "1", "--quiet"]
    with subprocess.Popen(
        [sys.executable, "-c", KEPT_AT_ONCE, *arguments, "--out", path], cwd=ROOT
    ) as process:
        while not (path / "manifest.json").exists():
            time.sleep(0.01)
            assert process.poll() is None
        process.kill()
    kept = json.loads((path / "manifest.json").read_text())
    assert kept["partial"]
    assert 1 <= len(kept["replications"]) < 6
    resumed = ticketsim(*arguments, "--out", path, "--json")
    whole = ticketsim(*arguments, "--json")
    assert json.loads(resumed.stdout)["digest"] == json.loads(whole.stdout)["digest"]
    assert not json.loads((path / "manifest.json").read_text())["partial"]


def test_an_unfinished_line_and_an_unfinished_beginning_are_passed_over(tmp_path):
    identity = identity_of(CONFIG, 1, 1.0)
    path = tmp_path / "out"
    journal = Journal(path, "compare", identity)
    journal.add("a", result(1))
    journal.add("b", result(2))
    del journal
    with (path / "runs.jsonl").open("ab") as file:
        file.write(b'{"key": "c", "seed": 3, "dig')
    (path / ".writing-left").mkdir()
    again = Journal(path, "compare", identity)
    assert again.get("a").seed == 1
    assert again.get("c") is None
    again.add("c", result(3))
    del again
    assert Journal(path, "compare", identity).get("c").seed == 3
    assert sorted(entry.name for entry in path.iterdir()) == ["manifest.json", "runs.jsonl"]


def test_files_without_a_manifest_are_nothing_yet(tmp_path):
    results = {0: result(1)}
    folder(tmp_path).write(summary(results, 1), results, CONFIG)
    (tmp_path / "manifest.json").unlink()
    assert folder(tmp_path).open() == {}
    folder(tmp_path).write(summary(results, 1), results, CONFIG)
    assert list(folder(tmp_path).open()) == [0]


@pytest.mark.parametrize("name", ["replications.json", "series.parquet"])
def test_damaged_results_are_refused_in_one_line(tmp_path, name):
    results = {0: result(1)}
    folder(tmp_path).write(summary(results, 1), results, CONFIG)
    (tmp_path / name).write_bytes(b"[{}]")
    with pytest.raises(OutputError, match="the results there cannot be read"):
        folder(tmp_path).open()


# Workers


def tasks(count, *, scale=1.0, config="smoke", assignments=SHORT):
    world = load(config, assignments).world
    return [Task(number, world, seed_of(1, number), scale) for number in range(count)]


def kill_a_worker():
    workers = [child for child in multiprocessing.active_children() if child.pid is not None]
    if workers:
        os.kill(workers[0].pid, signal.SIGKILL)


def test_what_a_killed_worker_was_running_runs_again_with_the_same_result():
    killed = []

    def report(_replication, _progress):
        if not killed:
            killed.append(True)
            kill_a_worker()

    results = run_replications(tasks(4), 2, report)
    assert killed
    alone = run_replications(tasks(4), 1, lambda _number, _progress: None)
    assert {number: run.digest for number, run in results.items()} == {
        number: run.digest for number, run in alone.items()
    }


def test_workers_that_are_always_killed_end_the_command_in_one_line():
    def report(_replication, _progress):
        kill_a_worker()

    with pytest.raises(LostWorkersError, match="killed 3 times"):
        run_replications(
            tasks(2, config="incident-as-planned", scale=0.05, assignments=()), 2, report
        )


def started(path, *options):
    """A long run that has begun, and its workers."""
    process = subprocess.Popen(
        [PROGRAM, *LONG, *options, "--out", path], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def test_workers_end_with_the_process_that_was_killed(tmp_path):
    with started(tmp_path / "out", "--replications", "2", "--workers", "2") as process:
        family = psutil.Process(process.pid)
        deadline = time.monotonic() + 60
        while len(family.children()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        children = family.children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert len(children) >= 2
    assert alive == []


def test_sigterm_keeps_what_was_measured(tmp_path):
    path = tmp_path / "out"
    with started(path) as process:
        time.sleep(0.5)
        process.terminate()
        assert process.wait(60) == 130
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["partial"]
    assert {run["ended"] for run in manifest["replications"]} == {"interrupted"}
    assert RunFolder(path, identity_of(load("incident-as-planned").resolved, 1, 0.1)).open() == {}


# Disks


def limited():
    """No file beyond two kilobytes: what a full disk says, without one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_048, 2_048))


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    path = tmp_path / "out"
    done = ticketsim("run", "smoke", *OPTIONS, "--quiet", "--out", path, preexec_fn=limited)
    assert "cannot be written: File too large" in one_line_of(done, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_compare_goes_on_after_the_disk_was_full(tmp_path):
    path = tmp_path / "out"
    arguments = ["compare", "smoke", *OPTIONS, "--variants", "F2", "--replications", "3"]
    arguments += ["--quiet", "--workers", "1", "--out", path]
    size = 12_000

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = ticketsim(*arguments, preexec_fn=limit)
    assert "cannot be written: File too large" in one_line_of(done, 1)
    assert 0 < (path / "runs.jsonl").stat().st_size <= size
    assert ticketsim(*arguments).returncode == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_what_the_disk_does_not_take_is_not_seen(tmp_path, monkeypatch, number):
    results = {0: result(1)}
    folder(tmp_path).write(summary(results, 1), results, CONFIG)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}

    def full(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("experiments.runs.storage.folder.os.fsync", full)
    with pytest.raises(OutputError, match=os.strerror(number)):
        folder(tmp_path).write(summary(results, 1), {**results, 1: result(2)}, CONFIG)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


def test_a_read_only_place_ends_with_1_before_anything_runs(tmp_path, monkeypatch, capsys):
    def refused(**_where):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("experiments.runs.storage.folder.tempfile.TemporaryFile", refused)
    for command in (["run", "incident-as-planned"], ["compare", "incident"], ["gate", "gate-pass"]):
        assert main([*command, "--out", str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err
        assert said.endswith("cannot be written: Read-only file system\n")
        assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_standard_output_that_takes_nothing_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert "No space left on device" in one_line_of(done, 1)


# Two at once


@pytest.mark.parametrize("command", [["run", "smoke"], ["compare", "smoke"], ["gate", "gate-pass"]])
def test_two_at_once_in_one_folder_are_refused(tmp_path, capsys, command):
    path = tmp_path / "out"
    first = Folder(path)
    assert main([*command, "--out", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"ticketsim: --out {path}: another ticketsim is writing there")
    assert said.count("\n") == 1
    first.close()
    assert not path.exists()
    Folder(path).close()
