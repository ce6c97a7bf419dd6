"""Users at work beside users who spin: the scheduler of one processor against the real k6.

`generator_spin.csv` is k6 1.8.1 on one core with a stub on the other, three repeats of each row:
ten users who send four requests in turn and pause for 0.3 s, beside users whose function returns
at once. Nothing is fitted to it: the work of an iteration is its own rate, the share under the
mutex is from a processor profile.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from statistics import fmean, median

import pytest

from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.load.generator import Generator as LoadGenerator
from sim.load.go_scheduler import GoScheduler
from sim.machines import host as machines
from sim.machines.cpu import Cpu
from sim.service.costs import Costs
from sim.world import Generator, Host

TABLE = Path(__file__).parents[2] / "sim" / "data" / "measured" / "generator_spin.csv"
WORKING = 10
REQUESTS = 4
PAUSE_S = 0.3
STUB_S = 0.0003
SECONDS = 30.0
# A request costs the real k6 0.14 s of CPU in 8 s with nobody spinning, 1,080 requests: most of it
# before and after the request. It is small beside everything measured here.
SEND_S, RECEIVE_S = 8e-5, 5e-5
TOO_QUICK = (0, 10)
"""Lines of the users at work and number of spinning users where the wait comes out too short."""


@pytest.fixture(scope="module")
def table():
    found = defaultdict(list)
    with TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (int(row["processors"]), int(row["spinning_lines"]), int(row["working_lines"]))
            found[(*key, row["output"], int(row["spinning_users"]))].append(row)
    return found


def measured(table, key, column):
    return median(float(row[column]) for row in table[key])


class Load:
    """Ten users at work beside some who spin, on one processor."""

    def __init__(self, spinning, iteration_s, lock_share, *, lines, seed=1):
        self.env = Environment()
        process = Cpu(self.env, 1.0).process(1.0)
        rng = Streams(seed).stream("generator")
        self.go = GoScheduler(self.env, process, rng, iteration_s, lock_share)
        self.lines = lines
        self.gaps: list[float] = []
        self.durations: list[float] = []
        for _ in range(spinning):
            self.go.add_spinner()
        for number in range(WORKING):
            self.env.spawn(f"vu-{number}", self.live)
        self.env.run(SECONDS)

    def live(self):
        while True:
            ended_s = None
            for _ in range(REQUESTS):
                self.go.work(SEND_S, hands_over=True)
                sent_s = self.env.now
                if ended_s is not None:
                    self.gaps.append(1e3 * (sent_s - ended_s))
                self.env.sleep(STUB_S)
                self.go.receive(RECEIVE_S)
                ended_s = self.env.now
                self.durations.append(1e3 * (ended_s - sent_s))
                self.go.send_sample()
                if self.lines:
                    self.go.write_line()
            self.go.send_sample()
            self.env.sleep(PAUSE_S)


def load_of(table, key):
    spinning = key[-1]
    iteration_s = 1.0 / measured(table, key, "iterations_per_s")
    share = Costs.load().generator.spin_lock_share if key[1] else 0.0
    return Load(spinning, iteration_s, share, lines=bool(key[2]))


@pytest.mark.parametrize("spinning", [10, 100, 300, 900])
@pytest.mark.parametrize("lines", [0, 1])
def test_a_working_user_waits_as_long_as_beside_real_spinning_users(table, spinning, lines):
    """Means within a factor of two; an even share would say 450 ms beside 900 users, not 120."""
    key = (1, 1, lines, "null", spinning)
    load = load_of(table, key)
    gap = measured(table, key, "gap_mean_ms")
    duration = measured(table, key, "duration_mean_ms")
    assert duration / 2 < fmean(load.durations) < duration * 2
    if (lines, spinning) != TOO_QUICK:
        assert gap / 2 < fmean(load.gaps) < gap * 2


def test_what_it_misses_is_still_missed(table):
    """Beside ten users who write lines, a user who writes none waits 3 ms here and 10 in truth."""
    key = (1, 1, TOO_QUICK[0], "null", TOO_QUICK[1])
    assert fmean(load_of(table, key).gaps) < measured(table, key, "gap_mean_ms") / 2


def test_without_console_lines_the_wait_grows_with_the_number_of_spinning_users(table):
    """So it does in truth; answers wait for long there, 0.4 s beside 900, and far too long here."""
    gaps = {}
    for spinning in (10, 100):
        key = (1, 0, 0, "null", spinning)
        gaps[spinning] = fmean(load_of(table, key).gaps)
        assert measured(table, (1, 0, 0, "null", 10), "gap_mean_ms") < measured(
            table, (1, 0, 0, "null", 900), "gap_mean_ms"
        )
    assert gaps[10] < gaps[100]


def test_a_user_that_is_preempted_under_the_mutex_holds_up_those_who_write():
    """And it empties the local queue: whoever is in the global one has a turn the sooner."""
    free, held = (Load(100, 1e-5, share, lines=True) for share in (0.0, 0.2))
    assert fmean(held.gaps) > 1.2 * fmean(free.gaps)
    assert fmean(held.durations) < 0.5 * fmean(free.durations)


def test_spinning_users_get_nearly_the_whole_processor():
    load = Load(100, 1e-5, 0.2, lines=True)
    assert 0.95 < load.go.iterations * 1e-5 / SECONDS <= 1.0


def test_nobody_is_lost_when_users_stop_spinning():
    env = Environment()
    process = Cpu(env, 1.0).process(1.0)
    go = GoScheduler(env, process, Streams(1).stream("generator"), 1e-5, 0.2)
    for _ in range(400):
        go.add_spinner()

    def leave():
        for _ in range(400):
            env.sleep(0.01)
            go.remove_spinner()
        ended.append(go.iterations)

    ended: list[float] = []
    env.spawn("leave", leave)
    env.run(10.0)
    # Whoever was in a queue then is dropped there; nothing spins on.
    assert go.spinning == 0
    assert go.iterations - ended[0] < 1_000


def test_a_smaller_world_has_smaller_queues(table):
    """A tenth of the users on a processor a tenth as fast wait about as long."""
    key = (1, 1, 1, "null", 300)
    iteration_s = 1.0 / measured(table, key, "iterations_per_s")
    env = Environment()
    process = Cpu(env, 1.0, speed=0.1).process(1.0)
    go = GoScheduler(env, process, Streams(1).stream("generator"), iteration_s, 0.2, size=0.1)
    waits = []
    for _ in range(30):
        go.add_spinner()

    def live():
        while True:
            env.sleep(0.5)
            began_s = env.now
            go.receive(RECEIVE_S)
            waits.append(1e3 * (env.now - began_s))

    env.spawn("vu", live)
    env.run(60.0)
    assert 10.0 < fmean(waits) < 2.0 * measured(table, key, "duration_mean_ms")


def on_two_processors(spinning):
    """The generator's own process on two processors beside spinning users, for ten seconds."""
    env = Environment()
    settings = Generator(host=Host(cores=2.0))
    host = machines.Host(env, settings.host)
    costs = Costs.load().generator
    generator = LoadGenerator(env, host, settings, costs, Streams(1).stream("generator"))
    for number in range(spinning):
        env.spawn(f"spinner-{number}", generator.spin)
    waits = []

    def live():
        while True:
            env.sleep(PAUSE_S)
            began_s = env.now
            generator.send(SEND_S)
            waits.append(1e3 * (env.now - began_s))

    env.spawn("vu", live)
    env.run(10.0)
    per_s = generator.spun()[0] / 10.0
    env.close()
    return per_s * costs.spin_iteration_s, fmean(waits)


@pytest.mark.parametrize("spinning", [10, 100, 300, 900])
def test_two_processors_make_as_many_more_iterations_as_in_truth(table, spinning):
    """In processors' worth of one: 1.2 to 1.5 measured, and not two."""
    one, two = (measured(table, (n, 1, 1, "null", spinning), "iterations_per_s") for n in (1, 2))
    assert on_two_processors(spinning)[0] == pytest.approx(two / one, rel=0.2)


def test_the_wait_beside_many_spinning_users_on_two_processors_is_still_missed(table):
    """One of 900 waits 20 to 40 ms for its turn in truth, and hardly a tenth of a ms here."""
    gap = measured(table, (2, 1, 1, "null", 900), "gap_mean_ms")
    assert gap > 20.0
    assert on_two_processors(900)[1] < gap / 100
