"""Random Redis commands for comparing two servers: the same seed gives the same commands."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

Command = tuple[str | int | float, ...]

KEYS = [f"key:{i}" for i in range(24)]
MEMBERS = [f"member-{i:03d}" for i in range(40)]


class RandomCommands:
    """Commands on strings, sorted sets, hashes, sets and lists, with and without expiry.

    Keys are few and their types mixed, so that wrong types, missing keys and overwritten values
    all happen. `ttl_step_ms` and `ttl_offset_ms` place every expiry at offset + k * step from now.
    """

    def __init__(self, seed: int, ttl_step_ms: int, ttl_offset_ms: int) -> None:
        self._rng = random.Random(seed)
        self._step_ms = ttl_step_ms
        self._offset_ms = ttl_offset_ms
        makers: list[tuple[int, Callable[[], Command]]] = [
            (20, self._string),
            (12, self._key),
            (8, self._expiry),
            (30, self._sorted_set),
            (10, self._sorted_set_range),
            (8, self._hash),
            (6, self._set),
            (6, self._list),
        ]
        self._makers = [maker for weight, maker in makers for _ in range(weight)]

    def batch(self, count: int) -> list[Command]:
        """The next `count` commands."""
        return list(self._stream(count))

    def _stream(self, count: int) -> Iterator[Command]:
        for _ in range(count):
            yield self._rng.choice(self._makers)()

    def _pick(self, *choices: Command) -> Command:
        return self._rng.choice(choices)

    def _ttl_ms(self) -> int:
        return self._offset_ms + self._step_ms * self._rng.randrange(12)

    @property
    def _k(self) -> str:
        return self._rng.choice(KEYS)

    @property
    def _m(self) -> str:
        return self._rng.choice(MEMBERS)

    @property
    def _value(self) -> str:
        rng = self._rng
        return rng.choice([str(rng.randrange(-50, 20_000)), "x" * rng.randrange(80), "3.5"])

    @property
    def _score(self) -> float | int:
        rng = self._rng
        return rng.choice([rng.randrange(20), rng.randrange(10**12), round(rng.random(), 3)])

    def _string(self) -> Command:
        k, v, ms = self._k, self._value, self._ttl_ms()
        return self._pick(
            ("SET", k, v),
            ("SET", k, v, "PX", ms),
            ("SET", k, v, "NX"),
            ("SET", k, v, "XX"),
            ("SET", k, v, "KEEPTTL"),
            ("SET", k, v, "NX", "PX", ms),
            ("SET", k, v, "GET"),
            ("PSETEX", k, ms, v),
            ("SETNX", k, v),
            ("GET", k),
            ("GETSET", k, v),
            ("GETDEL", k),
            ("INCR", k),
            ("INCRBY", k, 17),
            ("DECR", k),
            ("APPEND", k, v),
            ("STRLEN", k),
            ("GETRANGE", k, 1, 5),
            ("MSET", k, v, self._k, v),
            ("MGET", k, self._k),
        )

    def _key(self) -> Command:
        k = self._k
        return self._pick(
            ("DEL", k),
            ("UNLINK", k, self._k),
            ("EXISTS", k, self._k),
            ("TYPE", k),
            ("TTL", k),
            ("PTTL", k),
            ("RENAME", k, self._k),
            ("RENAMENX", k, self._k),
            ("COPY", k, self._k),
            ("ECHO", k),
        )

    def _expiry(self) -> Command:
        k, ms = self._k, self._ttl_ms()
        return self._pick(
            ("PEXPIRE", k, ms),
            ("PEXPIRE", k, ms, "NX"),
            ("PEXPIRE", k, ms, "XX"),
            ("EXPIRE", k, 1000),
            ("EXPIRE", k, -1),
            ("PERSIST", k),
            ("PEXPIREAT", k, 1),
        )

    def _sorted_set(self) -> Command:
        k, m, score = self._k, self._m, self._score
        return self._pick(
            ("ZADD", k, score, m),
            ("ZADD", k, score, m, self._score, self._m),
            ("ZADD", k, "NX", score, m),
            ("ZADD", k, "XX", "CH", score, m),
            ("ZADD", k, "GT", "CH", score, m),
            ("ZADD", k, "LT", score, m),
            ("ZADD", k, "INCR", score, m),
            ("ZADD", k, "NX", "GT", score, m),
            ("ZADD", k, "nonsense", m),
            ("ZINCRBY", k, score, m),
            ("ZSCORE", k, m),
            ("ZMSCORE", k, m, self._m),
            ("ZRANK", k, m),
            ("ZREVRANK", k, m),
            ("ZCARD", k),
            ("ZREM", k, m, self._m),
            ("ZPOPMIN", k),
            ("ZPOPMIN", k, 2),
            ("ZPOPMAX", k),
            ("ZPOPMAX", k, 3),
        )

    def _sorted_set_range(self) -> Command:
        k, low = self._k, self._rng.randrange(-3, 8)
        return self._pick(
            ("ZRANGE", k, low, -1),
            ("ZRANGE", k, 0, 3, "WITHSCORES"),
            ("ZREVRANGE", k, 0, low, "WITHSCORES"),
            ("ZRANGEBYSCORE", k, low, "+inf", "LIMIT", 1, 3),
            ("ZRANGEBYSCORE", k, f"({low}", 10**9, "WITHSCORES"),
            ("ZCOUNT", k, "-inf", self._score),
            ("ZREMRANGEBYRANK", k, low, low + 2),
            ("ZREMRANGEBYRANK", k, 0, 10**13),
            ("ZREMRANGEBYSCORE", k, 0, low),
            ("ZUNIONSTORE", k, 2, self._k, self._k),
            ("ZINTERSTORE", k, 2, self._k, self._k),
            ("ZRANGE", k, "notanumber", 1),
        )

    def _hash(self) -> Command:
        k, m, v = self._k, self._m, self._value
        return self._pick(
            ("HSET", k, m, v),
            ("HSET", k, m, v, self._m, v),
            ("HSETNX", k, m, v),
            ("HGET", k, m),
            ("HMGET", k, m, self._m),
            ("HDEL", k, m, self._m),
            ("HLEN", k),
            ("HEXISTS", k, m),
            ("HINCRBY", k, m, 3),
            ("HGETALL", k),
        )

    def _set(self) -> Command:
        k, m = self._k, self._m
        return self._pick(
            ("SADD", k, m, self._m),
            ("SREM", k, m),
            ("SISMEMBER", k, m),
            ("SMEMBERS", k),
            ("SCARD", k),
            ("SUNIONSTORE", k, self._k, self._k),
            ("SINTER", k, self._k),
            ("SDIFF", k, self._k),
        )

    def _list(self) -> Command:
        k, m = self._k, self._m
        return self._pick(
            ("LPUSH", k, m, self._m),
            ("RPUSH", k, m),
            ("LPOP", k),
            ("RPOP", k, 2),
            ("LLEN", k),
            ("LRANGE", k, 0, 3),
            ("LREM", k, 1, m),
            ("LTRIM", k, 0, 5),
        )
