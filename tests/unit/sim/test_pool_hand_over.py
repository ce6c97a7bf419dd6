"""How a pool with barging hands a connection over, as HikariCP's ConcurrentBag does."""

import pytest

from model.errors import PoolTimeoutError
from sim.kernel.environment import Environment
from sim.stations.connection_pool import ConnectionPool

WAKE_UP_S = 1.0
FIRST, WAITS, BEHIND, BARGES = (
    ("first", 0.0, 5.0),
    ("waits", 1.0, 1.0),
    ("behind", 2.0, 1.0),
    (
        "barges",
        5.5,
        1.0,
    ),
)
"""Name, when it asks, how long it keeps the connection."""


def played(*threads, timeout_s=100.0, barging=True):
    """Who had the only connection, or a time-out, and since when."""
    env = Environment()
    pool = ConnectionPool(env, 1, timeout_s, barging=barging, wake_up=lambda: env.sleep(WAKE_UP_S))
    seen = []

    def borrow(name, at_s, keep_s):
        env.sleep(at_s)
        try:
            borrowed_s = pool.acquire()
        except PoolTimeoutError:
            seen.append((name, "timed out", env.now))
            return
        seen.append((name, "has it", env.now))
        env.sleep(keep_s)
        pool.release(borrowed_s)

    for thread in threads:
        env.spawn(thread[0], lambda thread=thread: borrow(*thread))
    env.run()
    assert pool.idle == 1
    return seen


def test_who_asks_while_the_first_is_being_woken_is_before_it_and_the_first_goes_to_the_end():
    assert played(FIRST, WAITS, BEHIND, BARGES) == [
        ("first", "has it", 0.0),
        ("barges", "has it", 5.5),
        ("behind", "has it", 7.5),
        ("waits", "has it", 9.5),
    ]


@pytest.mark.parametrize(("tell_s", "next_one"), [(0.0, "returns"), (2.0 * WAKE_UP_S, "waits")])
def test_who_is_told_runs_first_if_telling_takes_longer_than_it_takes_to_wake_up(tell_s, next_one):
    env = Environment()
    wake_up, tell = (lambda s=s: env.sleep(s) for s in (WAKE_UP_S, tell_s))
    pool = ConnectionPool(env, 1, 100.0, barging=True, wake_up=wake_up, tell=tell)
    seen = []

    def borrow(name, times):
        for _ in range(times):
            borrowed_s = pool.acquire()
            seen.append(name)
            env.sleep(5.0)
            pool.release(borrowed_s)

    env.spawn("returns", lambda: borrow("returns", 2))
    env.spawn("waits", lambda: borrow("waits", 1))
    env.run()
    assert seen[1] == next_one
    assert (pool.told, pool.told_in_vain) == ((2, 1) if next_one == "returns" else (2, 0))


def test_in_order_nobody_is_overtaken():
    names = [name for name, *_ in played(FIRST, WAITS, BEHIND, BARGES, barging=False)]
    assert names == ["first", "waits", "behind", "barges"]


@pytest.mark.parametrize(
    ("others", "outcome"), [([BARGES], "timed out"), ([], "has it")], ids=["overtaken", "alone"]
)
def test_a_time_out_that_comes_during_the_wake_up_counts_only_for_who_was_overtaken(
    others, outcome
):
    """What was handed over in time is taken, be it late (`borrow`: a CAS after the poll)."""
    assert ("waits", outcome, 6.0) in played(FIRST, WAITS, *others, timeout_s=4.7)
