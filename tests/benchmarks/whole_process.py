"""A command as a whole process: what it cost from start to end."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    """Of one process and its children."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    """Resident memory of the largest of them, in MB of 10^6 bytes."""
    output: str

    @property
    def answer(self):
        """What it printed, as JSON."""
        return json.loads(self.output)


def measured(*command, environment=None):
    """Run a program, wait for its end, and say what it cost."""
    began_s = time.perf_counter()
    with subprocess.Popen(
        [*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{command}: ended with {process.returncode}"
    # Linux counts in KiB, macOS in bytes.
    peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(
        time.perf_counter() - began_s, usage.ru_utime + usage.ru_stime, peak_bytes / 1e6, output
    )
