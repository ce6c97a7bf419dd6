"""Runs that the machine's memory may not hold: refused before, or ended in time."""

import json
from dataclasses import replace

import pytest

from experiments.cli.main import main
from experiments.runs import memory
from experiments.runs.memory import MemoryWatch, available_bytes
from experiments.runs.memory_check import memory_warning
from experiments.runs.workers.replications import processes_here
from sim.customers.settings import Customer
from sim.load.settings import ConstantVUs
from tests.support.world_small import small

VARIANT = "[variants.small-pool]\npool.connections = 1\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Let a machine have so much memory available, or not tell."""

    def has(text):
        path = tmp_path / "meminfo"
        path.write_text(text)
        monkeypatch.setattr(memory, "_MEMINFO", path)
        monkeypatch.setattr(memory, "_CGROUP", tmp_path / "none")

    return has


def crowd(people):
    return small(load=ConstantVUs("constant-vus", duration_s=1.0, vus=people))


def test_the_memory_available_is_read_where_linux_tells_it(machine):
    machine("MemTotal:  8000 kB\nMemAvailable:    4000 kB\n")
    assert available_bytes() == 4_096_000


@pytest.mark.parametrize(
    "text", ["", "MemTotal: 8000 kB\n", "MemAvailable: much\n", "MemAvailable"]
)
def test_a_machine_that_does_not_tell_is_not_warned_of(machine, text):
    machine(text)
    assert available_bytes() is None
    assert not memory_warning([crowd(1_000_000)], 64)


def test_every_system_that_has_no_such_file_tells_all_its_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "none")
    assert available_bytes() > 2**28


@pytest.mark.parametrize(("available_kb", "warned"), [(14_600_000, False), (13_000_000, True)])
def test_a_million_people_need_fourteen_gigabytes(machine, available_kb, warned):
    machine(f"MemAvailable: {available_kb} kB\n")
    told = memory_warning([crowd(10), crowd(1_000_000)], 1)
    assert bool(told) is warned
    if warned:
        assert told.startswith("1,000,000 people at once in one process may need 14.1 GB")
        assert "enough for about 940,000 people" in told


def test_every_process_needs_its_own(machine):
    machine("MemAvailable: 1000000 kB\n")
    assert not memory_warning([crowd(30_000)], 1)
    told = memory_warning([crowd(30_000)], 2)
    assert "in each of 2 processes may need 1.1 GB" in told


def test_a_cluster_has_memory_of_its_own(machine):
    machine("MemAvailable: 1 kB\n")
    assert processes_here("tcp://10.0.0.1:8786", 5) == 0
    assert not memory_warning([crowd(30_000)], 0)


def test_a_container_has_no_more_than_its_limit(machine, monkeypatch, tmp_path):
    machine("MemAvailable: 8000000 kB\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.current").write_text("900000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes() == 8_192_000_000
    (tmp_path / "memory.max").write_text("1000000000\n")
    assert available_bytes() == 200_000_000


def test_people_who_park_need_less(machine):
    machine("MemAvailable: 13000000 kB\n")
    people = replace(crowd(1_000_000), customer=Customer(script="sim.customers.human:human"))
    assert memory_warning([crowd(1_000_000)], 1)
    assert not memory_warning([people], 1)


def words(command, tmp_path):
    (tmp_path / "pool.toml").write_text(VARIANT)
    common = [command, "smoke", "--scale", "0.03", "--replications", "2", "--workers", "1"]
    more = ["--variants", str(tmp_path / "pool.toml")] if command == "compare" else []
    return [*common, *more, "--quiet"]


@pytest.mark.parametrize("command", ["run", "compare"])
def test_commands_refuse_what_does_not_fit(command, machine, capsys, tmp_path):
    machine("MemAvailable: 1 kB\n")
    assert main(words(command, tmp_path)) == 1
    told = capsys.readouterr().err
    assert "people at once in one process may need 0.1 GB" in told
    assert "enough for about 0 people" in told
    assert "--force" in told


@pytest.mark.parametrize("command", ["run", "compare"])
def test_with_force_commands_say_it_once_and_go_on(command, machine, capsys, monkeypatch, tmp_path):
    machine("MemAvailable: 1 kB\n")
    # Wall time stands still for the watch: what the machine has left does not end the run.
    monkeypatch.setattr(memory, "_LOOK_EVERY_S", float("inf"))
    assert main([*words(command, tmp_path), "--force"]) == 0
    assert capsys.readouterr().err.count("people at once in one process may need 0.1 GB") == 1


def test_a_run_ends_before_there_is_no_memory_left(machine, monkeypatch):
    monkeypatch.setattr(memory, "_LOOK_EVERY_S", 0.0)
    watch = MemoryWatch()
    machine("MemAvailable: 8000000 kB\n")
    assert not watch.is_short(1.0)
    machine("MemAvailable: 60000 kB\n")
    assert watch.is_short(2.0)
    assert watch.note.startswith("memory ran out after 2 s: 61 MB were left")
    machine("MemAvailable: 8000000 kB\n")
    assert watch.is_short(3.0)


def test_a_machine_that_does_not_tell_ends_no_run(machine, monkeypatch):
    monkeypatch.setattr(memory, "_LOOK_EVERY_S", 0.0)
    machine("")
    assert not MemoryWatch().is_short(1.0)


def test_what_was_measured_until_then_is_kept_and_marked(machine, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(memory, "_LOOK_EVERY_S", 0.0)
    machine("MemAvailable: 1 kB\n")
    out = tmp_path / "out"
    # Long enough that the run tells its progress, which it does by wall time.
    run = ["run", "smoke", "--workers", "1", "--out", str(out), "--json"]
    assert main([*run, "--force"]) == 130
    summary = json.loads(capsys.readouterr().out)
    assert "memory ran out after" in json.dumps(summary)
    assert any(out.iterdir())
