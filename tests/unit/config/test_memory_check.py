"""A warning before a run that the machine's memory may not hold."""

import pytest

from experiments.cli.main import main
from experiments.config import memory_check
from experiments.config.memory_check import available_bytes, memory_warning
from experiments.runs.workers.replications import processes_here
from sim.load.settings import ConstantVUs
from tests.support.world_small import small

VARIANT = "[variants.small-pool]\npool.connections = 1\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Let a machine have so much memory available, or not tell."""

    def has(text):
        path = tmp_path / "meminfo"
        path.write_text(text)
        monkeypatch.setattr(memory_check, "_LINUX", path)

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
    monkeypatch.setattr(memory_check, "_LINUX", tmp_path / "none")
    assert available_bytes() > 2**28


@pytest.mark.parametrize(("available_kb", "warned"), [(14_600_000, False), (13_000_000, True)])
def test_a_million_people_need_fourteen_gigabytes(machine, available_kb, warned):
    machine(f"MemAvailable: {available_kb} kB\n")
    told = memory_warning([crowd(10), crowd(1_000_000)], 1)
    assert bool(told) is warned
    if warned:
        assert told.startswith("1,000,000 people at once in one process may need 14.1 GB")


def test_every_process_needs_its_own(machine):
    machine("MemAvailable: 1000000 kB\n")
    assert not memory_warning([crowd(30_000)], 1)
    told = memory_warning([crowd(30_000)], 2)
    assert "in each of 2 processes may need 1.1 GB" in told


def test_a_cluster_has_memory_of_its_own(machine):
    machine("MemAvailable: 1 kB\n")
    assert processes_here("tcp://10.0.0.1:8786", 5) == 0
    assert not memory_warning([crowd(30_000)], 0)


@pytest.mark.parametrize("command", ["run", "compare"])
def test_commands_say_it_once_and_go_on(command, machine, capsys, tmp_path):
    machine("MemAvailable: 1 kB\n")
    (tmp_path / "pool.toml").write_text(VARIANT)
    words = [command, "smoke", "--scale", "0.03", "--replications", "2", "--workers", "1"]
    more = ["--variants", str(tmp_path / "pool.toml")] if command == "compare" else []
    assert main([*words, *more, "--quiet"]) == 0
    assert capsys.readouterr().err.count("people at once in one process may need 0.1 GB") == 1
