"""The number of bytes that each kind of value occupies in a real server.

Strings and sorted sets are exact to about 1 %. Hashes, sets and lists follow their structures in
Redis 7; streams are counted roughly, by the text in them. Large hashes, sets and lists are measured
again only after they have grown or shrunk by a twentieth. In between, the last measurement is
scaled by their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sized
from typing import Any, Final

from fakeredis.model import ExpiringMembersSet, Hash, XStream

from sim.redis.memory.allocator import Layout, is_integer
from sim.redis.memory.sorted_set import MeteredZSet, text_listpack_bytes

_OBJECT_BYTES: Final = 16
_FRAME_BYTES: Final = 7
_DICT_BYTES: Final = 56
_QUICKLIST_BYTES: Final = 40
_QUICKLIST_NODE_BYTES: Final = 32
_QUICKLIST_FILL_BYTES: Final = 8192
_HASH_LISTPACK_FIELDS: Final = 512
_LISTPACK_VALUE_BYTES: Final = 64
_SET_LISTPACK_MEMBERS: Final = 128
_SET_INTSET_MEMBERS: Final = 512
_STREAM_FIXED_BYTES: Final = 500
_STREAM_ENTRY_BYTES: Final = 40
_SMALL_SETS_AND_LISTS_AS_LISTPACK: Final = (7, 2)
_WALK_AGAIN: Final = 0.05
_ALWAYS_WALK: Final = 64


class Sizer:
    """Measures values in one memory layout."""

    def __init__(self, layout: Layout, version: tuple[int, ...]) -> None:
        self.layout = layout
        self._small_as_listpack = version >= _SMALL_SETS_AND_LISTS_AS_LISTPACK
        self.shared_integers = True
        """Whether integers from 0 to 9999 are free; not with a limit and an LRU or LFU policy."""

    def value_bytes(self, value: Sized, before: Measured | None) -> Measured:
        """Measure a value that is neither a string nor a sorted set; reuse `before` if close."""
        length = len(value)
        if before is not None and length > _ALWAYS_WALK and before.is_close_to(length):
            return before.scaled_to(length)
        return Measured(length, self._walk(value))

    def _walk(self, value: object) -> int:
        if isinstance(value, Hash):
            return self._hash([(field, value[field]) for field in value])
        if isinstance(value, ExpiringMembersSet):
            return self._set(list(value))
        if isinstance(value, list):
            return self._list(value)
        if isinstance(value, XStream):
            return _STREAM_FIXED_BYTES + sum(map(_stream_entry_bytes, value))
        raise TypeError(f"no size known for a {type(value).__name__}")

    def encoding_of(self, value: object) -> str:
        """The answer of OBJECT ENCODING."""
        if isinstance(value, bytes):
            return _string_encoding(value)
        if isinstance(value, MeteredZSet):
            return "listpack" if value.is_listpack else "skiplist"
        if isinstance(value, Hash):
            return _hash_encoding(value)
        if isinstance(value, ExpiringMembersSet):
            return self._set_encoding(list(value))
        if isinstance(value, list):
            return "listpack" if self._is_one_listpack(value) else "quicklist"
        return "stream"

    def hash_table_entries(self, value: Sized) -> int:
        """Entries of the hash table inside a value; 0 if its encoding has none."""
        return len(value) if self.encoding_of(value) in {"skiplist", "hashtable"} else 0

    def shared_bytes(self, value: object) -> int:
        """Bytes that MEMORY USAGE reports for a shared integer, which costs no memory."""
        if not isinstance(value, bytes):
            return 0
        own = self.layout.string_value(value, shared_integers=False)
        return own - self.layout.string_value(value, shared_integers=self.shared_integers)

    def _set_encoding(self, members: list[bytes]) -> str:
        if len(members) <= _SET_INTSET_MEMBERS and all(map(is_integer, members)):
            return "intset"
        small = len(members) <= _SET_LISTPACK_MEMBERS and _all_short(members)
        return "listpack" if small and self._small_as_listpack else "hashtable"

    def _is_one_listpack(self, elements: list[bytes]) -> bool:
        text_bytes = sum(map(text_listpack_bytes, elements))
        return self._small_as_listpack and _FRAME_BYTES + text_bytes <= _QUICKLIST_FILL_BYTES

    def _hash(self, pairs: list[tuple[bytes, bytes]]) -> int:
        texts = [text for pair in pairs for text in pair]
        if len(pairs) <= _HASH_LISTPACK_FIELDS and _all_short(texts):
            return self._listpack(texts)
        return self._dict(len(pairs)) + sum(self.layout.sds(len(text)) for text in texts)

    def _set(self, members: list[bytes]) -> int:
        if len(members) <= _SET_INTSET_MEMBERS and all(map(is_integer, members)):
            widest = max((abs(int(member)) for member in members), default=0)
            width = 2 if widest < 2**15 else 4 if widest < 2**31 else 8
            return _OBJECT_BYTES + self.layout.allocated(8 + width * len(members))
        if self._set_encoding(members) == "listpack":
            return self._listpack(members)
        return self._dict(len(members)) + sum(self.layout.sds(len(text)) for text in members)

    def _list(self, elements: list[bytes]) -> int:
        if self._is_one_listpack(elements):
            return self._listpack(elements)
        text_bytes = sum(map(text_listpack_bytes, elements))
        nodes = max(1, -(-text_bytes // _QUICKLIST_FILL_BYTES))
        packs = nodes * self.layout.allocated(_FRAME_BYTES + text_bytes // nodes)
        node_bytes = nodes * self.layout.allocated(_QUICKLIST_NODE_BYTES)
        return _OBJECT_BYTES + self.layout.allocated(_QUICKLIST_BYTES) + node_bytes + packs

    def _listpack(self, texts: Iterable[bytes]) -> int:
        text_bytes = sum(map(text_listpack_bytes, texts))
        return _OBJECT_BYTES + self.layout.allocated(_FRAME_BYTES + text_bytes)

    def _dict(self, n_entries: int) -> int:
        buckets = max(4, 1 << (n_entries - 1).bit_length())
        fixed = _OBJECT_BYTES + self.layout.allocated(_DICT_BYTES)
        return fixed + 8 * buckets + n_entries * self.layout.entry_bytes


def _stream_entry_bytes(entry: list[Any]) -> int:
    fields: list[bytes] = entry[1]
    return _STREAM_ENTRY_BYTES + sum(map(len, fields))


class Measured:
    """The size of a collection when it was last measured."""

    __slots__ = ("length", "n_bytes", "walked_length")

    def __init__(self, length: int, n_bytes: int) -> None:
        self.length = self.walked_length = length
        self.n_bytes = n_bytes

    def is_close_to(self, length: int) -> bool:
        """Whether this measurement may be used for a collection of `length` elements."""
        return abs(length - self.walked_length) <= _WALK_AGAIN * self.walked_length

    def scaled_to(self, length: int) -> Measured:
        """This measurement, scaled to `length` elements."""
        scaled = Measured(length, self.n_bytes * length // max(self.length, 1))
        scaled.walked_length = self.walked_length
        return scaled


def _string_encoding(value: bytes) -> str:
    if len(value) <= 20 and is_integer(value):  # noqa: PLR2004
        return "int"
    return "embstr" if len(value) <= 44 else "raw"  # noqa: PLR2004


def _hash_encoding(value: Hash) -> str:
    texts = [text for field in value for text in (field, value[field])]
    small = len(texts) <= 2 * _HASH_LISTPACK_FIELDS and _all_short(texts)
    return "listpack" if small else "hashtable"


def _all_short(texts: list[bytes]) -> bool:
    return all(len(text) <= _LISTPACK_VALUE_BYTES for text in texts)
