"""First come, first served: who waits is let in before everyone who came later."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.measure.invariants import PASSED, WAITING
from tests.support.world_small import Played, lose_redis_data, one_by_one, small

_READS = frozenset({"zrank", "zscore", "zcard", "zrange", "zrangebyscore", "get", "set", "del"})


class _Line:
    """Looks at both sets after every change, and counts whoever is let in out of turn."""

    def __init__(self, run):
        self._redis = run.redis.client()
        self._passed = set()
        self._came = {}
        self._before = ""
        self.let_in = 0
        self.overtaken = 0

    def before_command(self, name):
        before, self._before = self._before, name
        # Nothing has changed since the look before.
        if before in _READS:
            return
        passed = set(self._redis.zrange(PASSED, 0, -1))
        waiting = dict(self._redis.zrange(WAITING, 0, -1, withscores=True))
        self._came.update(waiting)
        for member in passed - self._passed:
            self.let_in += 1
            # Who never stood in line came just now.
            came = self._came.get(member, float("inf"))
            self.overtaken += any(
                earlier < came for other, earlier in waiting.items() if other not in passed
            )
        self._passed = passed


def overtaken(world, seed, *, events=()):
    """(people let in, those of them who overtook somebody)."""
    lines = []

    def look(run):
        line = _Line(run)
        known = run.server.redis_turn.watch

        def both(name):
            known(name)
            line.before_command(name)

        run.server.redis_turn.watch = both
        lines.append(line)

    Played(world, seed, events=[(0.0, look), *events])
    return lines[0].let_in, lines[0].overtaken


def test_counting_and_adding_lets_newcomers_overtake_those_who_wait():
    # Slots come free while people still arrive.
    world = {"load": one_by_one(8.0, 40), "policy": {"sweep_interval_s": 2.0}}

    let_in, out_of_turn = overtaken(small(**world, defect="D12"), 1)
    assert let_in >= 20
    assert out_of_turn > 0

    let_in, out_of_turn = overtaken(small(**world), 1)
    assert let_in >= 20
    assert out_of_turn == 0


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32),
    users=st.integers(2, 25),
    capacity=st.integers(1, 12),
    sweep_interval_s=st.sampled_from([0.3, 1.0, 4.0]),
    cores=st.sampled_from([0.2, 4.0]),
    wiped=st.booleans(),
)
def test_nobody_overtakes(seed, users, capacity, sweep_interval_s, cores, wiped):
    world = small(
        load=one_by_one(5.0, users),
        catalogue={"capacity": capacity},
        policy={"sweep_interval_s": sweep_interval_s, "access_ttl_s": 2.0, "waiting_ttl_s": 1.0},
        host={"cores": cores},
    )
    let_in, out_of_turn = overtaken(world, seed, events=[(2.0, lose_redis_data)] if wiped else [])
    assert let_in >= 1
    assert out_of_turn == 0
