"""The number of bytes that jemalloc hands out, in the two usual builds of Redis.

Upstream Redis is built with 8-byte steps up to 64 bytes, Debian's with 16-byte steps up to 128;
above, both have four size classes per doubling (jemalloc(3), "Size classes").
The formulas for Redis's own structures were fitted to MEMORY USAGE SAMPLES 0 and used_memory of
7.0.15 (Debian) and 7.4.1 (upstream): mean error 0.3 to 0.7 % per key.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Final

_TABLE_BYTES: Final = 4096
_TINY_BYTES: Final = 8
_OBJECT_BYTES: Final = 16
"""robj: type, encoding, access clock, reference count, pointer."""


def size_class(n_bytes: int, *, step: int, steps_up_to: int) -> int:
    """Bytes that an allocation of `n_bytes` occupies; `step` applies up to `steps_up_to`."""
    if n_bytes <= 0:
        return 0
    if n_bytes <= _TINY_BYTES:
        return _TINY_BYTES
    if n_bytes <= steps_up_to:
        return -(-n_bytes // step) * step
    spacing = 1 << ((n_bytes - 1).bit_length() - 3)
    return -(-n_bytes // spacing) * spacing


def _sds_header_bytes(length: int) -> int:
    if length < 32:  # noqa: PLR2004  (sdshdr5)
        return 1
    if length < 256:  # noqa: PLR2004  (sdshdr8)
        return 3
    return 5 if length < 65536 else 9  # noqa: PLR2004  (sdshdr16, sdshdr32)


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes in one build of Redis. All results are bytes."""

    name: str
    startup_bytes: int
    """used_memory_startup: an empty server without connections."""
    step: int
    steps_up_to: int
    skiplist_node_bytes: float
    """Mean size of a skip list node: 24 + 16 per level, level probability 1/4, rounded up."""
    entry_bytes: int
    """One hash table entry (24 bytes)."""
    _small: tuple[int, ...] = field(repr=False)
    _small_sds: tuple[int, ...] = field(repr=False)

    @staticmethod
    def of(name: str) -> Layout:
        """The layout called "upstream" or "debian"."""
        return (
            _layout(name, startup_bytes=865_864, step=8, steps_up_to=64)
            if name == "upstream"
            else _layout(name, startup_bytes=876_136, step=16, steps_up_to=128)
        )

    def allocated(self, n_bytes: int) -> int:
        """Bytes handed out for a request of `n_bytes`."""
        if n_bytes < _TABLE_BYTES:
            return self._small[n_bytes]
        return size_class(n_bytes, step=self.step, steps_up_to=self.steps_up_to)

    def sds(self, length: int) -> int:
        """A Redis string (sds) of `length` bytes of text, with header and final zero."""
        if length < _TABLE_BYTES:
            return self._small_sds[length]
        return self.allocated(_sds_header_bytes(length) + length + 1)

    def string_value(self, value: bytes, *, shared_integers: bool) -> int:
        """A string value: shared integer, integer, embedded or raw."""
        length = len(value)
        if length <= 20 and is_integer(value):  # noqa: PLR2004  (longest 64-bit integer)
            shared = shared_integers and length <= 4 and value[:1] != b"-"  # noqa: PLR2004
            return 0 if shared else _OBJECT_BYTES
        if length <= 44:  # noqa: PLR2004  (OBJ_ENCODING_EMBSTR_SIZE_LIMIT)
            return self.allocated(20 + length)
        return _OBJECT_BYTES + self.sds(length)


def is_integer(value: bytes) -> bool:
    """Whether Redis stores `value` as a 64-bit integer (canonical decimal, no plus, no zeros)."""
    digits = value[1:] if value[:1] == b"-" else value
    if not digits.isdigit() or (digits[:1] == b"0" and value != b"0"):
        return False
    return -(2**63) <= int(value) < 2**63


@functools.cache
def _layout(name: str, *, startup_bytes: int, step: int, steps_up_to: int) -> Layout:
    small = tuple(size_class(n, step=step, steps_up_to=steps_up_to) for n in range(_TABLE_BYTES))
    small_sds = tuple(
        size_class(_sds_header_bytes(n) + n + 1, step=step, steps_up_to=steps_up_to)
        for n in range(_TABLE_BYTES)
    )
    node = sum(0.75 * 0.25 ** (level - 1) * small[24 + 16 * level] for level in range(1, 33))
    return Layout(name, startup_bytes, step, steps_up_to, node, small[24], small, small_sds)
