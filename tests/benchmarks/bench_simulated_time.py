"""(a) Requests per second while everyone polls, and (b) what simulated time costs in them."""

import gc
import time
from collections import defaultdict
from statistics import fmean, median

import pytest

from sim.customers.buyer import BOOKING, CHECK, DATES, GENERATION, PAYMENT, SEATS
from sim.run import simulate
from sim.user import User
from tests.benchmarks import worlds
from tests.benchmarks.bare_calls import Recorder, medians_us, replay

ROUNDS = 4
POLLING_S = 6.0
USERS = 100


class Phase:
    """The part of a run in which everyone polls: from two seconds after the first user on."""

    BEGINS_S = 2.0

    def __init__(self, world, recorder=None):
        self._marks = []
        self._recorder = recorder
        gc.collect()
        result = simulate(world, 1, progress=self._note)
        assert result.ended == "completed"
        began, ended = self._marks[0], self._marks[-1]
        self.requests, cpu_s, visits = (
            after - before for before, after in zip(began, ended, strict=True)
        )
        self.request_us = cpu_s / self.requests * 1e6
        """Processor time per request."""
        self.visits = visits / self.requests
        """How often a thread computed, slept or waited, per request; 0 when not recorded."""

    def _note(self, progress):
        if progress.now_s >= self.BEGINS_S:
            visits = 0 if self._recorder is None else self._recorder.visits
            self._marks.append((progress.requests, time.process_time(), visits))


def recorded(world):
    """The calls of every request of a run, as endpoint and calls."""
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        recorder.install(patch)
        simulate(world, 1)
    return recorder.requests


def bench_polling(benchmark, board):
    """The incident's busy-poll phase, in turns with the bare calls of the same requests."""
    world = worlds.busy_poll(POLLING_S)
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        recorder.install(patch)
        visits = Phase(world, recorder).visits
    polls = [(endpoint, calls) for endpoint, calls in recorder.requests if endpoint == CHECK]
    simulated_us, bare_us = [], []

    def work():
        simulated_us.append(Phase(world).request_us)
        (seconds,) = replay(world, polls).values()
        bare_us.append(fmean(seconds) * 1e6)

    benchmark.pedantic(work, rounds=ROUNDS)
    best_us = min(simulated_us)
    noise = median(simulated_us) / best_us - 1.0
    board.at_least(
        "a", "incident, busy poll, one core", 1e6 / best_us, 25_000, "requests/s", noise=noise
    )
    top_us = best_us - min(bare_us)
    board.at_most(
        "b",
        f"simulated time per visit, busy poll with {visits:.1f} visits a request",
        top_us / visits,
        3.5,
        "us",
        against=f"a request {best_us:.1f} us, its bare calls {min(bare_us):.1f} us",
        noise=noise,
    )


def bench_endpoints(benchmark, board):
    """Every endpoint by itself: one user at a time, medians over users."""
    buying = worlds.one_by_one(USERS, USERS + 1, "buys")
    waiting = worlds.one_by_one(USERS, 1, "waits")
    calls = {id(world): recorded(world) for world in (buying, waiting)}
    simulated, bare = defaultdict(list), defaultdict(list)

    def work():
        for world, shown in (
            (buying, (GENERATION, DATES, SEATS, BOOKING, PAYMENT)),
            (waiting, (CHECK,)),
        ):
            timed = medians_us(timed_requests(world))
            alone = medians_us(replay(world, calls[id(world)]))
            for endpoint in shown:
                simulated[endpoint].append(timed[endpoint])
                bare[endpoint].append(alone[endpoint])

    benchmark.pedantic(work, rounds=ROUNDS)
    for endpoint, values in simulated.items():
        best_us, alone_us = min(values), min(bare[endpoint])
        board.add(
            "b",
            f"simulated time on top, {endpoint}",
            f"{best_us - alone_us:.0f} us",
            f"a request {best_us:.0f} us, its bare calls {alone_us:.0f} us",
            noise=median(values) / best_us - 1.0,
        )


def timed_requests(world):
    """Endpoint -> real seconds of each request in a run, everything simulated included."""
    seconds = defaultdict(list)
    send = User._send

    def timed(user, endpoint, request, patience_s):
        began_s = time.perf_counter()
        answer = send(user, endpoint, request, patience_s)
        seconds[endpoint].append(time.perf_counter() - began_s)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(User, "_send", timed)
        simulate(world, 1)
    return seconds
