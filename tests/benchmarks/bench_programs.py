"""The program from start to end: (a) the incident, (g) two workers, (h) start-up."""

import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.whole_process import ticketsim

SMALL_SCALE = 0.03
PAIR_SCALE = 0.03
STARTS = 10


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
