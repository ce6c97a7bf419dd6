"""Two clients of redis-py, at random: pools, pipelines, WATCH, locks, scripts and expiry.

`answers` is called by a test for the real server, and by an application for the simulated one.
"""

from __future__ import annotations

import random
import time

import redis

KEYS = ("a", "b", "c", "h", "z", "s", "l")
SCRIPTS = (
    "local n = redis.call('incr', KEYS[1]) if n > tonumber(ARGV[1]) then "  # noqa: ISC004 - one text
    "redis.call('set', KEYS[1], 0) return {n, 'reset'} end return n",
    "return {1, 2.9, 'x', false, {redis.call('exists', KEYS[1])}, redis.status_reply('FINE')}",
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0",
    "return redis.call('lpush', KEYS[1], ARGV[1], ARGV[1])",
    "local ok = redis.pcall('incr', KEYS[1]) "  # noqa: ISC004 - one text
    "if type(ok) == 'table' then return 'no number' end "
    "return ok",
    "return redis.error_reply('OWN made up')",
)


def answers(seed, count, connect):
    """What `count` operations of two clients of their own pools have answered."""
    session = _Session(random.Random(seed), connect(), connect())
    session.clients[0].flushall()
    found = [session.step() for _ in range(count)]
    for client in session.clients:
        client.connection_pool.disconnect()
    return found


class _Session:
    def __init__(self, rng, first, second):
        self.rng = rng
        self.clients = (first, second)
        self.locks = [client.lock("lock", timeout=30, blocking=False) for client in self.clients]
        self.scripts = [
            [client.register_script(text) for text in SCRIPTS] for client in self.clients
        ]

    def step(self):
        """(what, its answer): one operation."""
        at = self.rng.randrange(2)
        pick = self.rng.random()
        if pick < 0.5:
            name, arguments = self.command()
            return name, arguments, told(lambda: call(self.clients[at], name, arguments))
        kinds = (self.pipeline, self.watched, self.locked, self.scripted, self.expiring)
        weights = (0.35, 0.25, 0.15, 0.2, 0.05)
        kind = self.rng.choices(kinds, weights)[0]
        return kind.__name__, kind(at)

    def command(self):
        rng = self.rng
        key, number = rng.choice(KEYS), rng.randint(-3, 9)
        text = rng.choice(("x", "yy", "7", "3.5", ""))
        return rng.choice(
            (
                ("set", (key, text)),
                ("set", (rng.choice("abc"), number)),
                ("set", (key, text, {"nx": True})),
                ("set", (key, text, {"xx": True})),
                ("set", (rng.choice("abc"), number, {"get": True})),
                ("set", (rng.choice("abc"), number, {"keepttl": True})),
                ("get", (key,)),
                ("getdel", (rng.choice("abc"),)),
                ("getset", (rng.choice("abc"), text)),
                ("incrby", (rng.choice("abch"), number)),
                ("incrbyfloat", (rng.choice("abc"), 0.25)),
                ("append", (rng.choice("abc"), text)),
                ("strlen", (key,)),
                ("mget", (["a", "b", key],)),
                ("mset", ({"a": text, "b": number},)),
                ("delete", (key, "b")),
                ("exists", (key, "a", "a")),
                ("type", (key,)),
                ("persist", (key,)),
                ("expire", (rng.choice("abc"), 100, {"nx": True})),
                ("rename", (rng.choice("ab"), "c")),
                ("hset", ("h", None, None, {"mapping": {"f": text, "g": number}})),
                ("hincrby", ("h", rng.choice("gn"), number)),
                ("hgetall", ("h",)),
                ("hmget", ("h", ["f", "x"])),
                ("hdel", ("h", rng.choice("fg"))),
                ("zadd", ("z", {text: number, "m": 1})),
                ("zadd", ("z", {"m": number}, {"gt": True, "ch": True})),
                ("zincrby", ("z", 1.5, rng.choice("mn"))),
                ("zrange", ("z", 0, -1, {"withscores": True})),
                ("zrangebyscore", ("z", "-inf", number, {"start": 0, "num": 2})),
                ("zrank", ("z", rng.choice("mnx"))),
                ("zpopmin", ("z",)),
                ("zremrangebyscore", ("z", number, number + 1)),
                ("zcard", (key,)),
                ("sadd", ("s", text, number)),
                ("srem", ("s", text)),
                ("sismember", ("s", number)),
                ("smembers", ("s",)),
                ("scard", (key,)),
                ("rpush", ("l", text, number)),
                ("lpop", ("l",)),
                ("lrange", ("l", 0, -1)),
                ("ltrim", ("l", 0, 3)),
                ("llen", (key,)),
                ("dbsize", ()),
            )
        )

    def pipeline(self, at):
        with self.clients[at].pipeline(transaction=self.rng.random() < 0.5) as pipe:
            for _ in range(self.rng.randint(1, 5)):
                call(pipe, *self.command())
            return told(lambda: pipe.execute(raise_on_error=False))

    def watched(self, at):
        """WATCH, perhaps with a change by the other client, then MULTI and EXEC."""
        with self.clients[at].pipeline() as pipe:
            pipe.watch("a")
            seen = told(lambda: pipe.get("a"))
            other = None
            if self.rng.random() < 0.6:
                name, arguments = self.command()
                who = self.clients[1 - at] if self.rng.random() < 0.8 else self.clients[at]
                other = name, told(lambda: call(who, name, arguments))
            pipe.multi()
            pipe.incr("b")
            call(pipe, *self.command())
            return seen, other, told(lambda: pipe.execute(raise_on_error=False))

    def locked(self, at):
        lock = self.locks[at]
        action = self.rng.choice(("acquire", "acquire", "release", "owned", "extend", "locked"))
        arguments = (1,) if action == "extend" else ()
        return action, told(lambda: getattr(lock, action)(*arguments))

    def scripted(self, at):
        script = self.rng.choice(self.scripts[at])
        argument = self.rng.choice((2, "x", "7"))
        key = self.rng.choice(KEYS)
        if self.rng.random() < 0.1:
            self.clients[at].script_flush()
        return key, told(lambda: script(keys=[key], args=[argument]))

    def expiring(self, at):
        client = self.clients[at]
        client.set("a", "short", px=60)
        before = client.get("a")
        time.sleep(0.12)
        client.delete("lock")
        return before, client.get("a"), client.ttl("a")


def call(client, name, arguments):
    """Call a method; a dictionary at the end, beside others, holds its keywords."""
    options = {}
    least = 2 if name == "zadd" else 1
    if len(arguments) > least and isinstance(arguments[-1], dict):
        *arguments, options = arguments
    return getattr(client, name)(*arguments, **options)


def told(ask):
    """The answer, or the error's class and code."""
    try:
        return plain(ask())
    except (redis.RedisError, ValueError) as error:
        return plain(error)


def plain(value):
    if isinstance(value, Exception):
        # A script that fails in Lua itself is told in the words of the Lua that runs it.
        word = str(value).partition(" ")[0]
        return type(value).__name__, word if word.isupper() else ""
    if isinstance(value, set):
        return sorted(map(repr, value))
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return sorted((repr(key), repr(part)) for key, part in value.items())
    return repr(value)
