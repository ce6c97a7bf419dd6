"""(e) What a virtual user takes, and (f) how time per request grows with their number.

Crowds who wait in the queue, each in a process of its own, on systems as large as they.
"""

from statistics import median

import pytest

from tests.benchmarks.programs import JUDGED, PROGRAMS

FEW, ALL, MOST = 1_000, 30_000, 100_000
PARKED_FEW = 10_000
ROUNDS = 3


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def bench_memory(benchmark, board, program):
    """The slope between two crowds, and the larger one in all."""
    costs = []
    crowds = (FEW, ALL)
    benchmark.pedantic(lambda: costs.extend(crowd(program, users) for users in crowds), rounds=1)
    few, everyone = (cost.answer["peak_mb"] for cost in costs)
    board.at_most(
        "e",
        f"memory of a user who waits in the queue, all that is kept of it included, {program}",
        (everyone - few) * 1e3 / (ALL - FEW),
        10,
        "KB",
        judged=program.judged,
        against=f"{FEW:,} users {few:.0f} MB",
    )
    board.at_most(
        "e",
        f"{ALL:,} users who wait, in all, {program}",
        everyone,
        700,
        "MB",
        judged=program.judged,
    )


def bench_growth(benchmark, board, full_size):
    """A system so many times as large with so many times as many users."""
    most_users = MOST if full_size else ALL
    few, many = [], []

    def work():
        few.append(request_us(crowd(JUDGED, FEW)))
        if not many or not full_size:
            many.append(request_us(crowd(JUDGED, most_users)))

    benchmark.pedantic(work, rounds=ROUNDS)
    board.at_most(
        "f",
        f"time per request, {most_users:,} users as a multiple of {FEW:,}, {JUDGED}",
        median(many) / median(few),
        1.3,
        "times",
        against=f"{median(few):.0f} us, {median(many):.0f} us",
        noise=max(median(seen) / min(seen) - 1.0 for seen in (few, many)) if many[1:] else None,
    )


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def bench_parked_memory(benchmark, board, program):
    """The slope between two crowds of people who are parked: while they wait, and to the end."""
    costs = []
    crowds = (FEW, ALL)
    benchmark.pedantic(
        lambda: costs.extend(crowd(program, users, "parked") for users in crowds), rounds=1
    )
    for name, kind, goal in (
        ("memory of a person who only waits, parked, while all wait", "waiting_mb", 4),
        ("memory of a person who only waits, parked, at most during the run", "peak_mb", None),
    ):
        few, everyone = (cost.answer[kind] for cost in costs)
        board.at_most(
            "e",
            f"{name}, {program}",
            (everyone - few) * 1e3 / (ALL - FEW),
            goal or float("inf"),
            "KB",
            judged=program.judged and goal is not None,
            against=f"{FEW:,} people {few:.0f} MB",
        )


def bench_parked_growth(benchmark, board, full_size):
    """Time per request when more people are parked. The goal is said of a million people."""
    most = MOST if full_size else ALL
    few, many = [], []

    def work():
        few.append(request_us(crowd(JUDGED, PARKED_FEW, "parked")))
        many.append(request_us(crowd(JUDGED, most, "parked")))

    benchmark.pedantic(work, rounds=ROUNDS if full_size else 1)
    board.at_most(
        "f",
        f"time per request, {most:,} parked people as a multiple of {PARKED_FEW:,}, {JUDGED}",
        median(many) / median(few),
        1.3,
        "times",
        against=f"{median(few):.0f} us, {median(many):.0f} us",
        noise=max(median(seen) / min(seen) - 1.0 for seen in (few, many)) if many[1:] else None,
    )


def crowd(program, users, *kind):
    """What a crowd costs."""
    return program.python("crowd.py", users, *kind)


def request_us(cost):
    """Processor time per request, without start-up."""
    return cost.answer["cpu_s"] / cost.answer["requests"] * 1e6
