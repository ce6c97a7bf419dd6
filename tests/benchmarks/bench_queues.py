"""(c) Events per second and (d) customers per second, against stock SimPy and other simulators."""

from statistics import fmean

import pytest

from tests.benchmarks.programs import PROGRAMS
from tests.benchmarks.queues import CUSTOMERS, PEERS, STOCK, THREADS
from tests.benchmarks.race import Rates

ROUNDS = 7
QUEUE_ROUNDS = 5
QUEUE_CUSTOMERS = 4_000
LOAD = 0.7
AGAINST = {
    "SimPy's processes on our Environment": STOCK,
    "our blocking threads": STOCK,
    "our timers": f"{STOCK}'s callbacks",
}
# Of so many customers in so many rounds the mean is nearer to theory than this. With many servers
# it is much nearer, but for libraries that count the first so many who leave: a few too short.
TOLERANCE = {1: 0.25, 200: 0.06}


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def bench_events(benchmark, board, program):
    """SimPy's processes run on our `Environment`, and timers and threads beside them."""
    rates = Rates(benchmark.pedantic(lambda: program.python("events.py", ROUNDS).answer, rounds=1))
    for name, other in AGAINST.items():
        row = f"timeouts, 500 at once: {name}, {program}"
        compare(board, "c", row, rates, name, other, "events/s", goal=program.judged)


@pytest.mark.parametrize("servers", [1, 200])
@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def bench_queue(benchmark, board, program, servers):
    """M/M/c: the same number of customers and the same load everywhere."""
    rate = LOAD * servers
    arguments = ("customers.py", servers, rate, QUEUE_CUSTOMERS, QUEUE_ROUNDS)
    answer = benchmark.pedantic(lambda: program.python(*arguments).answer, rounds=1)
    rates, times_s = Rates(answer["rates"]), answer["times_s"]

    expected_s = 1.0 + erlang_c(servers, rate) / (servers - rate)
    for name, seen_s in times_s.items():
        error = fmean(seen_s) / expected_s - 1.0
        assert abs(error) <= TOLERANCE[servers], f"{name}: {error:+.1%} off theory"
    queue = f"M/M/{servers}:"
    for name in (STOCK, *PEERS):
        row = f"{queue} {THREADS}, {program}"
        if name in times_s:
            unit = "customers/s"
            compare(board, "d", row, rates, THREADS, name, unit, goal=program.judged)
        elif program.judged:
            board.add("d", row, "", f"{name} is not for this Python")
    row = f"{queue} {CUSTOMERS}, {program}"
    compare(board, "d", row, rates, CUSTOMERS, STOCK, "customers/s", goal=False)


def compare(board, part, measured, rates, mine, other, unit, *, goal):
    """One row: mine against another's, which it should beat if that is a goal."""
    ratio = rates.ratio(mine, other)
    board.add(
        part,
        measured,
        f"{rates.best(mine):,.0f} {unit}",
        f"{rates.best(other):,.0f} {other}: {ratio:.2f} times as fast",
        "faster" if goal else "",
        ratio > 1.0 if goal else None,
        max(rates.noise(mine), rates.noise(other)),
    )


def erlang_c(servers, load):
    """The share of customers who wait, with `load` Erlang offered to so many servers."""
    lost = 1.0
    for number in range(1, servers + 1):
        lost = load * lost / (number + load * lost)
    return lost / (1.0 - load / servers * (1.0 - lost))
