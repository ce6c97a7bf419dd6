"""Notes what the service's threads do with Redis and the database, one event each."""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sim.database import StatementWork
    from sim.kernel.environment import Environment
    from sim.service.charges import Charges

Thing = tuple[str, ...]
"""What an event touches: ("key", name), ("table", name) or ("row", table, number)."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-0*(\d+)\b")
"""As `sim.service.initial_data` numbers the users."""
_MOST_LINES: Final = 2_000
"""Events kept: more than a request of every user of a small world takes."""
_MOST_VALUES: Final = 4
_LONGEST_VALUE: Final = 20
_READ_ONLY: Final = frozenset(
    {
        *("exists", "expiretime", "get", "getrange", "hexists", "hget", "hgetall", "hkeys", "hlen"),
        *("hmget", "hscan", "hvals", "lindex", "llen", "lpos", "lrange", "mget", "pttl", "scan"),
        *("scard", "sismember", "smembers", "smismember", "sscan", "strlen", "ttl", "type"),
        *("xlen", "xrange", "zcard", "zcount", "zmscore", "zrange", "zrangebyscore", "zrank"),
        *("zrevrange", "zrevrank", "zscan", "zscore"),
    }
)
_WITHOUT_KEYS: Final = frozenset(
    {"client", "config", "hello", "info", "ping", "script load", "select", "time"}
)
_KEYS_ONLY: Final = frozenset({"del", "exists", "mget", "sinter", "sunion", "touch", "unlink"})
_POPS: Final = frozenset({"blpop", "brpop", "bzpopmax", "bzpopmin"})
_SCRIPTS: Final = frozenset({"eval", "evalsha", "fcall"})


@dataclass(slots=True, eq=False)
class Event:
    """One step of one thread; `task` is the request or the job that the thread works on."""

    number: int
    time_s: float
    thread: str
    label: str
    task: Any
    text: str
    args: Any = ()
    """Of a Redis command; of "exec" the commands of the transaction."""
    table: str = ""
    kind: str = ""
    """Of a statement: "select", "insert", "update" or "delete"."""
    rows: Sequence[tuple[str, Any]] | None = None
    """The rows that a statement wrote; None where the database does not tell."""

    def line(self) -> str:
        """The event as people read it."""
        name = self.thread if self.label in self.thread else f"{self.thread} {self.label}"
        return f"{self.time_s:.4f} s  {name}: {self.told()}"

    def told(self) -> str:
        """What happened, without the time and the thread."""
        if self.text == "exec":
            commands = (f"{plan.name} {_shown(inner)}" for plan, inner in self.args)
            return f"redis multi {'; '.join(commands)}"
        return f"redis {self.text} {_shown(self.args)}" if self.args else self.text

    @property
    def is_pop(self) -> bool:
        """Whether it is a wait for something to do."""
        return self.text in _POPS

    def reads(self) -> Iterator[Thing]:
        """What it read, and did not write."""
        if self.kind == "select" or (self.kind and self.rows is not None and not self.rows):
            # Who found no row to write has looked for one all the same.
            yield ("table", self.table)
        for name, args in self._commands():
            if name in _READ_ONLY:
                yield from _keys(name, args)

    def writes(self) -> Iterator[Thing]:
        """What it wrote: rows where they are known, else the table; keys."""
        if self.kind and self.kind != "select":
            if self.rows is None:
                yield ("table", self.table)
            else:
                yield from (("row", table, str(number)) for table, number in self.rows)
        for name, args in self._commands():
            if name not in _READ_ONLY:
                yield from _keys(name, args)

    def _commands(self) -> Iterator[tuple[str, Sequence[bytes]]]:
        if self.text == "exec":
            yield from ((plan.name, inner) for plan, inner in self.args)
        elif self.args:
            yield self.text, self.args


def _keys(name: str, args: Sequence[bytes]) -> Iterator[Thing]:
    if name in _WITHOUT_KEYS:
        return
    keys = list(args[:1])
    if name in _SCRIPTS:
        count = args[1] if len(args) > 1 else b"0"
        keys = list(args[2 : 2 + int(count)] if count.isdigit() else ())
    elif name in _POPS:
        keys = list(args[:-1])
    elif name in _KEYS_ONLY:
        keys = list(args)
    yield from (("key", key.decode(errors="surrogateescape")) for key in keys)


def _shown(args: Sequence[bytes]) -> str:
    return _UUID.sub(r"user-\1", " ".join(arg.decode(errors="replace") for arg in args))


class Trace:
    """The last steps of the service's threads."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self.begins_s = 0.0
        self.events: deque[Event] = deque(maxlen=_MOST_LINES)
        self._count = 0
        self._names: dict[Any, str] = {}
        self._so_called: Counter[str] = Counter()
        self._rows: Sequence[tuple[str, Any]] | None = None
        self._values: Mapping[str, Any] = {}

    def add(self, text: str, args: Any = ()) -> Event:
        """Note what the current thread has done just now."""
        thread = self._env.current
        name, label, task = "-", "", None
        if thread is not None:
            task = thread.local
            name, label = self._name_of(thread), getattr(task, "label", "")
        self._count += 1
        event = Event(self._count, self._env.now - self.begins_s, name, label, task, text, args)
        self.events.append(event)
        return event

    def _name_of(self, thread: Any) -> str:
        """Its name, with a number where another thread has had the same one."""
        name = self._names.get(thread)
        if name is None:
            self._so_called[thread.name] += 1
            number = self._so_called[thread.name]
            name = self._names[thread] = f"{thread.name} ({number})" if number > 1 else thread.name
        return name

    def command(self, name: str, args: Any) -> None:
        """A Redis command has run; `args` are its own, or the commands of a transaction."""
        self.add(name, args)

    def statement_details(self, rows: Sequence[tuple[str, Any]], values: Mapping[str, Any]) -> None:
        """The rows that the next statement wrote, and the values that it was given."""
        self._rows, self._values = rows, values

    def statement(self, kind: str, table: str) -> None:
        """A statement has run."""
        numbers = [str(number) for name, number in self._rows or () if name == table]
        values = [str(value) for value in self._values.values()]
        parts = [f"{kind} {table}", *(["row", ", ".join(numbers)] if numbers else [])]
        if values:
            shown = ", ".join(value[:_LONGEST_VALUE] for value in values[:_MOST_VALUES])
            parts.append(f"({shown}{', ...' if len(values) > _MOST_VALUES else ''})")
        event = self.add(" ".join(parts))
        event.kind, event.table, event.rows = kind, table, self._rows
        self._rows, self._values = None, {}


class TracedCharge:
    """Notes each statement on its way to being charged."""

    def __init__(self, charges: Charges, trace: Trace) -> None:
        self._charges = charges
        self._trace = trace

    def begin(self, read_only: bool) -> None:
        """A transaction starts."""
        self._trace.add("begin")
        self._charges.begin(read_only)

    def statement(self, work: StatementWork) -> None:
        """A statement has run."""
        self._trace.statement(work.kind, work.table)
        self._charges.statement(work)

    def end(self, committed: bool, wrote: bool) -> None:
        """A transaction is about to commit, or has rolled back."""
        self._charges.end(committed, wrote)
        self._trace.add("commit" if committed else "rollback")
