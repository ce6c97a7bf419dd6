"""One client's connection inside the server: fakeredis's commands, run without its wire protocol.

The steps of a command have the order of the real server (processCommand): arity, memory limit,
queueing inside MULTI, execution. fakeredis's own code executes the command. This module replaces
the way that code is called, and the commands whose fakeredis version is slow, wrong or missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import redis
from fakeredis import _msgs as msgs
from fakeredis._command_args_parsing import Float, Int
from fakeredis._commands import Signature
from fakeredis._core import CommandItem
from fakeredis._helpers import OK, QUEUED, SimpleError, SimpleString, casematch_any
from fakeredis._socket import FakeSocket
from fakeredis.model import ZSet

from sim.redis.commands.introspection import IntrospectionCommands
from sim.redis.commands.plans import Plan, Shape
from sim.redis.errors import UnsupportedCommandError, WouldBlockError
from sim.redis.keys.keyspace import Keyspace
from sim.redis.keys.values import independent
from sim.redis.memory.sorted_set import MeteredZSet

if TYPE_CHECKING:
    from sim.redis.engine import RedisEngine

OUT_OF_MEMORY: Final = "OOM command not allowed when used memory > 'maxmemory'."
_RESP3: Final = 3
_ARGUMENTS_BEFORE_TYPE: Final = frozenset({"zadd", "zrange", "zrevrange"})
_NUMBER_STARTS: Final = frozenset({b"%d" % digit for digit in range(10)} | {b"-", b"."})
_OLD_EXPIRE_COMPLAINT: Final = msgs.INVALID_EXPIRE_MSG.format("")
_ALLOWED_WHEN_FULL: Final = frozenset({"exec", "discard", "reset"})


class _AnsweredEarly(Exception):  # noqa: N818  (not an error)
    """A key is missing, which settles the reply."""

    def __init__(self, reply: Any) -> None:
        super().__init__()
        self.reply = reply


class ServerConnection(IntrospectionCommands, FakeSocket):
    """A connection; `call` runs one command and returns its reply as redis-py would read it.

    Making one raises redis.exceptions.ConnectionError if the server is down.
    """

    _db: Keyspace

    def __init__(self, server: RedisEngine) -> None:
        server.accept()
        with server.substitution.active():
            super().__init__(server, 0, client_class=redis.Redis, client_info={"resp": _RESP3})
        self.server: RedisEngine = server
        self.opened_s = server.now_s
        self.active_s = server.now_s
        server.client_memory.opened(self)
        self._empty_zset = MeteredZSet(server.state.layout)

    def call(self, plan: Plan, args: list[bytes]) -> Any:
        """Run one command now.

        Returns:
            bytes, int, float, None, or lists and dicts of them (RESP3).

        Raises:
            redis.exceptions.ResponseError: if the server answers with an error.
            UnsupportedCommandError: if the command would wait, or is not simulated.
        """
        server = self.server
        server.begin_command(self, plan.name)
        try:
            shape = plan.shape(args, server.version)
            if server.limit_bytes and server.is_over_limit():
                self._refuse_if_full(plan)
            if self._transaction is not None and not plan.is_transaction:
                self._transaction.append((plan, shape, args))
                return QUEUED.value
            result = self._execute(plan, shape, args)
        except SimpleError as error:
            self._note_failure(plan, error)
            raise self._decode_error(error) from None
        if result.__class__ is SimpleError:
            raise self._decode_error(result)
        return result

    def call_transaction(
        self, batch: list[tuple[Plan, list[bytes]]]
    ) -> tuple[list[tuple[int, Exception]], list[Any] | None]:
        """MULTI, the commands of `batch` and EXEC, at one moment.

        Returns:
            the commands refused while queueing, as (index, error), and the replies, errors among
            them: None if a watched key changed, empty if any command was refused.
        """
        plans = self.server.plans
        self.call(plans["multi"], [])
        refused: list[tuple[int, Exception]] = []
        for index, (plan, args) in enumerate(batch):
            try:
                self.call(plan, args)
            except redis.ResponseError as error:
                refused.append((index, error))
        try:
            replies: list[Any] | None = self.call(plans["exec"], [])
        except redis.exceptions.ExecAbortError:
            if not refused:
                raise
            replies = []
        return refused, replies

    def forget_watches(self) -> None:
        """UNWATCH."""
        if not self._killed:
            self._clear_watches()

    def unknown_command(self, name: str, args: list[bytes]) -> redis.ResponseError:
        """The answer to an unknown command; makes a transaction that is being queued fail."""
        self._transaction_failed = self._transaction is not None
        shown = "".join(f"'{arg.decode(errors='replace')}' " for arg in args)
        return redis.ResponseError(f"unknown command '{name}', with args beginning with: {shown}")

    @property
    def is_closed(self) -> bool:
        """Whether the client or the server has closed the connection."""
        return self._killed

    def kill(self) -> None:
        """Cut the connection from the server's side."""
        if not self._killed:
            super().kill()
            self.server.connected_clients -= 1
            self.server.client_memory.closed(self)

    def disconnect(self) -> None:
        """Close the connection from the client's side and drop its watched keys."""
        self.kill()

    def _decode_error(self, error: SimpleError) -> Any:
        """The exception of redis-py; the text for a bad expiry is that of the newer Redis."""
        known, _, command = error.value.partition(_OLD_EXPIRE_COMPLAINT)
        if not known and command.isalpha():
            error = SimpleError(f"{_OLD_EXPIRE_COMPLAINT}'{command}' command")
        return super()._decode_error(error)

    def _execute(self, plan: Plan, shape: Shape, args: list[bytes]) -> Any:
        if not plan.supported:
            raise UnsupportedCommandError(f"{plan.name.upper()} is not simulated")
        if plan.needs_substitution:
            with self.server.substitution.active():
                return self._run(plan, shape, args)
        return self._run(plan, shape, args)

    def _run(self, plan: Plan, shape: Shape, args: list[bytes]) -> Any:
        """Run fakeredis's code on the decoded arguments and write the keys back."""
        items: list[CommandItem] = []
        state = self.server.state
        state.touching = plan.is_use and self.server.persistence.running is None
        try:
            argv = self._bound(plan, shape, args, items)
            result = getattr(self, plan.method)(*argv)
        except _AnsweredEarly as answer:
            return answer.reply
        except SimpleError as error:
            result = error
        kind = result.__class__
        for item in items:
            if item._modified:  # noqa: SLF001
                item.writeback(remove_empty_val=not plan.keeps_empty)
                state.changes += result if plan.counts_changes and kind is int else 1
        if kind is SimpleString or kind is list:
            return self._decode_result(result)
        return result

    def _bound(
        self, plan: Plan, shape: Shape, args: list[bytes], items: list[CommandItem]
    ) -> list[Any]:
        """The arguments as fakeredis's code expects them; keys are also added to `items`."""
        db = self._db
        for index, answer in shape.early:
            if db.lookup(args[index]) is None:
                raise _AnsweredEarly(answer)
        argv: list[Any] = args.copy()
        for index, decode in shape.decode:
            argv[index] = decode(argv[index])
        for index, key in shape.keys:
            name = argv[index]
            entry: Any = db.lookup(name)
            default = None
            if entry is None:
                default = self._missing(key.type_, plan)
            elif key.type_ is not None and not isinstance(entry.value, key.type_):
                self._refuse_type(plan, argv)
            self._count_lookup(plan, found=entry is not None)
            item = argv[index] = CommandItem(name, db, entry, default)
            items.append(item)
        return argv

    def _refuse_type(self, plan: Plan, argv: list[Any]) -> NoReturn:
        """Report a key of the wrong type, or the error that Redis would report before that."""
        if plan.name in _ARGUMENTS_BEFORE_TYPE:
            nothing = CommandItem(argv[0], self._db, default=MeteredZSet(self.server.state.layout))
            getattr(self, plan.method)(nothing, *argv[1:])
        raise SimpleError(msgs.WRONGTYPE_MSG)

    def _count_lookup(self, plan: Plan, *, found: bool) -> None:
        if plan.is_read:
            state = self.server.state
            state.keyspace_hits += found
            state.keyspace_misses += not found

    def _missing(self, kind: type[Any] | None, plan: Plan) -> Any:
        """The value that a command gets for a key that does not exist."""
        if kind is None or kind is bytes or not plan.creates:
            return None
        if kind is ZSet:
            return MeteredZSet(self.server.state.layout) if plan.is_write else self._empty_zset
        return kind()

    def _refuse_if_full(self, plan: Plan) -> None:
        """Evict keys; if memory is still full, refuse commands that use more memory."""
        if self.server.free_memory():
            return
        queueing = self._transaction is not None
        denied = plan.denied_at_limit or (queueing and plan.name not in _ALLOWED_WHEN_FULL)
        if plan.name == "exec" and self._transaction:
            denied = any(queued.denied_at_limit for queued, _, _ in self._transaction)
        if denied:
            self.server.refused_commands += 1
            if self.server.on_refuse is not None:
                self.server.on_refuse(plan.name)
            raise SimpleError(OUT_OF_MEMORY)

    def _note_failure(self, plan: Plan, error: SimpleError) -> None:
        """An error before execution makes a transaction that is being queued fail."""
        if self._transaction is None:
            return
        if plan.name == "exec":
            error.value = f"EXECABORT Transaction discarded because of: {error.value}"
            self._forget_transaction()
            self._clear_watches()
        else:
            self._transaction_failed = True

    def _run_command(self, _func: Any, sig: Signature, args: list[Any], from_script: bool) -> Any:
        """One `redis.call` of a Lua script, for fakeredis's own EVAL; an error is returned."""
        plan = self.server.plans.get(sig.name)
        if plan is None or not plan.supported:
            return SimpleError(f"ERR {sig.name} is not simulated in scripts")
        if from_script and msgs.FLAG_NO_SCRIPT in sig.flags:
            return SimpleError(msgs.COMMAND_IN_SCRIPT_MSG)
        try:
            return self._execute(plan, plan.shape(args, self.server.version), args)
        except SimpleError as error:
            return error

    # Commands replaced

    def exec_(self) -> Any:
        """EXEC: every queued command at once; None if a watched key changed."""
        if self._transaction is None:
            raise SimpleError(msgs.WITHOUT_MULTI_MSG.format("EXEC"))
        queued, failed, changed = self._transaction, self._transaction_failed, self._watch_changed()
        self._forget_transaction()
        self._clear_watches()
        if failed:
            raise SimpleError(msgs.EXECABORT_MSG)
        if changed:
            return None
        self._in_transaction = True
        try:
            return [self._queued_reply(plan, shape, args) for plan, shape, args in queued]
        finally:
            self._in_transaction = False

    def _queued_reply(self, plan: Plan, shape: Shape, args: list[bytes]) -> Any:
        try:
            result = self._execute(plan, shape, args)
        except SimpleError as error:
            result = error
        return self._decode_result(result)

    def _watch_changed(self) -> bool:
        """A watched key was written, or has expired since it was watched."""
        if self._watch_notified:
            return True
        return any(
            entry is not None and entry.expireat is not None and entry.expireat < db.time
            for key, db in self._watches
            for entry in (db.peek(key),)
        )

    def _zpop(self, key: CommandItem, count: int, reverse: bool, flatten_list: bool) -> list[Any]:
        """ZPOPMIN and related commands, in time proportional to `count` and not to the set."""
        if count < 0:
            raise SimpleError(msgs.INDEX_NEGATIVE_ERROR_MSG)
        zset = key.value
        if not zset:
            return []
        popped: list[Any] = []
        for member in zset.first(count, last=reverse):
            pair = [member, zset.get(member)]
            popped += pair if flatten_list else [pair]
            zset.discard(member)
        if popped:
            key.updated()
        return popped

    def zadd(self, key: CommandItem, *args: bytes) -> Any:
        """ZADD; without options (a first argument that is a number) their parsing is skipped."""
        if args[0][:1] not in _NUMBER_STARTS or len(args) % 2:
            return super().zadd(key, *args)
        pairs = [(args[at + 1], 0.0 + Float.decode(args[at])) for at in range(0, len(args), 2)]
        zset = key.value
        n_before = len(zset)
        for member, score in pairs:
            if zset.add(member, score):
                key.updated()
        return len(zset) - n_before

    def zremrangebyrank(self, key: CommandItem, start: int, stop: int) -> int:
        """ZREMRANGEBYRANK; a range that covers the whole set empties it in one step."""
        zset = key.value
        n_members = len(zset)
        if n_members and start in (0, -n_members) and (stop >= n_members - 1 or stop == -1):
            zset.clear()
            key.updated()
            return n_members
        return int(super().zremrangebyrank(key, start, stop))

    def _zrange_args(self, key: CommandItem, start: bytes, stop: bytes, *args: bytes) -> list[Any]:
        """ZRANGE by rank complains about ranks, not about scores."""
        if not any(casematch_any(arg, b"byscore", b"bylex") for arg in args):
            Int.decode(start)
            Int.decode(stop)
        found: list[Any] = super()._zrange_args(key, start, stop, *args)
        return found

    def setex(self, key: CommandItem, seconds: int, value: bytes) -> SimpleString:
        """SETEX, to the millisecond (fakeredis cuts the expiry to whole seconds)."""
        return self._set_expiring(key, 1000 * seconds, value, "setex")

    def psetex(self, key: CommandItem, ms: int, value: bytes) -> SimpleString:
        """PSETEX, to the millisecond (fakeredis cuts the expiry to whole seconds)."""
        return self._set_expiring(key, ms, value, "psetex")

    def _set_expiring(self, key: CommandItem, ms: int, value: bytes, name: str) -> SimpleString:
        if ms <= 0 or self._db.time * 1000 + ms >= 2**63:
            raise SimpleError(msgs.INVALID_EXPIRE_MSG.format(name))
        key.value = value
        key.expireat = self._db.time + ms / 1000.0
        return OK

    def _ttl(self, key: CommandItem, scale: float) -> int:
        """TTL rounds half a second up, as Redis does."""
        if not key:
            return -2
        if key.expireat is None:
            return -1
        left_ms = round((key.expireat - self._db.time) * 1000)
        return left_ms if scale > 1 else (left_ms + 500) // 1000

    # Redis does not define the order of the reply to a set operation. A sorted reply does not
    # depend on the hash seed.

    def sdiff(self, *keys: CommandItem) -> list[bytes]:
        """SDIFF."""
        return sorted(super().sdiff(*keys))

    def sinter(self, *keys: CommandItem) -> list[bytes]:
        """SINTER."""
        return sorted(super().sinter(*keys))

    def sunion(self, *keys: CommandItem) -> list[bytes]:
        """SUNION."""
        return sorted(super().sunion(*keys))

    def copy(self, key: CommandItem, newkey: CommandItem, *args: bytes) -> int:
        """COPY; the copy is an independent value (in fakeredis both keys share one value)."""
        if key:
            key._value = independent(key.value)  # noqa: SLF001  (not a write to the source)
        return int(super().copy(key, newkey, *args))

    def bgsave(self, *args: bytes) -> SimpleString:  # noqa: ARG002  (SCHEDULE makes no difference)
        """BGSAVE: start a snapshot now."""
        if self.server.persistence.running is not None:
            raise SimpleError("ERR Background save already in progress")
        self.server.start_snapshot()
        return SimpleString(b"Background saving started")

    def save(self) -> SimpleString:
        """SAVE: write a snapshot before answering."""
        self.server.save_now()
        return OK

    def lastsave(self) -> int:
        """LASTSAVE: epoch seconds."""
        return int(self.server.persistence.last_save_s)

    def _blocking(self, timeout: float | None, func: Any, shape: Any = None) -> Any:
        """A blocking command answers if it can answer at once; its client's seam waits."""
        found = func(True)
        if found is None and not self._in_transaction:
            raise WouldBlockError(timeout)
        return found if shape is None else shape(found)
