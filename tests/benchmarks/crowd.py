"""Run a crowd of so many users who wait in the queue; print what it cost as JSON.

A program of its own, so that its memory is nobody else's: `python tests/benchmarks/crowd.py 1000`.
"""

import json
import sys
import time
from pathlib import Path

from sim.run import simulate

sys.path.insert(0, str(Path(__file__).parent))
from worlds import crowd


def main(users):
    """Time from the first user on."""
    began_s = []
    world = crowd(users)
    result = simulate(world, 1, progress=lambda _: began_s.append(time.process_time()))
    cpu_s = time.process_time() - began_s[0]
    requests = result.metrics["http_reqs"]["count"]
    failed = result.metrics["http_req_failed"]["rate"]
    assert result.ended == "completed"
    assert failed == 0.0, result.errors
    sys.stdout.write(json.dumps({"cpu_s": cpu_s, "requests": requests, "peak_mb": peak_mb()}))


def peak_mb():
    """Resident memory at most; what wait4 tells is never less than the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


main(int(sys.argv[1]))
