"""The plan of each command: fakeredis's own code and argument types, looked up once.

A plan holds data that fakeredis computes again for every call: which arguments are keys, how the
other arguments are decoded, and the flags of the command (from fakeredis's commands.json).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from fakeredis import _msgs as msgs
from fakeredis._commands import COMMANDS_WITH_SUB, SUPPORTED_COMMANDS, Key, Signature
from fakeredis.model import get_all_commands_info

Decode = Callable[[bytes], Any]

_MODULES: Final = frozenset(
    {
        "bitmap",
        "connection",
        "generic",
        "geo",
        "hash",
        "list",
        "pubsub",
        "server",
        "set",
        "sortedset",
        "streams",
        "string",
        "transactions",
    }
)
"""Mixins of fakeredis that implement the server itself and not one of its modules."""
_NEWER_THAN_7_2: Final = frozenset(
    [
        "blmovem",
        "lmovem",
        "delex",
        "digest",
        "hexpire",
        "hexpireat",
        "hexpiretime",
        "hgetdel",
        "hgetex",
        "hpersist",
        "hpexpire",
        "hpexpireat",
        "hpexpiretime",
        "hpttl",
        "hsetex",
        "httl",
        "increx",
        "msetex",
        "sdiffcard",
        "sunioncard",
        "xackdel",
        "xcfgset",
        "xdelex",
        "xidmprecord",
        "xnack",
    ]
)
_NOT_ON_SIMULATED_TIME: Final = frozenset(
    [
        "subscribe",
        "psubscribe",
        "ssubscribe",
        "unsubscribe",
        "punsubscribe",
        "sunsubscribe",
        "monitor",
        "wait",
    ]
)
_READS_NO_CLOCK: Final = frozenset({"sortedset", "string", "transactions"})
_READS_CLOCK_OR_CHANCE: Final = frozenset({"zrandmember", "lcs"})
_COUNTS_CHANGES: Final = frozenset(
    {"zadd", "zrem", "zremrangebyrank", "zremrangebyscore", "zremrangebylex"}
    | {"hset", "hdel", "sadd", "srem"}
)
_NOT_A_USE: Final = frozenset(
    [
        "exists",
        "expiretime",
        "pexpiretime",
        "pttl",
        "ttl",
        "type",
        "scan",
        "keys",
        "object|encoding",
        "object|freq",
        "object|idletime",
        "object|refcount",
        "memory|usage",
        "debug|object",
    ]
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The arguments of one call: indices to decode, and the keys among them."""

    decode: tuple[tuple[int, Decode], ...]
    keys: tuple[tuple[int, Key], ...]
    early: tuple[tuple[int, Any], ...]
    """Keys that decide the answer if they are missing, with that answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One command."""

    name: str
    """Lower case; a subcommand follows after a blank."""
    method: str
    """The method of the socket that runs the command."""
    signature: Signature
    is_write: bool
    is_read: bool
    """The command looks a key up to answer (counted as a hit or a miss)."""
    denied_at_limit: bool
    """Refused when memory is full and nothing can be evicted (flag denyoom)."""
    is_transaction: bool
    """Run at once even inside MULTI."""
    creates: bool
    """Missing collections are created empty for the command."""
    keeps_empty: bool
    is_use: bool
    """The command counts as a use of the keys it looks up (LRU, LFU)."""
    needs_substitution: bool
    """The command's code in fakeredis may read the wall clock or the global random generator."""
    counts_changes: bool
    """The command's integer reply is the number of changes made (for the save points)."""
    supported: bool
    _shapes: dict[int, Shape] = field(default_factory=dict, compare=False, repr=False)

    def shape(self, args: list[bytes], version: tuple[int, ...]) -> Shape:
        """How to treat `args`; raises fakeredis's SimpleError if their number is wrong."""
        shape = self._shapes.get(len(args))
        if shape is None:
            self.signature.check_arity(args, version)
            shape = self._shapes[len(args)] = _shape(self.signature, len(args))
        return shape


def _shape(signature: Signature, n_args: int) -> Shape:
    kinds: list[Any] = list(signature.fixed)
    repeat = signature.repeat
    kinds += [repeat[i % len(repeat)] for i in range(n_args - len(kinds))]
    keys = tuple((i, kind) for i, kind in enumerate(kinds) if isinstance(kind, Key))
    return Shape(
        decode=tuple(
            (i, kind.decode)
            for i, kind in enumerate(kinds)
            if not isinstance(kind, Key) and kind is not bytes
        ),
        keys=keys,
        early=tuple(
            (i, key.missing_return) for i, key in keys if key.missing_return is not Key.UNSPECIFIED
        ),
    )


@cache
def plans() -> Mapping[str, Plan]:
    """Every command that fakeredis implements and Redis 7.2 has, by lower-case name."""
    found = {}
    for name, signature in SUPPORTED_COMMANDS.items():
        mixin = _mixin_of(signature)
        if mixin in _MODULES and name not in _NEWER_THAN_7_2:
            found[name] = plan_of(signature, mixin)
    return MappingProxyType(found)


@cache
def introspection_plans() -> Mapping[str, Plan]:
    """The plans of what `introspection` adds to fakeredis, by lower-case name."""
    none: Any = ()
    one: Any = (bytes,)
    two: Any = (bytes, bytes)
    signatures = (
        Signature("info", "info_", none, one),
        Signature("config get", "config_get", one, one),
        Signature("config set", "config_set", two, one),
        Signature("config resetstat", "config_resetstat", none),
        Signature("memory usage", "memory_usage", one, one),
        Signature("object encoding", "object_encoding", one),
        Signature("object refcount", "object_refcount", one),
        Signature("object idletime", "object_idletime", one),
        Signature("object freq", "object_freq", one),
        Signature("debug object", "debug_object", one),
    )
    return MappingProxyType({sig.name: plan_of(sig) for sig in signatures})


def plan_of(signature: Signature, mixin: str = "") -> Plan:
    """The plan for a command with this signature, implemented in this mixin of fakeredis."""
    name = signature.name
    info = get_all_commands_info().get(name.encode())
    flags = set(info[2]) if info is not None else set()
    return Plan(
        name=name,
        method=signature.func_name,
        signature=signature,
        is_write=b"write" in flags,
        is_read=b"readonly" in flags,
        denied_at_limit=b"denyoom" in flags,
        is_transaction=msgs.FLAG_TRANSACTION in signature.flags,
        creates=msgs.FLAG_DO_NOT_CREATE not in signature.flags,
        keeps_empty=msgs.FLAG_LEAVE_EMPTY_VAL in signature.flags,
        is_use=name.replace(" ", "|") not in _NOT_A_USE,
        needs_substitution=mixin not in _READS_NO_CLOCK or name in _READS_CLOCK_OR_CHANCE,
        counts_changes=name in _COUNTS_CHANGES,
        supported=name not in _NOT_ON_SIMULATED_TIME,
    )


def has_subcommands(name: str) -> bool:
    """Whether the first argument of `name` belongs to its name (CONFIG GET)."""
    return name in COMMANDS_WITH_SUB or name in {"config", "object", "memory", "debug"}


def _mixin_of(signature: Signature) -> str:
    from fakeredis._socket import FakeSocket  # noqa: PLC0415  (only to find where a method lives)

    function = getattr(FakeSocket, signature.func_name, None)
    module = getattr(function, "__module__", "")
    return module.rpartition(".")[2].removesuffix("_mixin")
