"""An application on simulated time against the same application called directly."""

import json
import subprocess
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
# Without a compiler the compiled program is a link to that of .venv.
PYTHON = (ROOT / ".venv-fast" / "bin" / "ticketsim").resolve().with_name("python")
PROGRAM = Path(__file__).with_name("application.py")
ROUNDS = 5
USERS = 300
FEW = 50
CALLS = 60
CROWD = 10_000
MOST_RATIO = 1.3
MOST_MB = 1_000


def _answer(kind, users):
    """What `application.py` prints, in a process of its own, compiled where `make fast` compiles.

    The libraries of applications are in .venv, not in the environment of the peers.
    """
    command = [str(PYTHON), "-P", str(PROGRAM), kind, str(users)]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def bench_request(benchmark, board):
    """Processor time of a request, start of the run left out, in turns with the bare calls."""
    ratios = []
    costs_us = []

    def work():
        bare_s = _answer("bare", CALLS)
        few, many = _answer("simulated", FEW), _answer("simulated", USERS)
        more = {
            name: count - few["requests"].get(name, 0) for name, count in many["requests"].items()
        }
        known = {name: count for name, count in more.items() if name in bare_s}
        requests = sum(known.values())
        simulated_us = (many["used_s"] - few["used_s"]) / sum(more.values()) * 1e6
        bare_us = sum(bare_s[name] * count for name, count in known.items()) / requests * 1e6
        ratios.append(simulated_us / bare_us)
        costs_us.append((simulated_us, bare_us))

    benchmark.pedantic(work, rounds=ROUNDS)
    best = min(range(ROUNDS), key=lambda at: costs_us[at][0] + costs_us[at][1])
    simulated_us, bare_us = costs_us[best]
    board.at_most(
        "i",
        "a request of the Flask shop, simulated over called directly",
        ratios[best],
        MOST_RATIO,
        "",
        against=f"{simulated_us:.0f} us against {bare_us:.0f} us; median ratio "
        f"{median(ratios):.2f}",
    )


def bench_crowd(benchmark, board, full_size):
    """Memory of many people beyond that of the application."""
    users = CROWD if full_size else CROWD // 5
    found = []
    benchmark.pedantic(lambda: found.append(_answer("simulated", users)), rounds=1)
    few = _answer("simulated", FEW)
    board.at_most(
        "i",
        f"memory of {users:,} people at the Flask shop beyond {FEW}",
        found[0]["peak_mb"] - few["peak_mb"],
        MOST_MB,
        "MB",
        judged=full_size,
    )
