"""What each waiting-room policy promises: order at the opening, rate, absence, intervals."""

import random

import pytest

from model.atomic_queue import BATCH, Keys
from model.opening import Opening
from model.policy import Policy
from model.tokens import TokenIssuer, TokenType
from model.waiting_room import WaitingRoom
from tests.support.model_world import KEY, START_S, ModelWorld
from tests.support.redis_real import real_redis

OPENS_S = START_S + 1_800.0
KEYS = Keys.of(1)


class Room:
    """A waiting room of its own, without tokens or tables; users are numbers."""

    def __init__(self, *, seed=1, opens_at_s=0.0, capacity=1_000, redis=None, **policy):
        world = ModelWorld(redis=redis)
        self.redis, self.clock = world.raw_redis, world.clock
        self.policy, self.capacity = Policy(**policy), capacity
        rng = random.Random(seed)
        opening = Opening(
            opens_at_s,
            draws=self.policy.order == "random_at_opening",
            clock=self.clock,
            new_id=lambda: f"{rng.getrandbits(128):032x}",
        )
        issuer = TokenIssuer(KEY, self.clock)
        self.room = WaitingRoom(self.redis, self.policy, self.clock, issuer, opening)

    def enter(self, user):
        # Nobody comes at exactly the same moment.
        self.clock.now_s += 0.001
        return self.room.enter(1, str(user), self.capacity, self.clock.now())

    def ask(self, user):
        return self.room.place(1, str(user), self.clock.now() + self.policy.waiting_ttl_s)

    def sweep(self):
        self.room.sweep(1)
        self.room.promote(1, self.capacity)

    def line(self):
        return [int(member) for member in self.redis.zrange(KEYS.waiting, 0, -1)]

    def let_in(self):
        return {int(member) for member in self.redis.zrange(KEYS.passed, 0, -1)}


def correlation_of_ranks(order):
    """Spearman's rank correlation between when people came (0, 1, ...) and this order of them."""
    count = len(order)
    squares = sum((place - came) ** 2 for place, came in enumerate(order))
    return 1.0 - 6.0 * squares / (count * (count**2 - 1))


# The opening


@pytest.mark.parametrize("order", ["arrival", "random_at_opening"])
@pytest.mark.parametrize("atomic", [True, False])
def test_nobody_is_let_in_before_the_opening(order, atomic):
    room = Room(opens_at_s=OPENS_S, order=order, admission_atomic=atomic, waiting_ttl_s=7_200.0)
    for user in range(5):
        assert room.enter(user) is TokenType.WAIT
    room.clock.now_s = OPENS_S - 0.01
    room.sweep()
    assert room.enter(0) is TokenType.WAIT
    assert room.let_in() == set()

    room.clock.now_s = OPENS_S
    room.sweep()
    assert room.let_in() == set(range(5))
    assert room.enter(5) is TokenType.ACCESS


def test_first_come_first_served_holds_from_before_the_opening():
    room = Room(opens_at_s=OPENS_S, waiting_ttl_s=7_200.0)
    for user in range(50):
        room.enter(user)
        room.clock.now_s += 1.0
    assert room.line() == list(range(50))
    assert room.ask(7).position == 8


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_places_drawn_at_the_opening_do_not_depend_on_when_one_came(seed):
    room = Room(seed=seed, opens_at_s=OPENS_S, order="random_at_opening", waiting_ttl_s=7_200.0)
    for user in range(1_000):
        room.enter(user)
        room.clock.now_s += 1.5
    # 1 / sqrt(1000) is its standard deviation if the order is random; 1 would be order of arrival.
    assert abs(correlation_of_ranks(room.line())) < 3.3 / 1_000**0.5
    assert sorted(room.line()) == list(range(1_000))


def test_another_draw_gives_another_order():
    lines = []
    for seed in (1, 2):
        room = Room(seed=seed, opens_at_s=OPENS_S, order="random_at_opening")
        for user in range(20):
            room.enter(user)
        lines.append(room.line())
    assert lines[0] != lines[1]


def test_asking_again_before_the_opening_draws_no_second_place():
    room = Room(opens_at_s=OPENS_S, order="random_at_opening")
    for user in range(20):
        room.enter(user)
    before = room.line()
    for user in range(20):
        room.clock.now_s += 1.0
        room.enter(user)
    assert room.line() == before


def test_nobody_overtakes_after_the_opening():
    room = Room(opens_at_s=OPENS_S, order="random_at_opening", capacity=3, waiting_ttl_s=7_200.0)
    for user in range(30):
        room.enter(user)
    room.clock.now_s = OPENS_S
    drawn = room.line()
    for user in range(30, 40):
        room.clock.now_s += 0.5
        room.enter(user)
    room.sweep()
    everyone = [*drawn, *range(30, 40)]
    while len(everyone) > 3:
        assert room.let_in() == set(everyone[:3])
        assert room.line() == everyone[3:]
        room.room.release(1, str(everyone.pop(0)))
        room.sweep()


def test_a_place_is_told_when_it_is_final():
    room = Room(opens_at_s=OPENS_S, order="random_at_opening", capacity=1, waiting_ttl_s=7_200.0)
    for user in range(3):
        room.enter(user)
    assert {room.ask(user).position for user in range(3)} == {None}
    room.clock.now_s = OPENS_S
    assert sorted(room.ask(user).position for user in range(3)) == [1, 2, 3]
    room.sweep()
    assert sorted(room.ask(user).position for user in range(3)) == [0, 1, 2]


# A fixed serving rate


def admissions(room, sweeps, interval_s):
    """When each admission was made, of people who leave at once."""
    times = []
    for _ in range(sweeps):
        room.sweep()
        for user in room.let_in():
            times.append(room.clock.now())
            room.room.release(1, str(user))
        room.clock.now_s += interval_s
    return times


@pytest.mark.parametrize("per_min", [1, 7, 60, 400])
@pytest.mark.parametrize("late_s", [0.0, 0.3])
def test_no_minute_has_more_admissions_than_the_rate_and_the_rate_is_used(per_min, late_s):
    room = Room(admissions_per_min=per_min, sweep_interval_s=5.0, waiting_ttl_s=7_200.0)
    for user in range(per_min * 5 + 20):
        assert room.enter(user) is TokenType.WAIT
    times = admissions(room, 36, 5.0 + late_s)
    for begin_s in times:
        assert sum(begin_s <= at_s < begin_s + 60.0 for at_s in times) <= per_min
    minutes = 36 * (5.0 + late_s) / 60.0
    assert len(times) >= 0.93 * per_min * minutes - 1


def test_admissions_are_spread_over_the_minute():
    room = Room(admissions_per_min=120, sweep_interval_s=5.0, waiting_ttl_s=7_200.0)
    for user in range(300):
        room.enter(user)
    times = admissions(room, 12, 5.0)
    assert [times.count(times[0] + 5.0 * sweep) for sweep in range(12)] == [10] * 12


def test_free_slots_limit_a_serving_rate_and_give_its_tickets_back():
    room = Room(admissions_per_min=60, sweep_interval_s=5.0, capacity=3, waiting_ttl_s=7_200.0)
    for user in range(100):
        room.enter(user)
    for _ in range(12):
        room.sweep()
        room.clock.now_s += 5.0
    assert room.let_in() == {0, 1, 2}
    # The unused tickets of that minute are not lost: the next sweep has its whole share.
    for user in range(3):
        room.room.release(1, str(user))
    room.capacity = 100
    room.sweep()
    assert room.let_in() == {3, 4, 5, 6, 7}


def test_two_services_share_one_rate():
    room = Room(admissions_per_min=12, sweep_interval_s=60.0, waiting_ttl_s=7_200.0)
    for user in range(100):
        room.enter(user)
    for _ in range(5):
        room.sweep()
    assert room.let_in() == set(range(12))


# Absence


def test_who_stopped_asking_loses_the_place_and_who_asks_keeps_it():
    room = Room(capacity=1, absence_s=60.0)
    for user in range(4):
        room.enter(user)
    for _ in range(4):
        room.clock.now_s += 20.0
        room.ask(1)
        room.ask(3)
        room.sweep()
    assert room.line() == [1, 3]
    assert room.ask(2).position == 0
    # Coming back, one is at the end.
    room.enter(2)
    assert room.line() == [1, 3, 2]


def test_asking_does_not_keep_a_place_longer_than_the_token():
    room = Room(capacity=1, absence_s=500.0, waiting_ttl_s=600.0)
    expires_s = room.clock.now() + 600.0
    room.enter(0)
    room.enter(1)
    while room.clock.now() < expires_s - 100.0:
        room.clock.now_s += 100.0
        room.room.place(1, "1", expires_s)
        room.sweep()
    assert room.line() == [1]
    room.clock.now_s = expires_s + 0.001
    room.sweep()
    assert room.line() == []


def test_without_the_policy_nobody_is_missed_before_the_token_expires():
    room = Room(capacity=1, waiting_ttl_s=600.0)
    room.enter(0)
    room.enter(1)
    room.clock.now_s += 599.0
    room.sweep()
    assert room.line() == [1]


# Intervals


def test_those_who_wait_are_told_when_to_ask_again():
    world = ModelWorld(Policy(checks_per_s=0.5), capacity=1)
    world.token(1)
    assert "pollAfter" not in world.generate(1).body
    bodies = [world.generate(user).body for user in (2, 3, 4, 5)]
    assert [body["pollAfter"] for body in bodies] == [2.0, 4.0, 6.0, 8.0]
    assert world.check(bodies[0]["jwt"]).body == {"position": 1, "pollAfter": 8.0}


def test_nobody_is_told_to_come_back_after_the_place_has_expired():
    room = Room(capacity=1, checks_per_s=0.01, waiting_ttl_s=600.0, absence_s=100.0)
    for user in range(30):
        room.enter(user)
    assert room.ask(29).poll_after_s == 50.0


def test_nothing_is_told_by_default():
    world = ModelWorld(capacity=1)
    world.token(1)
    answer = world.generate(2).body
    assert answer.keys() == {"jwt", "type"}
    assert world.check(answer["jwt"]).body == {"position": 1}


@pytest.mark.redis_server
def test_a_real_server_keeps_the_same_promises():
    policy = {
        "order": "random_at_opening",
        "admissions_per_min": 24,
        "sweep_interval_s": 15.0,
        "absence_s": 90.0,
        "checks_per_s": 2.0,
        "waiting_ttl_s": 7_200.0,
        "opens_at_s": OPENS_S,
    }
    with real_redis() as client:
        seen = []
        for room in (Room(**policy), Room(**policy, redis=client)):
            told = []
            for user in range(40):
                room.enter(user)
            room.clock.now_s = OPENS_S
            for _ in range(8):
                told += [room.ask(user) for user in range(0, 40, 2)]
                room.sweep()
                told.append((sorted(room.let_in()), room.line()))
                room.clock.now_s += 15.0
            seen.append(told)
    assert seen[0] == seen[1]
    # Half of them asked all the time, and all of these are in.
    assert seen[0][-1] == (list(range(0, 40, 2)), [])


class ForgettingRedis:
    """Loses those let in after every batch, while one more person comes: Redis that evicts."""

    def __init__(self, client):
        self._client = client
        self.batches = 0

    def __getattr__(self, name):
        return getattr(self._client, name)

    def pipeline(self, **options):
        return _ForgettingBatch(self, self._client.pipeline(**options))


class _ForgettingBatch:
    def __init__(self, store, batch):
        self._store = store
        self._batch = batch

    def __getattr__(self, name):
        return getattr(self._batch, name)

    def execute(self):
        answers = self._batch.execute()
        self._store.batches += 1
        assert self._store.batches < 1_000, "the sweep does not end"
        self._store.delete(KEYS.passed)
        for number in range(BATCH):
            come_ms = 1.7e12 + BATCH * self._store.batches + number
            self._store.zadd(KEYS.waiting, {f"{self._store.batches}-{number}": come_ms})
        return answers


@pytest.mark.parametrize("capacity", [1, 250, 1_000])
def test_a_sweep_ends_even_if_those_let_in_are_lost_as_fast_as_others_come(capacity):
    store = ForgettingRedis(ModelWorld().raw_redis)
    store.zadd(KEYS.waiting, {f"0-{number}": 1.7e12 + number for number in range(BATCH)})
    room = Room(capacity=capacity, redis=store)
    room.room.promote(1, capacity)
    # One batch to admit up to a hundred, one to take them out of the line.
    assert store.batches == 2 * -(-capacity // BATCH)
