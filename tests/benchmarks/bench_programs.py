"""Whole processes: (a) the incident, (e) memory, (f) growth, (g) two workers, (h) start-up."""

import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.whole_process import measured, ticketsim

SMALL_SCALE = 0.03
PAIR_SCALE = 0.05
STARTS = 10
FEW, MANY = 1_000, 100_000
MEMORY_FEW, MEMORY_MANY = 2_000, 30_000
CROWD = Path(__file__).with_name("crowd.py")


def bench_incident(benchmark, board, full_size):
    """`ticketsim run incident`, from start to end."""
    scale = 1.0 if full_size else SMALL_SCALE
    costs = []

    def work():
        costs.append(ticketsim("run", "incident", "--scale", scale, "--json", "--quiet"))

    benchmark.pedantic(work, rounds=1 if full_size else 3)
    best = min(costs, key=lambda cost: cost.cpu_s)
    requests = best.answer["metrics"]["http_reqs"]["count"]
    noise = median(cost.cpu_s for cost in costs) / best.cpu_s - 1.0
    board.at_most(
        "a",
        f"incident at scale {scale:g}, processor seconds per million requests",
        best.cpu_s / requests * 1e6,
        40,
        "s",
        against=f"{requests:,} requests, {best.cpu_s:.1f} s with start-up",
        noise=noise,
    )
    if full_size:
        board.at_most("e", "incident at full size, peak memory", best.peak_mb, 700, "MB")
    else:
        board.add("e", f"incident at scale {scale:g}, peak memory", f"{best.peak_mb:.0f} MB")


def bench_memory_per_user(benchmark, board):
    """What one more virtual user takes, who waits in the queue: the slope between two crowds."""
    peaks = []

    def work():
        peaks.append(
            [measured(sys.executable, CROWD, users) for users in (MEMORY_FEW, MEMORY_MANY)]
        )

    benchmark.pedantic(work, rounds=1)
    few, many = peaks[0]
    board.at_most(
        "e",
        "memory of a virtual user who waits in the queue",
        (many.peak_mb - few.peak_mb) * 1e3 / (MEMORY_MANY - MEMORY_FEW),
        10,
        "KB",
        against=f"{MEMORY_FEW:,} users {few.peak_mb:.0f} MB, {MEMORY_MANY:,} {many.peak_mb:.0f} MB",
    )
    board.at_most("e", f"{MEMORY_MANY:,} users who wait in the queue", many.peak_mb, 700, "MB")


def bench_growth(benchmark, board):
    """A hundred times as many users on a system a hundred times as large."""
    costs = {FEW: [], MANY: []}

    def work():
        for users, times in ((FEW, 3), (MANY, 1)):
            for _ in range(times):
                costs[users].append(measured(sys.executable, CROWD, users))

    benchmark.pedantic(work, rounds=1)
    few_us, many_us = (
        [cost.answer["cpu_s"] / cost.answer["requests"] * 1e6 for cost in costs[users]]
        for users in (FEW, MANY)
    )
    board.at_most(
        "f",
        f"time per request, {MANY:,} users as a multiple of {FEW:,}",
        min(many_us) / min(few_us),
        1.3,
        "times",
        against=f"{min(few_us):.1f} us, {min(many_us):.1f} us",
        noise=median(few_us) / min(few_us) - 1.0,
    )


def bench_two_workers(benchmark, board):
    """Four replications, one after the other and on two workers."""
    wall_s = {1: [], 2: []}

    def work():
        for workers, taken_s in wall_s.items():
            with tempfile.TemporaryDirectory() as folder:
                cost = ticketsim(
                    *("run", "incident", "--scale", PAIR_SCALE, "--replications", 4),
                    *("--workers", workers, "--out", Path(folder) / "runs", "--quiet"),
                )
            taken_s.append(cost.wall_s)

    benchmark.pedantic(work, rounds=1)
    one_s, two_s = min(wall_s[1]), min(wall_s[2])
    board.at_least(
        "g",
        f"speed-up of 4 replications at scale {PAIR_SCALE:g} on 2 workers, wall time",
        one_s / two_s,
        1.8,
        "times",
        against=f"{one_s:.1f} s, {two_s:.1f} s",
    )


def bench_start_up(benchmark, board):
    """`ticketsim -h`."""
    wall_ms = []
    benchmark.pedantic(lambda: wall_ms.append(ticketsim("-h").wall_s * 1e3), rounds=STARTS)
    board.at_most(
        "h",
        "start-up of ticketsim -h, wall time",
        min(wall_ms),
        150,
        "ms",
        noise=median(wall_ms) / min(wall_ms) - 1.0,
    )
