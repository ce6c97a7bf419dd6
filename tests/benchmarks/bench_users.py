"""(e) What a virtual user takes, and (f) how time per request grows with their number.

Crowds who wait in the queue, each in a process of its own, on systems as large as they.
"""

import sys
from pathlib import Path
from statistics import median

from tests.benchmarks.whole_process import measured

CROWD = Path(__file__).with_name("crowd.py")
FEW, ALL, MOST = 1_000, 30_000, 100_000
ROUNDS = 3


def crowd(users):
    """What a crowd costs."""
    return measured(sys.executable, CROWD, users)


def bench_memory(benchmark, board):
    """The slope between two crowds, and the larger one in all."""
    costs = []
    benchmark.pedantic(lambda: costs.extend(map(crowd, (FEW, ALL))), rounds=1)
    few, everyone = (cost.answer["peak_mb"] for cost in costs)
    board.at_most(
        "e",
        "memory of a user who waits in the queue, all that is kept of it included",
        (everyone - few) * 1e3 / (ALL - FEW),
        10,
        "KB",
        against=f"{FEW:,} users {few:.0f} MB",
    )
    board.at_most("e", f"{ALL:,} users who wait, in all", everyone, 700, "MB")


def bench_growth(benchmark, board, full_size):
    """A system so many times as large with so many times as many users."""
    most_users = MOST if full_size else ALL
    few, many = [], []

    def work():
        few.append(request_us(crowd(FEW)))
        if not many:
            many.append(request_us(crowd(most_users)))

    benchmark.pedantic(work, rounds=ROUNDS)
    board.at_most(
        "f",
        f"time per request, {most_users:,} users as a multiple of {FEW:,}",
        many[0] / median(few),
        1.3,
        "times",
        against=f"{median(few):.0f} us, {many[0]:.0f} us",
        noise=median(few) / min(few) - 1.0,
    )


def request_us(cost):
    """Processor time per request, without start-up."""
    return cost.answer["cpu_s"] / cost.answer["requests"] * 1e6
