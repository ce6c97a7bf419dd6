"""(a) Requests per second while everyone polls, and (b) what simulated time costs in them."""

import time
from collections import defaultdict
from statistics import fmean, median

import pytest

from experiments.config.reading import load
from sim.customers.shop import BOOKING, CHECK, DATES, GENERATION, PAYMENT, SEATS
from sim.customers.user import User
from sim.run import simulate
from sim.scale import scaled
from tests.benchmarks import worlds
from tests.benchmarks.bare_calls import Recorder, medians_us, replay
from tests.benchmarks.phase import Phase
from tests.benchmarks.programs import PROGRAMS

ROUNDS = 4
POLLING_S = 6.0
USERS = 100
INCIDENT_SCALE = 0.3


def recorded(world, scale=1.0, phase=None):
    """The calls of every request of a run, as endpoint and calls, and its result."""
    recorder = Recorder()

    def note(progress):
        if phase is not None:
            phase.note(progress, recorder.visits)

    with pytest.MonkeyPatch.context() as patch:
        recorder.install(patch)
        result = simulate(world, 1, scale=scale, progress=note)
    assert result.ended == "completed"
    return recorder.requests, result


def bench_polling(benchmark, board):
    """The incident's busy-poll phase, in turns with the bare calls of the same requests."""
    world = worlds.busy_poll(POLLING_S)
    phase = Phase()
    requests, _ = recorded(world, phase=phase)
    visits = phase.visits
    polls = [(endpoint, calls) for endpoint, calls in requests if endpoint == CHECK]
    simulated_us = {program: [] for program in PROGRAMS}
    bare_us = []

    def work():
        for program, seen_us in simulated_us.items():
            seen_us.append(program.python("polling.py", POLLING_S).answer["request_us"])
        (seconds,) = replay(world, polls).values()
        bare_us.append(fmean(seconds) * 1e6)

    benchmark.pedantic(work, rounds=ROUNDS)
    for program, seen_us in simulated_us.items():
        best_us = min(seen_us)
        noise = median(seen_us) / best_us - 1.0
        board.at_least(
            "a",
            f"incident, busy poll, one core, {program}",
            1e6 / best_us,
            25_000,
            "requests/s",
            judged=program.judged,
            noise=noise,
        )
        board.at_most(
            "b",
            f"simulated time per visit, busy poll with {visits:.1f} visits a request, {program}",
            (best_us - min(bare_us)) / visits,
            3.5,
            "us",
            judged=program.judged,
            against=f"a request {best_us:.1f} us, its bare calls {min(bare_us):.1f} us",
            noise=noise,
        )


def bench_incident_calls(benchmark, board):
    """What the calls of the whole incident cost by themselves, outside of any simulation."""
    world = load("incident-as-planned", []).world
    requests, result = recorded(world, INCIDENT_SCALE)
    made = result.metrics["http_reqs"]["count"]
    smaller = scaled(world, INCIDENT_SCALE)
    seconds = benchmark.pedantic(lambda: replay(smaller, requests), rounds=1)
    all_s = {endpoint: sum(values) for endpoint, values in seconds.items()}
    without_us = (sum(all_s.values()) - all_s[SEATS]) / made * 1e6
    board.add(
        "a",
        f"bare calls of the incident at scale {INCIDENT_SCALE:g}, but lists of seats, "
        "per million requests",
        f"{without_us:.1f} s",
        f"with the lists {sum(all_s.values()) / made * 1e6:.0f} s: a run answers most from memory",
    )


def bench_endpoints(benchmark, board):
    """Every endpoint by itself: one user at a time, medians over users."""
    buying = worlds.one_by_one(USERS, USERS + 1, "buys")
    waiting = worlds.one_by_one(USERS, 1, "waits")
    calls = {id(world): recorded(world)[0] for world in (buying, waiting)}
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
