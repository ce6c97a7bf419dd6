"""The queue in Redis: enter, position, sweep, promote, release.

Keys, per concert:
    concert:{id}:queue:passed    sorted set of those let in, scored by when (epoch ms)
    concert:{id}:queue:waiting   sorted set of those waiting, scored by when they came (epoch ms)
    concert:{id}:queue:expiry    (with guard_asks_queue) those waiting, scored by when their
                                 newest token expires (epoch ms)

Why the repaired queue is right whatever runs between two commands
------------------------------------------------------------------
The service shares one Redis connection, so WATCH is out (it belongs to a connection), and it uses
no Lua. A lock with a TTL would only be right while its holder is quick: a holder that is paused
for longer, or dies, lets a second one in. What remains is commands that are atomic, and
MULTI/EXEC, which is atomic but cannot decide. Three batches decide all the same:

1. `_admit_in_order` adds a member to passed with an infinite score, cuts the set to capacity by
   rank, and gives the member its real score if it is still there. The newcomer ranks last while
   the batch runs, so it is the one cut: passed never exceeds capacity, whoever interleaves, and
   nobody who is in is pushed out. (Capacity is taken not to shrink while tickets are on sale.)
2. Everyone new first joins waiting and is then admitted from its head, by whoever comes along: a
   newcomer, or the sweep. Newcomers score later than those who wait, so who was at the head
   stays ahead of everyone who came later, and first come is first served. The batch also reads
   the member's score in waiting: if it is not the score with which it was seen at the head, the
   helper was late, the member has left (and perhaps come back) since, and what it added is taken
   out again. A member who is let in is in both sets until it is taken from waiting; passed
   decides. A process that dies in between leaves it so, and the next one at the head repairs it.
3. `_remove_unchanged` removes members whose score is still the one that was read, by arithmetic
   on the score: subtract it, remove what is now 0, add it again.

Someone whose newest token is valid keeps their place: asking again moves the expiry (ZADD XX), and
the sweep takes expired members out of the expiry set in one batch with reading it. From then on
the place is given up: the user, asking again, gets a new place at the end under a new score, and
the sweep's removal, by the old score, does not touch it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import redis

from model.clock import Clock, to_ms
from model.policy import Policy
from model.tokens import TokenIssuer, TokenType

BATCH: Final = 100
"""Members per MULTI/EXEC: Redis serves nobody else meanwhile."""
_INFINITE: Final = float("inf")


class Keys(NamedTuple):
    """Redis keys of one concert."""

    passed: str
    waiting: str
    expiry: str

    @classmethod
    def of(cls, concert_id: int) -> Keys:
        """Name the keys of a concert."""
        prefix = f"concert:{concert_id}:queue:"
        return cls(prefix + "passed", prefix + "waiting", prefix + "expiry")


class WaitingRoom:
    """Who is in, who waits, in which order."""

    def __init__(
        self, store: redis.Redis, policy: Policy, clock: Clock, tokens: TokenIssuer
    ) -> None:
        # redis-py types every answer as "perhaps awaitable"; this client never is.
        self._redis = cast("Any", store)
        self._policy = policy
        self._clock = clock
        self._tokens = tokens

    def enter(self, concert_id: int, uuid: str, capacity: int, now_s: float) -> TokenType:
        """Let `uuid` in or line it up; who is there already keeps the place."""
        keys = Keys.of(concert_id)
        if self._policy.admission_atomic:
            admitted = self._enter_atomically(keys, uuid, capacity, now_s)
        else:
            admitted = self._enter_by_count(keys, uuid, capacity, now_s)
        return TokenType.ACCESS if admitted else TokenType.WAIT

    def is_admitted(self, concert_id: int, uuid: str) -> bool:
        """Tell whether `uuid` is among those let in."""
        return self._redis.zscore(Keys.of(concert_id).passed, uuid) is not None

    def position(self, concert_id: int, member: str) -> int:
        """Place in the line, from 1; 0 for a member that does not wait (any longer)."""
        rank = self._redis.zrank(Keys.of(concert_id).waiting, member)
        return 0 if rank is None else int(rank) + 1

    def release(self, concert_id: int, uuid: str) -> None:
        """Give the slot back."""
        keys = Keys.of(concert_id)
        batch = self._redis.pipeline(transaction=True)
        batch.zrem(keys.passed, uuid)
        batch.zrem(keys.waiting, uuid)
        batch.zrem(keys.expiry, uuid)
        batch.execute()

    def release_token(self, concert_id: int, raw: str) -> None:
        """Remove a token from those let in, as the incident's payment does (D8)."""
        self._redis.zrem(Keys.of(concert_id).passed, raw)

    def sweep(self, concert_id: int) -> None:
        """Drop whose time has passed."""
        keys = Keys.of(concert_id)
        if not self._policy.sweep_by_score:
            self._wipe(keys)
            return
        now_ms = self._clock.now() * 1000.0
        oldest_access_ms = now_ms - self._policy.access_ttl_s * 1000.0
        self._redis.zremrangebyscore(keys.passed, "-inf", oldest_access_ms)
        if self._policy.guard_asks_queue:
            self._drop_expired(keys, now_ms)
        else:
            oldest_waiting_ms = now_ms - self._policy.waiting_ttl_s * 1000.0
            self._redis.zremrangebyscore(keys.waiting, "-inf", oldest_waiting_ms)

    def promote(self, concert_id: int, capacity: int) -> None:
        """Give free slots to those who wait. Raises a `TokenError` under D5."""
        keys = Keys.of(concert_id)
        if self._policy.admission_atomic and self._policy.promote_from_waiting:
            while self._admit_from_head(keys, capacity, BATCH, parse=self._parses_members):
                pass
        else:
            self._promote_by_count(keys, capacity)

    @property
    def _parses_members(self) -> bool:
        return not self._policy.promote_by_uuid

    # Repaired: decided by Redis, see the top of the file.

    def _enter_atomically(self, keys: Keys, uuid: str, capacity: int, now_s: float) -> bool:
        now_ms = now_s * 1000.0
        if self._renew_access(keys, uuid, now_ms):
            return True
        joined, passed = self._join_line(keys, uuid, now_ms)
        if passed < capacity:
            self._help_promote(keys, uuid, capacity, joined=joined)
        admitted = self._redis.zscore(keys.passed, uuid) is not None
        if admitted:
            self._leave_line(keys, [uuid])
        return admitted

    def _renew_access(self, keys: Keys, uuid: str, now_ms: float) -> bool:
        """If let in, stay so from now on: the score follows the newest token."""
        batch = self._redis.pipeline(transaction=True)
        batch.zadd(keys.passed, {uuid: now_ms}, xx=True, gt=True)
        batch.zscore(keys.passed, uuid)
        return batch.execute()[-1] is not None

    def _join_line(self, keys: Keys, uuid: str, now_ms: float) -> tuple[bool, int]:
        """Take or keep a place in the line; return whether it is new, and how many are let in."""
        if self._policy.guard_asks_queue and self._renew_place(keys, uuid, now_ms):
            return False, int(self._redis.zcard(keys.passed))
        batch = self._redis.pipeline(transaction=True)
        # Read as late as can be: a score is the time at which one comes to the line.
        batch.zadd(keys.waiting, {uuid: self._clock.now() * 1000.0}, nx=True)
        if self._policy.guard_asks_queue:
            batch.zadd(keys.expiry, {uuid: self._place_expiry_ms(now_ms)}, gt=True)
        batch.zcard(keys.passed)
        answers = batch.execute()
        return bool(answers[0]), int(answers[-1])

    def _renew_place(self, keys: Keys, uuid: str, now_ms: float) -> bool:
        """Keep the place of who still has one; one that the sweep gave up is cleared away."""
        batch = self._redis.pipeline(transaction=True)
        batch.zadd(keys.expiry, {uuid: self._place_expiry_ms(now_ms)}, xx=True, gt=True)
        batch.zscore(keys.expiry, uuid)
        batch.zscore(keys.waiting, uuid)
        _, expiry_ms, place = batch.execute()
        if expiry_ms is None and place is not None:
            self._remove_unchanged(keys.waiting, {uuid: place})
            return False
        return place is not None

    def _place_expiry_ms(self, now_ms: float) -> float:
        return now_ms + self._policy.waiting_ttl_s * 1000.0

    def _help_promote(self, keys: Keys, uuid: str, capacity: int, *, joined: bool) -> None:
        """Let in those up to `uuid`, itself included, as far as slots are free.

        Where promotion is broken (D4, D5), only someone new who finds nobody waiting gets in.
        """
        rank = self._redis.zrank(keys.waiting, uuid)
        if rank is None:
            return
        helps = self._policy.promote_from_waiting and self._policy.promote_by_uuid
        if helps or (joined and rank == 0):
            self._admit_from_head(keys, capacity, min(int(rank) + 1, BATCH), parse=False)

    def _admit_from_head(self, keys: Keys, capacity: int, limit: int, *, parse: bool) -> bool:
        """Let in up to `limit` from the head; True if there may be more to do."""
        free = capacity - int(self._redis.zcard(keys.passed))
        wanted = min(free, limit)
        if wanted <= 0:
            return False
        heads = [
            (_text(member), float(score))
            for member, score in self._redis.zrange(keys.waiting, 0, wanted - 1, withscores=True)
        ]
        if parse:
            for member, _ in heads:
                self._tokens.verify_waiting(member)
        return bool(heads) and self._admit_in_order(keys, capacity, heads)

    def _admit_in_order(self, keys: Keys, capacity: int, heads: list[tuple[str, float]]) -> bool:
        """Admit members seen at the head with these scores; False once passed is full."""
        now_ms = self._clock.now() * 1000.0
        batch = self._redis.pipeline(transaction=True)
        for member, _ in heads:
            batch.zscore(keys.waiting, member)
            batch.zscore(keys.passed, member)
            batch.zadd(keys.passed, {member: _INFINITE}, nx=True)
            batch.zremrangebyrank(keys.passed, capacity, -1)
            batch.zadd(keys.passed, {member: now_ms}, xx=True)
            batch.zscore(keys.passed, member)
        answers = batch.execute()
        admitted, late = [], []
        for (member, seen), answer in zip(heads, _sixes(answers), strict=True):
            place, before, _, _, _, passed = answer
            if passed is None:
                continue
            if before is not None and float(before) > now_ms:
                # Was in, and renewed since our look at the clock: that score is the right one.
                self._redis.zadd(keys.passed, {member: float(before)}, xx=True, gt=True)
            if place is not None and float(place) == seen:
                admitted.append(member)
            elif before is None:
                late.append(member)
        if late:
            self._redis.zrem(keys.passed, *late)
        if admitted:
            self._leave_line(keys, admitted)
        return len(admitted) == len(heads)

    def _leave_line(self, keys: Keys, members: list[str]) -> None:
        batch = self._redis.pipeline(transaction=True)
        batch.zrem(keys.waiting, *members)
        batch.zrem(keys.expiry, *members)
        batch.execute()

    def _drop_expired(self, keys: Keys, now_ms: float) -> None:
        """Take those out of the line whose newest token has expired."""
        while True:
            expired = self._redis.zrangebyscore(
                keys.expiry, "-inf", now_ms, start=0, num=BATCH, withscores=True
            )
            if not expired:
                return
            self._give_up_places(keys, {_text(member): float(when) for member, when in expired})

    def _give_up_places(self, keys: Keys, expiries: Mapping[str, float]) -> None:
        """Drop members whose expiry is (still) the given one, with their place in the line."""
        batch = self._redis.pipeline(transaction=True)
        _queue_removal(batch, keys.expiry, expiries)
        for member in expiries:
            batch.zscore(keys.expiry, member)
            batch.zscore(keys.waiting, member)
        answers = batch.execute()[-2 * len(expiries) :]
        places = {
            member: float(place)
            for member, renewed, place in zip(expiries, answers[::2], answers[1::2], strict=True)
            if renewed is None and place is not None
        }
        if places:
            self._remove_unchanged(keys.waiting, places)

    def _remove_unchanged(self, key: str, scores: Mapping[str, float]) -> None:
        """Remove members whose score is (still) the given one."""
        batch = self._redis.pipeline(transaction=True)
        _queue_removal(batch, key, scores)
        batch.execute()

    # As it was: decided here, one command after another.

    def _enter_by_count(self, keys: Keys, uuid: str, capacity: int, now_s: float) -> bool:
        """Count, then add (D12): between the two, others count as well."""
        now_ms = to_ms(now_s)
        if self._policy.guard_asks_queue:
            if self._renew_access(keys, uuid, now_ms):
                return True
            if self._renew_place(keys, uuid, now_ms):
                return False
        admitted = int(self._redis.zcard(keys.passed)) < capacity
        self._redis.zcard(keys.waiting)
        self._redis.zadd(keys.passed if admitted else keys.waiting, {uuid: now_ms})
        if self._policy.guard_asks_queue and not admitted:
            self._redis.zadd(keys.expiry, {uuid: self._place_expiry_ms(now_ms)})
        return admitted

    def _promote_by_count(self, keys: Keys, capacity: int) -> None:
        """Pop, then add: members popped before a failure are lost."""
        free = capacity - int(self._redis.zcard(keys.passed))
        if free <= 0:
            return
        source = keys.waiting if self._policy.promote_from_waiting else keys.passed
        for popped, _ in self._redis.zpopmin(source, free):
            member = _text(popped)
            if self._parses_members:
                self._tokens.verify_waiting(member)
            self._redis.zadd(keys.passed, {member: to_ms(self._clock.now())})
            if self._policy.guard_asks_queue:
                self._redis.zrem(keys.expiry, member)

    def _wipe(self, keys: Keys) -> None:
        """Remove by rank, with a time as the last rank (D3): everyone."""
        now_ms = to_ms(self._clock.now())
        self._redis.zremrangebyrank(keys.passed, 0, now_ms - to_ms(self._policy.access_ttl_s))
        self._redis.zremrangebyrank(keys.waiting, 0, now_ms - to_ms(self._policy.waiting_ttl_s))


def _queue_removal(batch: Any, key: str, scores: Mapping[str, float]) -> None:
    """Queue the removal of members whose score is the given one (3. at the top of the file)."""
    for member, score in scores.items():
        batch.zadd(key, {member: -score}, xx=True, incr=True)
    batch.zremrangebyscore(key, 0, 0)
    for member, score in scores.items():
        batch.zadd(key, {member: score}, xx=True, incr=True)


def _sixes(answers: list[Any]) -> list[list[Any]]:
    return [answers[start : start + 6] for start in range(0, len(answers), 6)]


def _text(member: bytes | str) -> str:
    """Read a member, whether or not the client decodes answers."""
    return member.decode() if isinstance(member, bytes) else member
