"""The compiled program has the results of the interpreted one."""

import json
import os
import subprocess
import typing
from pathlib import Path

import pytest

from experiments.config.reading import read
from sim.faults import settings
from sim.run import simulate

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / ".venv-fast" / "bin" / "ticketsim"
FLASK_SHOP = str(ROOT / "examples" / "flask_shop" / "shop.toml")
NEEDED = {"redis_memory_hog": ",keys=100,value_bytes=1000", "host_memory_hog": ",memory_mb=50.0"}
KINDS = [
    typing.get_args(typing.get_type_hints(fault)["kind"])[0]
    for fault in typing.get_args(settings.Fault)
]
EVERY_FAULT = "faults=[{}]".format(
    ",".join(
        f'{{at_s={number + 3.0},kind="{kind}"{NEEDED.get(kind, "")}}}'
        for number, kind in enumerate(KINDS)
    )
)


def is_up_to_date():
    if PROGRAM.is_symlink() or not PROGRAM.exists():
        return False
    make = ["make", "--question", ".venv-fast/.ready"]
    return subprocess.run(make, cwd=ROOT, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(
    "TICKETSIM_REQUIRE_FAST" not in os.environ and not is_up_to_date(),
    reason="no compiled program of these sources: make fast builds it, with a C compiler",
)
@pytest.mark.parametrize(
    ("config", "scale", "assignments"),
    [
        ("smoke", 1.0, ()),
        ("incident-as-planned", 0.01, ()),
        ("smoke", 0.5, (EVERY_FAULT,)),
        (FLASK_SHOP, 1.0, ("load.vus=8",)),
        ("million", 0.0005, ("customer.human.extra_tabs_mean=1.0",)),
    ],
    ids=["smoke", "incident", "every fault", "an application", "parked people with tabs"],
)
def test_the_compiled_program_has_the_interpreted_digest(config, scale, assignments, tmp_path):
    run = [PROGRAM, "run", config, "--scale", str(scale), "--seed", "1", "--json"]
    run += [f"--set={assignment}" for assignment in assignments]
    output = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    where = [
        PROGRAM.with_name("python"),
        "-c",
        "import sim.kernel.environment as e; print(e.__file__)",
    ]
    module = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert not module.strip().endswith(".py")
    world = read(config, assignments).config.world
    (compiled,) = json.loads(output)["runs"]
    assert compiled["digest"] == simulate(world, 1, scale=scale).digest
