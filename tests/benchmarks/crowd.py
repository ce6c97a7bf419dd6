"""Run a crowd of so many users who wait in the queue; print what it cost as JSON.

A program of its own, so that its memory is nobody else's: `python tests/benchmarks/crowd.py 1000`.
With "parked" after the number they are people whose threads are parked, else they block.
"""

import json
import sys
import time
from pathlib import Path

from sim.run import simulate

sys.path.insert(0, str(Path(__file__).parent))
from worlds import crowd, waiting_people

ALL_WAIT_S = 9.0
"""From when on everybody has come and waits."""


def main(users, parked):
    """Time from the first user on."""
    began_s, waiting_mb = [], []

    def look(progress):
        began_s.append(time.process_time())
        if progress.now_s >= ALL_WAIT_S:
            waiting_mb.append(memory_mb("VmRSS"))

    world = waiting_people(users) if parked else crowd(users)
    result = simulate(world, 1, progress=look)
    cpu_s = time.process_time() - began_s[0]
    requests = result.metrics["http_reqs"]["count"]
    failed = result.metrics["http_req_failed"]["rate"]
    assert result.ended == "completed"
    assert failed == 0.0, result.errors
    answer = {
        "cpu_s": cpu_s,
        "requests": requests,
        "waiting_mb": waiting_mb[0],
        # What wait4 tells is never less than the parent's.
        "peak_mb": memory_mb("VmHWM"),
    }
    sys.stdout.write(json.dumps(answer))


def memory_mb(kind):
    """Resident memory: VmRSS now, VmHWM at most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith(kind))
    return int(line.split()[1]) * 1024 / 1e6


main(int(sys.argv[1]), sys.argv[2:] == ["parked"])
