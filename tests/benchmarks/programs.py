"""The program as it is measured: compiled, as `make incident` uses it, and as it is installed."""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.whole_process import ROOT, Cost, measured

HERE = Path(__file__).parent
FAST = ROOT / ".venv-fast" / "bin"


@dataclass(frozen=True)
class Program:
    """One of them; only one is judged by the goals."""

    name: str
    bin: Path
    judged: bool

    def __str__(self):
        return self.name

    def ticketsim(self, *arguments) -> Cost:
        """Run the command line program."""
        return measured(self.bin / "ticketsim", *arguments)

    def python(self, script: str, *arguments) -> Cost:
        """Run a script of this folder with its Python; the peers are those of this one."""
        peers = {"PYTHONPATH": sysconfig.get_path("purelib")}
        command = (self.bin / "python", "-P", HERE / script, *arguments)
        return measured(*command, environment=os.environ | peers)


def _programs():
    built = (FAST / "ticketsim").exists() and not (FAST / "ticketsim").is_symlink()
    if built:
        question = "import sim.kernel.environment; print(sim.kernel.environment.__file__)"
        assert not measured(FAST / "python", "-P", "-c", question).output.strip().endswith(".py")
    interpreted = Program("interpreted", Path(sys.executable).parent, judged=not built)
    return [Program("compiled", FAST, judged=True), interpreted] if built else [interpreted]


PROGRAMS = _programs()
JUDGED = PROGRAMS[0]
"""Without a C compiler it is the interpreted one."""
