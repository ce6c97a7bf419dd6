"""A sorted set that knows the number of bytes it would occupy in a real server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from fakeredis.model import ZSet

from sim.redis.memory.allocator import Layout, is_integer

LISTPACK_ENTRIES: Final = 128
"""zset-max-listpack-entries, redis.conf default."""
LISTPACK_MEMBER_BYTES: Final = 64
"""zset-max-listpack-value, redis.conf default."""

_OBJECT_BYTES: Final = 16
_LISTPACK_FRAME_BYTES: Final = 7
_SKIPLIST_FIXED_BYTES: Final = 760
"""robj, zset, zskiplist, header node of 32 levels, dict."""
_INITIAL_BUCKETS: Final = 4
_SHRINK_BELOW_PERCENT: Final = 10
"""HASHTABLE_MIN_FILL."""


def integer_listpack_bytes(value: int) -> int:
    """Bytes of an integer element of a listpack, its back length included."""
    if 0 <= value <= 127:  # noqa: PLR2004  (7 bits)
        return 2
    for bits, n_bytes in ((13, 3), (16, 4), (24, 5), (32, 6)):
        if -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            return n_bytes
    return 10


def text_listpack_bytes(value: bytes) -> int:
    """Bytes of a string element of a listpack, its back length included."""
    if len(value) <= 20 and is_integer(value):  # noqa: PLR2004
        return integer_listpack_bytes(int(value))
    length = len(value)
    header = 1 if length < 64 else 2 if length < 4096 else 5  # noqa: PLR2004
    entry = header + length
    return entry + (1 if entry < 128 else 2 if entry < 16384 else 3)  # noqa: PLR2004


def score_listpack_bytes(score: float) -> int:
    """Bytes of a score in a listpack: an integer if the score is whole, else its 17 digits."""
    if abs(score) < 2**53 and score == int(score):
        return integer_listpack_bytes(int(score))
    return text_listpack_bytes(b"%.17g" % score)


class MeteredZSet(ZSet):
    """A `ZSet` whose `used_bytes` follows every change in constant time.

    The set starts as a listpack. As in Redis, it becomes a skip list with a hash table when it
    grows past 128 members or gets a member longer than 64 bytes. It never becomes a listpack again.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self._layout = layout
        self._listpack_bytes = 0
        self._longest_seen = 0
        self._member_bytes = 0
        self._buckets = _INITIAL_BUCKETS
        self.is_listpack = True

    @classmethod
    def of(cls, plain: ZSet, layout: Layout) -> MeteredZSet:
        """A metered copy of `plain`."""
        copy = cls(layout)
        for member, score in plain.items():
            copy.add(member, score)
        return copy

    def add(self, value: bytes, score: float) -> bool:
        """Set the score of a member; return whether the set changed."""
        old_score = self._bylex.get(value)
        if old_score is None:
            self._count_new(value, score)
        elif score == old_score:
            return False
        else:
            self._byscore.remove((old_score, value))
            if self.is_listpack:
                self._listpack_bytes += score_listpack_bytes(score) - score_listpack_bytes(
                    old_score
                )
        self._bylex[value] = score
        self._byscore.add((score, value))
        return True

    def discard(self, key: bytes) -> None:
        """Remove a member if it is there."""
        score = self._bylex.pop(key, None)
        if score is None:
            return
        self._byscore.remove((score, key))
        self._count_gone(key, score)

    def clear(self) -> None:
        """Remove every member."""
        self._bylex.clear()
        self._byscore.clear()
        self._listpack_bytes = self._member_bytes = 0
        self._buckets = _INITIAL_BUCKETS

    def copy(self) -> MeteredZSet:
        """An independent copy, in the same encoding."""
        copy = MeteredZSet(self._layout)
        copy.__dict__.update(self.__dict__)
        copy._bylex = self._bylex.copy()
        copy._byscore = self._byscore.copy()
        return copy

    def first(self, count: int, *, last: bool = False) -> list[bytes]:
        """The `count` members of lowest score, in order (of highest, from the top, if `last`)."""
        ordered = reversed(self._byscore) if last else self._byscore
        return [member for _, member in islice(ordered, count)]

    def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]  # this class returns a plain iterator
        return (member for _, member in self._byscore)

    def used_bytes(self) -> int:
        """Bytes of this value in a real server, its object header included."""
        if self.is_listpack:
            return _OBJECT_BYTES + self._layout.allocated(
                _LISTPACK_FRAME_BYTES + self._listpack_bytes
            )
        n_members = len(self._bylex)
        tables = 8 * self._buckets
        if n_members < self._buckets * 3 // 4:
            # Redis moves a bucket or two per operation, so the old table is still there.
            tables += 4 * self._buckets
        per_member = self._layout.skiplist_node_bytes + self._layout.entry_bytes
        return _SKIPLIST_FIXED_BYTES + tables + int(n_members * per_member) + self._member_bytes

    def _count_new(self, member: bytes, score: float) -> None:
        self._member_bytes += self._layout.sds(len(member))
        n_members = len(self._bylex) + 1
        if self.is_listpack:
            self._listpack_bytes += text_listpack_bytes(member) + score_listpack_bytes(score)
            self.is_listpack = (
                n_members <= LISTPACK_ENTRIES and len(member) <= LISTPACK_MEMBER_BYTES
            )
        while n_members > self._buckets:
            self._buckets *= 2

    def _count_gone(self, member: bytes, score: float) -> None:
        self._member_bytes -= self._layout.sds(len(member))
        if self.is_listpack:
            self._listpack_bytes -= text_listpack_bytes(member) + score_listpack_bytes(score)
        n_members = len(self._bylex)
        if (
            self._buckets > _INITIAL_BUCKETS
            and n_members * 100 < self._buckets * _SHRINK_BELOW_PERCENT
        ):
            self._buckets = _INITIAL_BUCKETS
            while n_members > self._buckets:
                self._buckets *= 2
