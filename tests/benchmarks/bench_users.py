"""(e) What a virtual user takes, and (f) how time per request grows with their number."""

import sys
from pathlib import Path
from statistics import median

from tests.benchmarks.whole_process import measured

CROWD = Path(__file__).with_name("crowd.py")
FEW, ALL = 1_000, 30_000
ROUNDS = 3


def bench_users(benchmark, board, most_users):
    """Crowds who wait in the queue, each in a process of its own, on systems as large as they."""
    costs = {}

    def work():
        for users in (FEW, ALL, most_users):
            times = ROUNDS if users == FEW else 1
            costs[users] = [measured(sys.executable, CROWD, users) for _ in range(times)]

    benchmark.pedantic(work, rounds=1)
    few, everyone, most = (min(costs[users], key=request_us) for users in (FEW, ALL, most_users))
    board.at_most(
        "e",
        "memory of a user who waits in the queue, all that is kept of it included",
        (everyone.peak_mb - few.peak_mb) * 1e3 / (ALL - FEW),
        10,
        "KB",
        against=f"{FEW:,} users {few.peak_mb:.0f} MB, {most_users:,} {most.peak_mb:,.0f} MB",
    )
    board.at_most("e", f"{ALL:,} users who wait, in all", everyone.peak_mb, 700, "MB")
    few_us, everyone_us, most_us = map(request_us, (few, everyone, most))
    board.at_most(
        "f",
        f"time per request, {most_users:,} users as a multiple of {FEW:,}",
        most_us / few_us,
        1.3,
        "times",
        against=f"{few_us:.0f} us; {ALL:,} users {everyone_us:.0f} us; {most_us:.0f} us",
        noise=median(map(request_us, costs[FEW])) / few_us - 1.0,
    )


def request_us(cost):
    """Processor time per request, without start-up."""
    return cost.answer["cpu_s"] / cost.answer["requests"] * 1e6
