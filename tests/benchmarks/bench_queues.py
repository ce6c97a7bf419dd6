"""(c) Events per second and (d) customers per second, against stock SimPy and other simulators."""

from functools import partial
from statistics import fmean

import pytest
import simpy

from sim.kernel import Environment
from tests.benchmarks import queues
from tests.benchmarks.race import Race

ROUNDS = 7
QUEUE_ROUNDS = 5
PROCESSES = 500
EVENTS = 60_000
CUSTOMERS = 4_000
LOAD = 0.7
STOCK = "stock SimPy"
THREADS = "worker threads"
# Of so many customers in so many rounds the mean is nearer to theory than this. With many servers
# it is much nearer, but for libraries that count the first so many who leave: a few too short.
TOLERANCE = {1: 0.25, 200: 0.06}


def timeouts(environment):
    """Processes that wait again and again, as SimPy's own examples do."""
    env = environment()

    def process(number):
        for _ in range(EVENTS // PROCESSES):
            yield env.timeout(1.0 + number * 1e-3)

    for number in range(PROCESSES):
        env.process(process(number))
    env.run()
    return EVENTS


def wakeups():
    """The same with blocking threads."""
    env = Environment()

    def thread(number):
        for _ in range(EVENTS // PROCESSES):
            env.sleep(1.0 + number * 1e-3)

    for number in range(PROCESSES):
        env.spawn("thread", partial(thread, number))
    env.run()
    env.close()
    return EVENTS


def chains(environment, call_in):
    """The same with functions that are called back; `call_in(env, delay, function)` plans one."""
    env = environment()

    def begin(number):
        delay_s = 1.0 + number * 1e-3
        left = EVENTS // PROCESSES

        def fire(_event=None):
            nonlocal left
            left -= 1
            if left:
                call_in(env, delay_s, fire)

        call_in(env, delay_s, fire)

    for number in range(PROCESSES):
        begin(number)
    env.run()
    return EVENTS


def simpy_call_in(env, delay_s, function):
    """SimPy's way to have a function called."""
    env.timeout(delay_s).callbacks.append(function)


def bench_events(benchmark, board):
    """Our `Environment` is SimPy's: its processes run on it, and timers and threads beside them."""
    callbacks = f"{STOCK}'s callbacks"
    mine = {
        "SimPy's processes on our Environment": (partial(timeouts, Environment), STOCK),
        "our blocking threads": (wakeups, STOCK),
        "our timers": (partial(chains, Environment, Environment.call_in), callbacks),
    }
    stock = {
        STOCK: partial(timeouts, simpy.Environment),
        callbacks: partial(chains, simpy.Environment, simpy_call_in),
    }
    race = Race(stock | {name: work for name, (work, _) in mine.items()})
    benchmark.pedantic(race.round, rounds=ROUNDS)
    for name, (_, other) in mine.items():
        compare(board, "c", f"timeouts, 500 at once: {name}", race, name, other, "events/s")


@pytest.mark.parametrize("servers", [1, 200])
def bench_queue(benchmark, board, servers):
    """M/M/c: the same number of customers and the same load everywhere."""
    rate = LOAD * servers
    times: dict[str, list[float]] = {}

    def contender(name, model):
        seen = times.setdefault(name, [])

        def run():
            seen.append(model(servers, rate, CUSTOMERS, len(seen) + 1))
            return CUSTOMERS

        return run

    own = {THREADS: queues.worker_threads, "customer threads": queues.customer_threads}
    others = {STOCK: queues.simpy_processes} | queues.installed_peers()
    race = Race({name: contender(name, model) for name, model in (own | others).items()})
    benchmark.pedantic(race.round, rounds=QUEUE_ROUNDS)

    expected_s = 1.0 + erlang_c(servers, rate) / (servers - rate)
    for name, seen in times.items():
        error = fmean(seen) / expected_s - 1.0
        assert abs(error) <= TOLERANCE[servers], f"{name}: {error:+.1%} off theory"
    for name in others:
        compare(board, "d", f"M/M/{servers}: {THREADS}", race, THREADS, name, "customers/s")
    slow = "customer threads"
    row = f"M/M/{servers}: a thread per customer"
    compare(board, "d", row, race, slow, STOCK, "customers/s", goal="")
    for name in sorted(queues.PEERS.keys() - others.keys()):
        board.add("d", f"M/M/{servers}: {THREADS}", "", f"{name} is not for this Python")


def compare(board, part, measured, race, mine, other, unit, goal="faster"):
    """One row: mine against another's, which it should beat."""
    ratio = race.ratio(mine, other)
    board.add(
        part,
        measured,
        f"{race.best(mine):,.0f} {unit}",
        f"{race.best(other):,.0f} {other}: {ratio:.2f} times as fast",
        goal,
        ratio > 1.0 if goal else None,
        max(race.noise(mine), race.noise(other)),
    )


def erlang_c(servers, load):
    """The share of customers who wait, with `load` Erlang offered to so many servers."""
    lost = 1.0
    for number in range(1, servers + 1):
        lost = load * lost / (number + load * lost)
    return lost / (1.0 - load / servers * (1.0 - lost))
