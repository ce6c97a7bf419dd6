"""The queue of each concert: enter, position, sweep, promote, release.

Keys, per concert:
    concert:{id}:queue:passed    sorted set of those let in, scored by when (epoch ms)
    concert:{id}:queue:waiting   sorted set of those waiting, scored by when they came (epoch ms)
    concert:{id}:queue:expiry    (with guard_asks_queue) those waiting, scored by when their
                                 newest token expires (epoch ms)

What the repaired service does is in `atomic_queue`; what the incident's did is here, one command
after another, with others running in between.
"""

from __future__ import annotations

from typing import Any, cast

import redis

from model.atomic_queue import BATCH, AtomicQueue, Keys, text
from model.clock import Clock, to_ms
from model.policy import Policy
from model.tokens import TokenIssuer, TokenType


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
        place_ttl_s = policy.waiting_ttl_s if policy.guard_asks_queue else None
        self._queue = AtomicQueue(store, clock, place_ttl_s)

    def enter(self, concert_id: int, uuid: str, capacity: int, now_s: float) -> TokenType:
        """Let `uuid` in or line it up; with guard_asks_queue who is there keeps the place."""
        keys = Keys.of(concert_id)
        if self._policy.admission_atomic:
            helps = self._policy.promote_from_waiting and self._policy.promote_by_uuid
            admitted = self._queue.enter(keys, uuid, capacity, now_s, helps=helps)
            return TokenType.ACCESS if admitted else TokenType.WAIT
        kind = self._queue.renew(keys, uuid, now_s) if self._policy.guard_asks_queue else None
        return self._enter_by_count(keys, uuid, capacity, now_s) if kind is None else kind

    def is_admitted(self, concert_id: int, uuid: str) -> bool:
        """Tell whether `uuid` is among those let in."""
        return self._redis.zscore(Keys.of(concert_id).passed, uuid) is not None

    def position(self, concert_id: int, member: str) -> int:
        """Place in the line, from 1; 0 for a member that does not wait (any longer)."""
        rank = self._redis.zrank(Keys.of(concert_id).waiting, member)
        return 0 if rank is None else int(rank) + 1

    def release(self, concert_id: int, uuid: str) -> None:
        """Give the slot back."""
        batch = self._redis.pipeline(transaction=True)
        for key in Keys.of(concert_id):
            batch.zrem(key, uuid)
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
        now_s = self._clock.now()
        oldest_access_ms = (now_s - self._policy.access_ttl_s) * 1000.0
        self._redis.zremrangebyscore(keys.passed, "-inf", oldest_access_ms)
        if self._policy.guard_asks_queue:
            self._queue.drop_expired(keys)
        else:
            oldest_waiting_ms = (now_s - self._policy.waiting_ttl_s) * 1000.0
            self._redis.zremrangebyscore(keys.waiting, "-inf", oldest_waiting_ms)

    def promote(self, concert_id: int, capacity: int) -> None:
        """Give free slots to those who wait. Raises a `TokenError` under D5."""
        keys = Keys.of(concert_id)
        examine = None if self._policy.promote_by_uuid else self._tokens.verify_waiting
        if not (self._policy.admission_atomic and self._policy.promote_from_waiting):
            self._promote_by_count(keys, capacity, examine)
            return
        while (free := self._free(keys, capacity)) > 0:
            if not self._queue.admit_from_head(keys, capacity, min(free, BATCH), examine):
                return

    def _free(self, keys: Keys, capacity: int) -> int:
        return capacity - int(self._redis.zcard(keys.passed))

    def _enter_by_count(self, keys: Keys, uuid: str, capacity: int, now_s: float) -> TokenType:
        """Count, then add (D12): between the two, others count as well."""
        admitted = self._free(keys, capacity) > 0
        self._redis.zcard(keys.waiting)
        self._redis.zadd(keys.passed if admitted else keys.waiting, {uuid: to_ms(now_s)})
        if admitted:
            return TokenType.ACCESS
        if self._policy.guard_asks_queue:
            self._redis.zadd(keys.expiry, {uuid: self._queue.place_expiry_ms(now_s)})
        return TokenType.WAIT

    def _promote_by_count(self, keys: Keys, capacity: int, examine: Any) -> None:
        """Pop, then add: members popped before a failure are lost."""
        free = self._free(keys, capacity)
        if free <= 0:
            return
        source = keys.waiting if self._policy.promote_from_waiting else keys.passed
        for popped, _ in self._redis.zpopmin(source, free):
            member = text(popped)
            if examine is not None:
                examine(member)
            self._redis.zadd(keys.passed, {member: to_ms(self._clock.now())})
            if self._policy.guard_asks_queue:
                self._redis.zrem(keys.expiry, member)

    def _wipe(self, keys: Keys) -> None:
        """Remove by rank, with a time as the last rank (D3): everyone."""
        now_ms = to_ms(self._clock.now())
        self._redis.zremrangebyrank(keys.passed, 0, now_ms - to_ms(self._policy.access_ttl_s))
        self._redis.zremrangebyrank(keys.waiting, 0, now_ms - to_ms(self._policy.waiting_ttl_s))
