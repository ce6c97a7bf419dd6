"""The compiled program has the results of the interpreted one."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from experiments.config import load
from sim.run import simulate

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-fast" / "bin" / "ticketsim"


def is_up_to_date():
    if PROGRAM.is_symlink() or not PROGRAM.exists():
        return False
    make = ["make", "--question", ".venv-fast/.ready"]
    return subprocess.run(make, cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(
    "TICKETSIM_REQUIRE_FAST" not in os.environ and not is_up_to_date(),
    reason="no compiled program of these sources: make fast builds it, with a C compiler",
)
@pytest.mark.parametrize(("config", "scale"), [("smoke", 1.0), ("incident", 0.01)])
def test_the_compiled_program_has_the_interpreted_digest(config, scale, tmp_path):
    run = [PROGRAM, "run", config, "--scale", str(scale), "--seed", "1", "--json"]
    output = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    where = [PROGRAM.with_name("python"), "-c", "import sim.kernel; print(sim.kernel.__file__)"]
    module = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert not module.strip().endswith(".py")
    (compiled,) = json.loads(output)["runs"]
    assert compiled["digest"] == simulate(load(config).world, 1, scale=scale).digest
