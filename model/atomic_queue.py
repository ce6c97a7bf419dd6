"""The repaired queue: enter, renew, admit and expire by atomic Redis commands only.

Why it is right whatever runs between two commands
--------------------------------------------------
The service shares one Redis connection, so WATCH is out (it belongs to a connection), and it uses
no Lua. A lock with a TTL would only be right while its holder is quick: a holder that is paused
for longer, or dies, lets a second one in. What remains is commands that are atomic, and
MULTI/EXEC, which is atomic but cannot decide. Three batches decide all the same:

1. `_admit_in_order` adds a member to passed with an infinite score, cuts the set to capacity by
   rank, and gives the member its real score if it is still there. The newcomer ranks last while
   the batch runs, so it is the one cut: passed never exceeds capacity, whoever interleaves, and
   nobody who is in is pushed out. (Capacity is taken not to shrink while tickets are on sale.)
2. Everyone new first joins waiting and is then admitted from its head, by whoever comes along: a
   newcomer helping those before it, or the sweep. Newcomers score later than those who wait, so
   who was at the head stays ahead of everyone who came later: first come, first served.
3. `queue_removal` removes members whose score is still the one that was read, by arithmetic on
   the score: subtract it, remove what is now 0, add it again. Every removal of a place is made
   this way, so that it cannot hit a place taken since.

A helper may come late: the member it saw at the head has left, and perhaps joined again, before
its batch runs. The batch reads the member's place; if it is not the one seen, what was added is
taken out again. Until then the member is in both sets, with a score in passed from before its new
place (a helper reads the clock before it looks at the line), by which everyone can tell that it
is not in. Somebody properly let in is in both sets too until taken from the line; a helper that
dies in between leaves it so, and the next one to find it at the head repairs it. One thing is
bounded by time: a late helper may set back the score in passed of somebody who renewed their
access meanwhile, and mends that with its next command; were it held up for the life of an access
token, a sweep in between would drop that person.

Someone whose newest token is valid keeps their place: asking again moves the expiry, never back
(ZADD XX GT). The sweep takes expired members out of the expiry set first; from then on the place
is given up, and the user, asking again, gets a new one at the end.
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
"""Members per MULTI/EXEC: Redis serves nobody else meanwhile."""
TOUCH_MS: Final = 1.0
"""By how much a score moves that must not stay as it was."""
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
        """Name the set of tickets for admission, which members are not in as such."""
        return self.passed.removesuffix("passed") + "admitted"


class _Look(NamedTuple):
    """Scores of one member at one moment, epoch ms."""

    place: float | None
    expiry: float | None
    passed: float | None

    def is_in(self) -> bool:
        """Tell whether the member is let in, and not by a late helper's mistake."""
        if self.passed is None:
            return False
        return self.place is None or self.passed >= self.place


class AtomicQueue:
    """Moves members between the sets.

    Args:
        store: Redis commands.
        clock: scores are its time in ms.
        place_ttl_s: a place not renewed for so long is given up; None: places are not renewed,
            and the expiry set is not used.
        opening: which place who joins the line gets.
        pace: tickets for admission, if these are limited in time.
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
        """Let `uuid` in or line it up; who is there already keeps the place. True if in.

        Without `helps`, nobody who waits is let in here: only someone new who finds nobody
        waiting.
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
        """Extend what `uuid` has from now on: access, a place, or (None) nothing."""
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
        """Let in up to `limit` from the head; True if all of them are, and there may be more.

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
        """Take those out of the line whose newest token has expired."""
        now_ms = self._clock.now() * 1000.0
        while True:
            expired = self._redis.zrangebyscore(
                keys.expiry, "-inf", now_ms, start=0, num=BATCH, withscores=True
            )
            if not expired:
                return
            self._give_up_places(keys, {text(member): float(when) for member, when in expired})

    def place_expiry_ms(self, now_s: float) -> float:
        """Tell until when a place taken or renewed now is kept (epoch ms)."""
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
        """If in, stay so from now on; the score changes, so no pending removal applies."""
        batch = self._batch()
        batch.zadd(keys.passed, {uuid: now_s * 1000.0}, xx=True, gt=True)
        batch.zadd(keys.passed, {uuid: TOUCH_MS}, xx=True, incr=True)
        return batch.execute()[-1] is not None

    def _line_up(
        self, keys: Keys, uuid: str, now_s: float, *, joins: bool
    ) -> tuple[int | None, int]:
        """Return the member's rank in the line and how many are let in."""
        batch = self._batch()
        if joins:
            # The clock is read as late as can be: the score is when one comes to the line.
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
        """Admit members seen at the head with these places; return those who got in."""
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
                # Was in, and renewed since our look at the clock.
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
        """Take members out of the line, unless they have joined it again since the look."""
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
        """Drop members whose expiry is (still) the given one, with their place in the line."""
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
