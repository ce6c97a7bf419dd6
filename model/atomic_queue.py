"""The repaired queue: enter, renew, admit and expire by atomic Redis commands only.

Why the queue is right, whatever commands run between two of its commands
-----------------------------------------------------------------------
The service can use only atomic commands and MULTI/EXEC. WATCH belongs to a connection, and the
service shares one Redis connection; the service uses no Lua. A lock with a TTL is right only while
its holder is quick: if the holder is paused for longer, or dies, a second holder gets the lock.
MULTI/EXEC is atomic but cannot decide. Three batches decide nevertheless:

1. `_admit_in_order` adds a member to passed with an infinite score, cuts the set to capacity by
   rank, and gives the member its real score if the member is still there. The new member ranks
   last while the batch runs, so the cut removes the new member. Passed therefore never exceeds
   capacity, whatever other requests do, and a member who is in is never pushed out. (This assumes
   that capacity does not shrink while tickets are on sale.)
2. Every new user first joins waiting, and members are then admitted from the head of waiting. Any
   helper may admit them: the sweep, or a new user, who first helps the members before it. New
   users get later scores than waiting members, so no new user overtakes a waiting member: first
   come, first served.
3. `queue_removal` removes members whose score is still the score that was read, by arithmetic on
   the score: subtract it, remove members whose score is now 0, add it again. Every removal of a
   place is made this way, so that it cannot remove a place that was taken since.

A helper may be late: the member that it saw at the head has left, and has perhaps joined again,
before the helper's batch runs. The batch reads the member's place. If the place is not the place
that the helper saw, the helper removes the member from passed again. Until then the member is in
both sets. Its score in passed is lower than its new place, because a helper reads the clock before
it reads the queue; from this every service can tell that the member is not in.

A member who is properly let in is also in both sets, until removed from waiting. If the helper dies
in between, the member stays in both sets, and the next helper that finds the member at the head
repairs this.

One mistake is limited only by time. A late helper may set back the score in passed of a member who
renewed its access meanwhile. The helper's next command repairs the score. If the helper is held up
between the two commands for the life of an access token, a sweep in between removes the member.

A user whose newest token is valid keeps the place: asking again moves the expiry later, never
earlier (ZADD XX GT). The sweep first takes expired members out of the expiry set. From then on the
place is given up, and a user who asks again gets a new place at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

from model.clock import Clock
from model.opening import Opening
from model.pace import Pace
from model.removal import queue_removal
from model.tokens import TokenType

BATCH: Final = 100
"""Members per MULTI/EXEC; Redis serves no other client while the batch runs."""
TOUCH_MS: Final = 1.0
"""Smallest change of a score, for scores that must change."""
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

    @property
    def tickets(self) -> str:
        """Name the set of tickets for admission; its elements are tickets, not members."""
        return self.passed.removesuffix("passed") + "admitted"


class _Look(NamedTuple):
    """Scores of one member at one moment, epoch ms."""

    place: float | None
    expiry: float | None
    passed: float | None

    def is_in(self) -> bool:
        """Tell whether the member is let in; a late helper's mistake does not count."""
        if self.passed is None:
            return False
        return self.place is None or self.passed >= self.place


class AtomicQueue:
    """Moves members between the sets.

    Args:
        store: Redis commands.
        clock: scores are its time in ms.
        place_ttl_s: life of a place that is not renewed; None: places are not renewed,
            and the expiry set is not used.
        opening: decides the place of a user who joins the queue.
        pace: tickets for admission, if the serving rate is limited.
    """

    def __init__(
        self,
        store: Any,
        clock: Clock,
        place_ttl_s: float | None,
        opening: Opening,
        pace: Pace | None,
    ) -> None:
        self._redis = store
        self._clock = clock
        self._place_ttl_s = place_ttl_s
        self._opening = opening
        self._pace = pace

    def enter(self, keys: Keys, uuid: str, capacity: int, now_s: float, *, helps: bool) -> bool:
        """Let `uuid` in or queue it; a user in the queue keeps the place. True if the user is in.

        Without `helps` no waiting user is let in here, and a new user only if the queue is empty.
        """
        kind = self.renew(keys, uuid, now_s)
        if kind is TokenType.ACCESS:
            return True
        joins = kind is None
        rank, passed = self._line_up(keys, uuid, now_s, joins=joins)
        if rank is not None:
            free = capacity - passed
            if free <= 0 or not (helps or (joins and rank == 0)):
                return False
            self.admit_from_head(keys, capacity, min(rank + 1, free, BATCH))
        return self.renew(keys, uuid, now_s) is TokenType.ACCESS

    def renew(self, keys: Keys, uuid: str, now_s: float) -> TokenType | None:
        """Extend the access or the place of `uuid` from now on; None: the user has neither."""
        look = self._look_and_extend(keys, uuid, now_s)
        if look.is_in() and self._touch_access(keys, uuid, now_s):
            self._leave_line(keys, {uuid: look})
            return TokenType.ACCESS
        if look.place is None:
            return None
        if look.expiry is None and self._place_ttl_s is not None:
            self._remove_unchanged(keys.waiting, {uuid: look.place})
            return None
        return TokenType.WAIT

    def admit_from_head(
        self,
        keys: Keys,
        capacity: int,
        limit: int,
        examine: Callable[[str], object] | None = None,
    ) -> bool:
        """Let in up to `limit` from the head; True if all are in, so that there may be more.

        `examine` is called with each member first, and may raise.
        """
        now_ms = self._clock.now() * 1000.0
        heads = {
            text(member): float(score)
            for member, score in self._redis.zrange(keys.waiting, 0, limit - 1, withscores=True)
        }
        if examine is not None:
            for member in heads:
                examine(member)
        if not heads:
            return False
        may = heads if self._pace is None else self._pace.reserve(keys.tickets, heads)
        admitted = self._admit_in_order(keys, capacity, may, now_ms) if may else ()
        if self._pace is not None:
            self._pace.settle(keys.tickets, may, admitted)
        return len(admitted) == len(heads)

    def drop_expired(self, keys: Keys) -> None:
        """Remove the members whose newest token has expired from the queue."""
        now_ms = self._clock.now() * 1000.0
        while True:
            expired = self._redis.zrangebyscore(
                keys.expiry, "-inf", now_ms, start=0, num=BATCH, withscores=True
            )
            if not expired:
                return
            self._give_up_places(keys, {text(member): float(when) for member, when in expired})

    def place_expiry_ms(self, now_s: float) -> float:
        """Tell when a place expires that is taken or renewed now (epoch ms)."""
        return (now_s + (self._place_ttl_s or 0.0)) * 1000.0

    def _batch(self) -> Any:
        return self._redis.pipeline(transaction=True)

    def _look_and_extend(self, keys: Keys, uuid: str, now_s: float) -> _Look:
        batch = self._batch()
        batch.zscore(keys.waiting, uuid)
        batch.zscore(keys.passed, uuid)
        if self._place_ttl_s is not None:
            batch.zadd(keys.expiry, {uuid: self.place_expiry_ms(now_s)}, xx=True, gt=True)
            batch.zscore(keys.expiry, uuid)
        answers = batch.execute()
        expiry = answers[3] if self._place_ttl_s is not None else None
        return _Look(place=answers[0], expiry=expiry, passed=answers[1])

    def _touch_access(self, keys: Keys, uuid: str, now_s: float) -> bool:
        """Renew access of a member who is in; the score changes: no pending removal applies."""
        batch = self._batch()
        batch.zadd(keys.passed, {uuid: now_s * 1000.0}, xx=True, gt=True)
        batch.zadd(keys.passed, {uuid: TOUCH_MS}, xx=True, incr=True)
        return batch.execute()[-1] is not None

    def _line_up(
        self, keys: Keys, uuid: str, now_s: float, *, joins: bool
    ) -> tuple[int | None, int]:
        """Return the member's rank in the queue, and the number of members let in."""
        batch = self._batch()
        if joins:
            # The clock is read as late as possible: the score is the time of joining the queue.
            place_ms = self._opening.place_ms(self._clock.now() * 1000.0)
            batch.zadd(keys.waiting, {uuid: place_ms}, nx=True)
            if self._place_ttl_s is not None:
                batch.zadd(keys.expiry, {uuid: self.place_expiry_ms(now_s)}, gt=True)
        batch.zrank(keys.waiting, uuid)
        batch.zcard(keys.passed)
        rank, passed = batch.execute()[-2:]
        return rank, int(passed)

    def _admit_in_order(
        self, keys: Keys, capacity: int, heads: Mapping[str, float], now_ms: float
    ) -> Collection[str]:
        """Admit members seen at the head with these places; return the members who got in."""
        batch = self._batch()
        for member in heads:
            batch.zscore(keys.waiting, member)
            batch.zscore(keys.expiry, member)
            batch.zscore(keys.passed, member)
            batch.zadd(keys.passed, {member: _INFINITE}, nx=True)
            batch.zremrangebyrank(keys.passed, capacity, -1)
            batch.zadd(keys.passed, {member: now_ms}, xx=True)
            batch.zscore(keys.passed, member)
        answers = batch.execute()
        admitted: dict[str, _Look] = {}
        late: dict[str, float] = {}
        for (member, seen), start in zip(heads.items(), range(0, len(answers), 7), strict=True):
            place, expiry, before, *_, after = answers[start : start + 7]
            if after is None:
                continue
            if before is not None and float(before) >= now_ms:
                # The member was in, and renewed its access after this helper read the clock.
                renewed_ms = float(before) + TOUCH_MS
                self._redis.zadd(keys.passed, {member: renewed_ms}, xx=True, gt=True)
            if place is not None and float(place) == seen:
                admitted[member] = _Look(place, expiry, after)
            elif before is None:
                late[member] = now_ms
        if late:
            self._remove_unchanged(keys.passed, late)
        self._leave_line(keys, admitted)
        return admitted.keys()

    def _leave_line(self, keys: Keys, looks: Mapping[str, _Look]) -> None:
        """Take members out of the queue, unless they have joined it again since the look."""
        places = _known((member, look.place) for member, look in looks.items())
        if not places:
            return
        batch = self._batch()
        queue_removal(batch, keys.waiting, places)
        expiries = _known((member, look.expiry) for member, look in looks.items())
        if expiries:
            queue_removal(batch, keys.expiry, expiries)
        batch.execute()

    def _give_up_places(self, keys: Keys, expiries: Mapping[str, float]) -> None:
        """Remove members whose expiry is still the given time, and their places in the queue."""
        batch = self._batch()
        queue_removal(batch, keys.expiry, expiries)
        for member in expiries:
            batch.zscore(keys.expiry, member)
            batch.zscore(keys.waiting, member)
        answers = batch.execute()[-2 * len(expiries) :]
        places = _known(
            (member, place)
            for member, renewed, place in zip(expiries, answers[::2], answers[1::2], strict=True)
            if renewed is None
        )
        if places:
            self._remove_unchanged(keys.waiting, places)

    def _remove_unchanged(self, key: str, scores: Mapping[str, float]) -> None:
        batch = self._batch()
        queue_removal(batch, key, scores)
        batch.execute()


def text(member: bytes | str) -> str:
    """Read a member, whether or not the client decodes answers."""
    return member.decode() if isinstance(member, bytes) else member


def _known(scores: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    return {member: float(score) for member, score in scores if score is not None}
