"""Programs of the user's own: what they see, what they change, how they fail."""

import dataclasses
from pathlib import Path

import pytest

from sim.kernel.environment import Environment
from sim.processes import step_watch, user_processes
from sim.processes.settings import UserProcess
from sim.run import simulate
from sim.stations.connection_pool import ConnectionPool
from tests.support import own_processes
from tests.support.own_processes import SEEN
from tests.support.world_small import SMALL, during, small


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()


def with_process(function, world=SMALL, **arguments):
    code = f"tests.support.own_processes:{function}"
    return dataclasses.replace(world, processes=(UserProcess(code, arguments=arguments),))


def line_of(function, text):
    """Where a text stands in a function of `own_processes`."""
    first = getattr(own_processes, function).__code__.co_firstlineno
    lines = Path(own_processes.__file__).read_text("utf-8").splitlines()
    return next(n for n in range(first, first + 9) if text in lines[n - 1])


def test_an_autoscaler_adds_cores_and_users_are_served_sooner():
    crowded = small(load=during(30.0, 150), host={"cores": 2.0}, catalogue={"capacity": 200})
    crowded = dataclasses.replace(crowded, service=dataclasses.replace(crowded.service, warm=False))
    alone = simulate(crowded, 1)
    scaled = simulate(with_process("autoscaler", crowded, most=8, every_s=0.5, busy=0.5), 1)
    told = [note for note in scaled.notes if "cores from now on" in note]
    assert told[-1].endswith("autoscaler: 8 cores from now on")
    assert len(told) == 3
    p95 = [run.metrics["http_req_duration"]["p(95)"] for run in (alone, scaled)]
    assert p95[1] < 0.7 * p95[0]


def test_a_batch_job_takes_the_database_and_bookings_wait():
    alone = simulate(SMALL, 1)
    busy = simulate(with_process("nightly_batch", at_s=2.0, lock_s=6.0, work_s=20.0), 1)
    (locked_until_s, rows), (done_s, _) = SEEN
    assert rows == 1
    # Four sessions on four cores, which the service uses as well.
    assert locked_until_s == pytest.approx(8.0, abs=0.01)
    assert done_s > locked_until_s + 5.0
    slowest = [run.metrics["http_req_duration"]["max"] for run in (alone, busy)]
    assert slowest[0] < 1_000.0
    assert slowest[1] > 4_000.0


def test_a_process_sees_the_world_at_full_size():
    simulate(with_process("reads"), 1)
    seen = SEEN[0]
    assert (seen["now_s"], seen["cores"], seen["pool_size"], seen["capacity"]) == (5.0, 4.0, 10, 10)
    assert (seen["users"], seen["instances"], seen["scale"]) == (30, 1, 1.0)
    assert 0 < seen["inside"] <= seen["capacity"]
    assert seen["clock_s"] == SMALL.catalogue.opening_epoch_s + 5.5
    assert seen["admissions_per_min"] is None
    assert 0.0 < seen["cores_used_s"] < 22.0
    assert SEEN[1:] == [[(200,)], pytest.approx(0.0, abs=30.0)]


def test_a_scaled_run_is_seen_and_changed_as_if_it_were_large():
    simulate(with_process("reads"), 1, scale=0.5)
    assert (SEEN[0]["cores"], SEEN[0]["pool_size"], SEEN[0]["capacity"]) == (4.0, 10, 10)
    assert SEEN[0]["users"] == 30
    SEEN.clear()
    simulate(with_process("changes", pool=40, capacity=20), 1, scale=0.5)
    assert SEEN == [40, 20]


@pytest.mark.parametrize("barging", [True, False])
def test_a_pool_that_grows_and_shrinks_lets_as_many_in_as_it_has_connections(barging):
    env = Environment()
    pool = ConnectionPool(env, 2, 1e9, barging=barging)
    ends = []

    def borrow():
        borrowed_s = pool.acquire()
        env.sleep(10.0)
        pool.release(borrowed_s)
        ends.append(env.now)

    for number in range(12):
        env.spawn(f"borrower-{number}", borrow)
    env.run(until=5.0)
    assert (pool.active, pool.pending, pool.idle) == (2, 10, 0)
    pool.resize(6)
    env.run(until=6.0)
    assert (pool.size, pool.active, pool.pending) == (6, 6, 6)
    pool.resize(1)
    env.run(until=11.0)
    # Two have ended, and nobody follows while there are more than one.
    assert (pool.active, pool.pending, pool.idle) == (4, 6, 0)
    env.run(until=1_000.0)
    # From 20 s on one after the other.
    assert ends == [10.0, 10.0, *[15.0] * 4, *(25.0 + 10.0 * n for n in range(6))]
    assert (pool.active, pool.pending, pool.idle) == (0, 0, 1)
    pool.resize(3)
    pool.resize(2)
    assert (pool.active, pool.idle) == (0, 2)


def test_capacity_and_serving_rate_are_changed_without_breaking_an_invariant():
    crowd = small(load=during(20.0, 90))
    more = simulate(with_process("changes", crowd, capacity=25), 1)
    assert SEEN == [25]
    assert 20 < more.series["passed"].max() <= 25
    assert more.invariants["over_capacity"] == 0
    SEEN.clear()
    fewer = simulate(with_process("changes", crowd, capacity=4), 1)
    assert fewer.invariants["over_capacity"] == 0
    assert fewer.series["passed"][5:].max() == 4
    SEEN.clear()
    paced = small(policy={"admissions_per_min": 6})
    rated = with_process("changes", paced, rate=600)
    slow, fast = simulate(paced, 1), simulate(rated, 1)
    assert SEEN == [600]
    assert fast.funnel["paid"] > slow.funnel["paid"]


def test_an_instance_is_started_stopped_and_started_again():
    run = simulate(with_process("another_instance"), 1)
    assert SEEN == [2, 1, 2]
    assert run.failure == ""
    assert not any(run.invariants.values())


def test_resources_child_processes_and_conditions_are_those_of_simpy():
    run = simulate(with_process("with_resources"), 1)
    drawn = SEEN[3][2]
    assert [0, 1, 2, (4.0, ["soon"], drawn), "'inside'"] == SEEN
    assert run.failure == ""


def test_the_same_seed_gives_the_same_run_and_a_process_that_only_looks_changes_nothing():
    acting = with_process("with_resources")
    first, drawn = simulate(acting, 1), SEEN[3][2]
    SEEN.clear()
    second = simulate(acting, 1)
    assert first.digest == second.digest
    assert SEEN[3][2] == drawn
    assert simulate(with_process("reads"), 1).digest == simulate(SMALL, 1).digest
    SEEN.clear()
    simulate(acting, 2)
    assert SEEN[3][2] != drawn


@pytest.mark.parametrize(
    ("function", "text", "problem"),
    [
        ("fails_inside", "raise", "KeyError: 'inside'"),
        ("no_event", "yield 5", "the process yielded 5, which is not an event of env"),
        ("event_of_another_world", "simpy", "which is not an event of env"),
        ("stands_still", "yield", "100 steps of processes while simulated time stood still"),
        ("runs_the_run", "run(until", "env.run: the run is under way"),
        ("never_yields", "while True", "the process did not yield within 0.2 s of real time"),
        ("sleeps_really", "time.sleep", "the process did not yield within 0.2 s of real time"),
    ],
)
def test_a_wrong_process_ends_the_run_and_is_named_with_its_line(
    monkeypatch, function, text, problem
):
    monkeypatch.setattr(step_watch, "LONGEST_STEP_S", 0.2)
    monkeypatch.setattr(user_processes, "MOST_STEPS_AT_ONE_INSTANT", 100)
    run = simulate(with_process(function), 1)
    lines = {line_of(function, text), line_of(function, text) + 1}
    assert any(
        run.failure.startswith(f"process {function} (own_processes.py, line {line}): ")
        for line in lines
    ), run.failure
    assert problem in run.failure
    assert (run.ended, run.partial) == ("failed", True)
    # What was measured until then is there.
    assert run.simulated_s <= 1.0
    assert run.metrics["http_reqs"]["count"] > 0 or function == "stands_still"
    assert run.notes[0] == f"the run ended with an error: {run.failure}"


def test_a_child_that_nobody_waits_for_ends_the_run_too():
    run = simulate(with_process("child_fails_unheard"), 1)
    line = line_of("fails_inside", "raise")
    assert (
        run.failure == f"process fails_inside (own_processes.py, line {line}): KeyError: 'inside'"
    )


@pytest.mark.parametrize(
    ("call", "value", "problem"),
    [
        ("set_cores", [0], "cores: 0; allowed: more than 0, at most 4096"),
        ("set_cores", ["8"], "cores: '8'; allowed"),
        ("set_cores", [float("nan")], "cores: nan; allowed"),
        ("set_pool_size", [0], "pool size: 0; allowed: a whole number from 1, at most 100000"),
        ("set_pool_size", [2.5], "pool size: 2.5; allowed"),
        ("set_capacity", [True], "capacity: True; allowed"),
        ("set_admissions_per_min", [10], "the service was started without a serving rate"),
        ("stop_instance", [], "instances: 0; allowed: at least 1"),
        ("lock_table", ["nothing", 1.0], "table: nothing; allowed: booking, concert"),
        ("use_database", [-1.0], "work: -1.0; allowed: more than 0"),
        ("gauge", ["nothing"], "gauge: nothing; allowed: vus, "),
        ("query", ["DELETE FROM seat"], "query: DELETE FROM seat; allowed: a SELECT"),
    ],
)
def test_a_change_out_of_range_ends_the_run(call, value, problem):
    run = simulate(with_process("out_of_range", call=call, value=value), 1)
    line = line_of("out_of_range", "getattr")
    assert run.failure.startswith(f"process out_of_range (own_processes.py, line {line}): ")
    assert problem in run.failure
