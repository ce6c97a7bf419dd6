"""Write tests/golden/digests.toml: the digests of the shipped configs at a small scale.

`python -m tools.digests [NAME ...]` computes the digests of the configs named (of all without a
name) and keeps the others. A digest changes only if the simulated world changes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from experiments.config.reading import load
from experiments.config.sources import shipped_names
from experiments.exit_codes import ExitCode

FILE: Final = Path("tests/golden/digests.toml")
SCALE: Final = 0.02
OWN_SCALES: Final = {"million": 0.005}
"""Of configs that take minutes at a fiftieth."""
SEED: Final = 1
_OWN: Final = "\n".join(f"{name} = {scale}" for name, scale in OWN_SCALES.items())
_HEADER: Final = f"""\
# Digests of the shipped configs at a fiftieth of their size; `make digests` writes this file.
# A digest changes only if the simulated world changes: the change must say so.
scale = {SCALE}
seed = {SEED}

[own_scales]
{_OWN}

[digests]
"""


def digest_of(name: str, scale: float, seed: int) -> str:
    """The digest that `ticketsim run NAME` prints.

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    command = [sys.executable, "-m", "experiments.cli", "run", name, "--json", "--quiet"]
    command += ["--scale", str(scale), "--seed", str(seed)]
    if load(name).worlds is not None:
        # A few of its worlds say as much as all.
        command += ["--replications", "3"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != ExitCode.BREACHED:
        # Thresholds that a config breaches by design change nothing about its digest.
        ended.check_returncode()
    return str(json.loads(ended.stdout)["digest"])


def main(names: Sequence[str]) -> int:
    """Compute the digests of the configs named, or of all, and write the file."""
    recorded = tomllib.loads(FILE.read_text("utf-8"))["digests"] if FILE.exists() else {}
    found = {
        name: digest_of(name, OWN_SCALES.get(name, SCALE), SEED)
        for name in names or shipped_names()
    }
    kept = {name: value for name, value in recorded.items() if name in shipped_names()}
    lines = [f'{name} = "{value}"' for name, value in sorted({**kept, **found}.items())]
    FILE.write_text(_HEADER + "\n".join(lines) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
