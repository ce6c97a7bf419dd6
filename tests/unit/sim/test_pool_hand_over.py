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
