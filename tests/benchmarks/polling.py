"""Run the busy poll once; print what a request cost as JSON.

A program of its own, so that another Python, with the compiled program, can run it.
"""

import json
import sys
import time
from pathlib import Path

import sim.kernel
from sim.run import simulate

sys.path.insert(0, str(Path(__file__).parent))
from worlds import busy_poll

BEGINS_S = 2.0


def main(duration_s):
    """Time from two seconds after the first user on."""
    marks = []

    def note(progress):
        if progress.now_s >= BEGINS_S:
            marks.append((progress.requests, time.process_time()))

    assert simulate(busy_poll(duration_s), 1, progress=note).ended == "completed"
    (requests, cpu_s), (all_requests, all_s) = marks[0], marks[-1]
    request_us = (all_s - cpu_s) / (all_requests - requests) * 1e6
    compiled = not sim.kernel.__file__.endswith(".py")
    sys.stdout.write(json.dumps({"request_us": request_us, "compiled": compiled}))


main(float(sys.argv[1]))
