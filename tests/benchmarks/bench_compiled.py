"""(a) again with the compiled program, which `make incident` uses."""

import sys
from pathlib import Path
from statistics import median

import pytest

from tests.benchmarks.whole_process import ROOT, measured

ROUNDS = 3
POLLING_S = 4.0
SCALE = 0.03
POLLING = Path(__file__).with_name("polling.py")
FAST = ROOT / ".venv-fast" / "bin"

pytestmark = pytest.mark.skipif(
    (FAST / "ticketsim").is_symlink() or not (FAST / "ticketsim").exists(),
    reason="no compiled program: make fast builds it, with a C compiler",
)


def bench_compiled_polling(benchmark, board):
    """The incident's busy-poll phase."""
    us = {True: [], False: []}

    def work():
        for python in (FAST / "python", Path(sys.executable)):
            answer = measured(python, "-P", POLLING, POLLING_S).answer
            us[answer["compiled"]].append(answer["request_us"])

    benchmark.pedantic(work, rounds=ROUNDS)
    best_us = min(us[True])
    board.at_least(
        "a",
        "incident, busy poll, one core, compiled",
        1e6 / best_us,
        25_000,
        "requests/s",
        against=f"interpreted {1e6 / min(us[False]):,.0f}: {min(us[False]) / best_us:.2f} times",
        noise=median(us[True]) / best_us - 1.0,
    )


def bench_compiled_incident(benchmark, board, full_size):
    """`ticketsim run incident`, from start to end."""
    scale = 1.0 if full_size else SCALE
    costs = []

    def work():
        run = ("run", "incident", "--scale", scale, "--json", "--quiet")
        costs.append(measured(FAST / "ticketsim", *run))

    benchmark.pedantic(work, rounds=1 if full_size else ROUNDS)
    best = min(costs, key=lambda cost: cost.cpu_s)
    requests = best.answer["metrics"]["http_reqs"]["count"]
    board.at_most(
        "a",
        f"incident at scale {scale:g}, processor seconds per million requests, compiled",
        best.cpu_s / requests * 1e6,
        40,
        "s",
        against=f"{requests:,} requests, {best.cpu_s:.1f} s with start-up",
        noise=median(cost.cpu_s for cost in costs) / best.cpu_s - 1.0,
    )
    if full_size:
        board.at_most("e", "incident at full size, peak memory, compiled", best.peak_mb, 700, "MB")
