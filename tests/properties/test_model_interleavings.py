"""The queue under arbitrary interleavings: every Redis command is a place to stop, or to die.

Several callers run as greenlets over one Redis. Before each command (a MULTI/EXEC batch is one)
the caller stops and a seeded choice decides who goes on, whether time passes, and whether the
caller dies there. The invariants are looked at after every single command.
"""

import random

import fakeredis
import pytest
from greenlet import GreenletExit, getcurrent, greenlet

from model.atomic_queue import Keys
from model.opening import Opening
from model.policy import Policy
from model.tokens import TokenIssuer, TokenType
from model.waiting_room import WaitingRoom
from tests.support.model_world import KEY, HandClock

KEYS = Keys.of(1)
CAPACITY = 2
USERS = ["a", "b", "c", "d", "e"]
POLICY = {"access_ttl_s": 40.0, "waiting_ttl_s": 25.0}
LONGEST_CALL_S = 20.0
"""A request is given up long before an access token expires."""


class StoppingRedis:
    """Stops the calling greenlet before every command."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        if name == "pipeline":
            return lambda **kw: _StoppingBatch(self._client.pipeline(**kw))

        def command(*args, **kwargs):
            getcurrent().parent.switch()
            return getattr(self._client, name)(*args, **kwargs)

        return command


class _StoppingBatch:
    def __init__(self, batch):
        self._batch = batch

    def __getattr__(self, name):
        return getattr(self._batch, name)

    def execute(self):
        getcurrent().parent.switch()
        return self._batch.execute()


class ViolationError(AssertionError):
    """An invariant does not hold."""


class Hall:
    """Callers, the queue between them, and what they were promised."""

    def __init__(self, seed, policy, deaths):
        self.rng = random.Random(seed)
        self.policy = policy
        self.deaths = deaths
        self.clock = HandClock()
        self.redis = fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True)
        issuer = TokenIssuer(KEY, self.clock)
        opening = Opening(0.0, draws=False, clock=self.clock, new_id=str)
        self.room = WaitingRoom(StoppingRedis(self.redis), policy, self.clock, issuer, opening)
        self.running = {}
        self.started_s = {}
        self.promised_until_s = {}
        self.places = {}
        self.seen = ({}, {})
        self.joined = {}
        self.suspected = {}
        self.steps = 0
        self.admitted = []
        self.entered_s = {}
        self.let_in_s = []

    def start(self, work, tag=None):
        caller = greenlet(work)
        self.running[caller] = tag
        self.started_s[caller] = self.clock.now()

    def enter(self, user):
        now_s = self.clock.now()
        kind = self.room.enter(1, user, CAPACITY, now_s)
        ttl_s = self.policy.access_ttl_s if kind is TokenType.ACCESS else self.policy.waiting_ttl_s
        until_s = max(now_s + ttl_s, self.promised_until_s.get(user, 0.0))
        self.promised_until_s[user] = until_s
        if kind is TokenType.WAIT:
            place = self.redis.zscore(KEYS.waiting, user)
            if place is not None:
                self.places.setdefault(user, place)

    def leave(self, user):
        """Pay: from here on nothing is promised."""
        self.promised_until_s.pop(user, None)
        self.places.pop(user, None)
        self.room.release(1, user)

    def sweep(self):
        self.room.sweep(1)
        self.room.promote(1, CAPACITY)

    def start_random_work(self):
        """One person may ask in two tabs at once, but does not pay and ask at once."""
        user = self.rng.choice(USERS)
        choice = self.rng.random()
        busy = self.running.values()
        if choice < 0.6 and ("leave", user) not in busy:
            self.start(lambda: self.enter(user), ("enter", user))
        elif choice < 0.85 or ("enter", user) in busy or ("leave", user) in busy:
            self.start(self.sweep)
        else:
            self.start(lambda: self.leave(user), ("leave", user))

    def run(self, works):
        for _ in range(works):
            if len(self.running) < 4:
                self.start_random_work()
            self.step()
        while self.running:
            self.step()

    def step(self):
        self.clock.now_s += self.rng.choice([0.001, 0.001, 0.001, 0.2, 2.0])
        caller = self.rng.choice(list(self.running))
        overdue = self.clock.now() - self.started_s[caller] > LONGEST_CALL_S
        if overdue or (self.deaths and self.rng.random() < 0.02):
            caller.throw(GreenletExit)
        else:
            caller.switch()
        if caller.dead:
            del self.running[caller]
        self.look()

    def look(self):
        passed = dict(self.redis.zrange(KEYS.passed, 0, -1, withscores=True))
        waiting = dict(self.redis.zrange(KEYS.waiting, 0, -1, withscores=True))
        if len(passed) > CAPACITY:
            raise ViolationError(f"{len(passed)} let in, capacity {CAPACITY}")
        self.look_at_order(passed, waiting)
        self.look_at_promises(passed, waiting)
        self.seen = (passed, waiting)

    def look_at_order(self, passed, waiting):
        """Who gets in leaves nobody behind who came earlier, by clock and by joining the line.

        A late helper may let somebody in and take that back, so a suspicion becomes a violation
        when the suspect leaves the line as one who is in.
        """
        self.steps += 1
        seen_passed, seen_waiting = self.seen
        for user in waiting.keys() - seen_waiting.keys():
            self.joined[user] = self.steps
        for user in passed.keys() - seen_passed.keys():
            self.entered_s[user] = self.clock.now()
            if user in waiting:
                self.suspected[user] = [
                    other
                    for other, place in waiting.items()
                    if other not in passed
                    and place < waiting[user]
                    and self.joined[other] < self.joined[user]
                ]
        for user in self.suspected.keys() - passed.keys():
            del self.suspected[user]
        for user in (seen_waiting.keys() - waiting.keys()) & self.suspected.keys():
            self.admitted.append(user)
            self.let_in_s.append(self.entered_s[user])
            self.look_at_pace()
            overtaken = self.suspected.pop(user)
            if overtaken:
                raise ViolationError(f"{user} was let in before {overtaken}")

    def look_at_pace(self):
        most = self.policy.admissions_per_min
        for end_s in self.let_in_s:
            within = sum(end_s - 60.0 < at_s <= end_s for at_s in self.let_in_s)
            if most is not None and within > most:
                raise ViolationError(f"{within} let in within a minute, at most {most} may be")

    def look_at_promises(self, passed, waiting):
        now_s = self.clock.now()
        for user, until_s in list(self.promised_until_s.items()):
            if until_s <= now_s:
                del self.promised_until_s[user]
                self.places.pop(user, None)
            elif user not in passed and user not in waiting:
                raise ViolationError(f"{user} has a valid token and no place")
            elif user in passed:
                self.places.pop(user, None)
            elif user in self.places and waiting[user] > self.places[user]:
                raise ViolationError(f"{user} lost the place")


def run(seed, policy, *, deaths=True, works=150):
    hall = Hall(seed, policy, deaths)
    hall.run(works)
    return hall


def violations(policy, seeds, **kwargs):
    found = []
    for seed in seeds:
        try:
            run(seed, policy, **kwargs)
        except ViolationError as violation:
            found.append((seed, str(violation)))
    return found


def test_the_repaired_queue_keeps_capacity_order_and_places():
    assert violations(Policy(**POLICY), range(80)) == []


def test_the_runs_really_let_people_in_and_have_them_wait():
    halls = [run(seed, Policy(**POLICY)) for seed in range(20)]
    assert sum(len(hall.admitted) for hall in halls) > 50
    assert any(hall.seen[1] for hall in halls)


PACED = Policy(**POLICY, admissions_per_min=3, sweep_interval_s=60.0)


def test_a_fixed_serving_rate_holds_in_every_minute_and_keeps_the_order():
    assert violations(PACED, range(60)) == []
    paced = [run(seed, PACED, deaths=False) for seed in range(10)]
    assert sum(len(hall.let_in_s) for hall in paced) > 20


def test_without_tickets_the_rate_would_be_exceeded(monkeypatch):
    monkeypatch.setattr("model.pace.Pace.reserve", lambda _self, _key, heads: heads)
    assert any("within a minute" in text for _, text in violations(PACED, range(10)))


def test_count_then_add_lets_too_many_in():
    policy = Policy(**POLICY).with_defect("D12")
    found = violations(policy, range(40), deaths=False)
    assert any("let in, capacity" in text for _, text in found)


def test_the_wipe_takes_places_from_people_with_valid_tokens():
    found = violations(Policy(**POLICY).with_defect("D3"), range(20), deaths=False)
    assert any("no place" in text for _, text in found)


@pytest.mark.parametrize("defect", ["D4", "D5"])
def test_where_promotion_is_broken_capacity_still_holds(defect):
    hall = Hall(1, Policy(**POLICY).with_defect(defect), deaths=False)
    for user in USERS:
        hall.start(lambda user=user: hall.enter(user))
    while hall.running:
        hall.step()
    assert len(hall.seen[0]) <= CAPACITY
