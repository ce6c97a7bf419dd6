"""Run the busy poll once; print what a request cost as JSON.

A program of its own, so that another Python, with the compiled program, can run it.
"""

import json
import sys
from pathlib import Path

from sim.run import simulate

sys.path.insert(0, str(Path(__file__).parent))
from phase import Phase
from worlds import busy_poll

phase = Phase()
assert simulate(busy_poll(float(sys.argv[1])), 1, progress=phase.note).ended == "completed"
sys.stdout.write(json.dumps({"request_us": phase.request_us}))
