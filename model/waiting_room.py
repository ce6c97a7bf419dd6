"""The queue of each concert: enter, position, sweep, promote, release.

Keys, per concert:
    concert:{id}:queue:passed    sorted set of users let in, scored by when (epoch ms)
    concert:{id}:queue:waiting   sorted set of waiting users, scored by when they came (epoch ms)
    concert:{id}:queue:expiry    (with guard_asks_queue) waiting users, scored by when their
                                 newest token expires, or their absence is noticed (epoch ms)
    concert:{id}:queue:admitted  (with admissions_per_min) see `pace`

`atomic_queue` has the queue of the repaired service. This module has the queue of the incident's
service: single commands one after another, with other requests running in between.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

import redis

from model.atomic_queue import BATCH, AtomicQueue, Keys, text
from model.clock import Clock, to_ms
from model.opening import Opening
from model.pace import Pace
from model.policy import Policy
from model.tokens import TokenIssuer, TokenType

POLL_AFTER_LEAST_S: Final = 1.0
"""The shortest `pollAfter` that a user is told, in seconds."""


class Place(NamedTuple):
    """The answer to a waiting user who asks for the place."""

    position: int | None
    """From 1; 0 for a user who does not wait (any longer); None until places are drawn."""
    poll_after_s: float | None
    """In how many seconds to ask again; None: the user is not told."""


class WaitingRoom:
    """The users who are let in, and the waiting users in their order."""

    def __init__(
        self,
        store: redis.Redis,
        policy: Policy,
        clock: Clock,
        tokens: TokenIssuer,
        opening: Opening,
    ) -> None:
        # redis-py's type of every answer is "perhaps awaitable"; answers of this client never are.
        self._redis = cast("Any", store)
        self._policy = policy
        self._clock = clock
        self._tokens = tokens
        self._opening = opening
        self._pace = (
            None
            if policy.admissions_per_min is None
            else Pace(store, clock, policy.admissions_per_min, policy.sweep_interval_s)
        )
        place_ttl_s = self._place_ttl_s() if policy.guard_asks_queue else None
        self._queue = AtomicQueue(store, clock, place_ttl_s, opening, self._pace)

    @property
    def admissions_per_min(self) -> int | None:
        """The serving rate now; None: there is none."""
        return None if self._pace is None else self._pace.limit

    def set_admissions_per_min(self, rate: int) -> None:
        """Change the serving rate. Raises `ValueError` if the service runs without one."""
        if self._pace is None:
            raise ValueError("admissions_per_min: the service was started without a serving rate")
        self._pace.set_rate(rate)

    def enter(self, concert_id: int, uuid: str, capacity: int, now_s: float) -> TokenType:
        """Let `uuid` in or queue it; with guard_asks_queue a user in the queue keeps the place."""
        keys = Keys.of(concert_id)
        if self._policy.admission_atomic:
            helps = self._policy.promote_from_waiting and self._policy.promote_by_uuid
            # At a fixed rate only the sweep lets users in, evenly; a new user is never let in at
            # once.
            room = capacity if self._pace is None and self._opening.is_open() else 0
            admitted = self._queue.enter(keys, uuid, room, now_s, helps=helps)
            return TokenType.ACCESS if admitted else TokenType.WAIT
        kind = self._queue.renew(keys, uuid, now_s) if self._policy.guard_asks_queue else None
        return self._enter_by_count(keys, uuid, capacity, now_s) if kind is None else kind

    def is_admitted(self, concert_id: int, uuid: str) -> bool:
        """Tell whether `uuid` is let in."""
        return self._redis.zscore(Keys.of(concert_id).passed, uuid) is not None

    def place(self, concert_id: int, member: str, token_expires_s: float) -> Place:
        """Tell a member's place, and keep it from now on, but no longer than the token is valid."""
        keys = Keys.of(concert_id)
        if self._policy.absence_s is not None:
            until_s = min(self._clock.now() + self._policy.absence_s, token_expires_s)
            self._redis.zadd(keys.expiry, {member: until_s * 1000.0}, xx=True, gt=True)
        rank = self._redis.zrank(keys.waiting, member)
        if rank is None:
            return Place(0, None)
        position = int(rank) + 1 if self._opening.places_are_final() else None
        return Place(position, self.poll_after_s(concert_id))

    def poll_after_s(self, concert_id: int) -> float | None:
        """Tell how long a user should wait before the next check of the place; None: any time."""
        if self._policy.checks_per_s is None:
            return None
        waiting = int(self._redis.zcard(Keys.of(concert_id).waiting))
        # At least twice within the life of a place, so that each check renews the place in time.
        longest_s = self._place_ttl_s() / 2.0
        wanted_s = max(POLL_AFTER_LEAST_S, waiting / self._policy.checks_per_s)
        return round(min(wanted_s, longest_s), 3)

    def release(self, concert_id: int, uuid: str) -> None:
        """Give the slot back."""
        batch = self._redis.pipeline(transaction=True)
        for key in Keys.of(concert_id):
            batch.zrem(key, uuid)
        batch.execute()

    def release_token(self, concert_id: int, raw: str) -> None:
        """Remove a token from the set of users let in, as the incident's payment does (D8)."""
        self._redis.zrem(Keys.of(concert_id).passed, raw)

    def sweep(self, concert_id: int) -> None:
        """Remove users whose time has passed."""
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
        """Give free slots to waiting users. Raises a `TokenError` under D5."""
        if not self._opening.is_open():
            return
        keys = Keys.of(concert_id)
        examine = None if self._policy.promote_by_uuid else self._tokens.verify_waiting
        if not (self._policy.admission_atomic and self._policy.promote_from_waiting):
            self._promote_by_count(keys, capacity, examine)
            return
        # A sweep lets in at most as many users as there are slots. Without this limit a sweep would
        # never end while Redis at maxmemory evicts the users let in as fast as others come: there
        # would always be free slots.
        share = capacity if self._pace is None else self._pace.share
        while (limit := min(self._free(keys, capacity), BATCH, share)) > 0:
            if not self._queue.admit_from_head(keys, capacity, limit, examine):
                return
            share -= limit

    def _place_ttl_s(self) -> float:
        absence_s = self._policy.absence_s
        return min(self._policy.waiting_ttl_s, absence_s or self._policy.waiting_ttl_s)

    def _free(self, keys: Keys, capacity: int) -> int:
        return capacity - int(self._redis.zcard(keys.passed))

    def _enter_by_count(self, keys: Keys, uuid: str, capacity: int, now_s: float) -> TokenType:
        """Count, then add (D12): between the two, other requests count as well."""
        admitted = self._free(keys, capacity) > 0 and self._opening.is_open()
        self._redis.zcard(keys.waiting)
        if admitted:
            self._redis.zadd(keys.passed, {uuid: to_ms(now_s)})
            return TokenType.ACCESS
        self._redis.zadd(keys.waiting, {uuid: self._opening.place_ms(to_ms(now_s))})
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
        """Remove by rank, with a time as the last rank (D3): this removes all members."""
        now_ms = to_ms(self._clock.now())
        self._redis.zremrangebyrank(keys.passed, 0, now_ms - to_ms(self._policy.access_ttl_s))
        self._redis.zremrangebyrank(keys.waiting, 0, now_ms - to_ms(self._policy.waiting_ttl_s))
