"""A redis-py client whose commands run in a simulated server, without sockets or wall time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import redis
from redis.client import NEVER_DECODE, Pipeline

from sim.redis.commands.connection import ServerConnection
from sim.redis.commands.plans import Plan, has_subcommands

if TYPE_CHECKING:
    from sim.redis.engine import RedisEngine

BeforeCommand = Callable[[str, int], None]
"""Called with the command's lower-case name and its server time in ns, before it runs."""


class _NoPool(redis.ConnectionPool):
    """Stands in for redis-py's connection pool; a simulated Redis has no connections."""

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """Refuse calls that bypass `execute_command`."""
        raise NotImplementedError("a simulated Redis has no network connections")


class DirectRedis(redis.Redis):
    """A `redis.Redis` over one connection, opened on first use and shared by all callers.

    Answers and exceptions are redis-py's own. Each pipeline uses a separate connection, which is
    kept for later pipelines. A pipeline runs as one atomic MULTI ... EXEC unless
    `transaction=False`. Commands that subscribe or would block raise UnsupportedCommandError.
    """

    def __init__(
        self,
        server: RedisEngine,
        before_command: BeforeCommand | None,
        *,
        decode_responses: bool = False,
    ) -> None:
        super().__init__(connection_pool=_NoPool(decode_responses=decode_responses))
        self._callbacks: Any = self.response_callbacks
        self._server = server
        self._before_command = before_command
        self._link = ClientConnection(server, before_command, self.get_encoder())
        self._idle: list[ClientConnection] = []

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run one command; the exceptions are redis-py's."""
        reply = self._link.run(args, never_decode=NEVER_DECODE in options)
        if options:
            options.pop(NEVER_DECODE, None)
            options.pop("keys", None)
        callback = self._callbacks.get(args[0])
        return reply if callback is None else callback(reply, **options)

    def pipeline(
        self,
        transaction: bool = True,
        shard_hint: Any = None,  # noqa: ARG002  (redis-py's signature)
    ) -> DirectPipeline:
        """A pipeline on a separate connection."""
        return DirectPipeline(self, transaction)

    def borrow_link(self) -> ClientConnection:
        """A connection for one pipeline: an idle connection, or a new connection."""
        if self._idle:
            return self._idle.pop()
        return ClientConnection(self._server, self._before_command, self.get_encoder())

    def return_link(self, link: ClientConnection) -> None:
        """Keep a pipeline's connection for the next pipeline."""
        self._idle.append(link)

    def close(self) -> None:
        """Close the connections; the next command opens a connection again."""
        if hasattr(self, "_idle"):
            for link in [self._link, *self._idle]:
                link.close()


class DirectPipeline(Pipeline):
    """redis-py's pipeline over a separate connection, borrowed from first use until `reset`.

    With `transaction` its commands run as one atomic MULTI ... EXEC, in one turn.
    """

    def __init__(self, client: DirectRedis, transaction: bool) -> None:
        nowhere: Any = None
        super().__init__(nowhere, client.response_callbacks, transaction, None)
        self._callbacks: Any = client.response_callbacks
        self._is_transaction = transaction
        self._client = client
        self._borrowed: ClientConnection | None = None

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """WATCH, and reads between WATCH and MULTI."""
        name = args[0]
        if self.watching and self._link.is_cut:
            self.reset()
            raise redis.WatchError("A ConnectionError occurred while watching one or more keys")
        reply = self._finished(self._link.run(args), name, options)
        if name in self.UNWATCH_COMMANDS:
            self.watching = False
        elif name == "WATCH":
            self.watching = True
        return reply

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run the queued commands: as one atomic transaction, or one command after the other.

        Raises:
            redis.exceptions.WatchError: if a watched key changed; nothing was run.
        """
        stack = self.command_stack
        if not stack and not self.watching:
            return []
        try:
            if self._is_transaction or self.explicit_transaction:
                replies = self._run_transaction([args for args, _ in stack])
            else:
                link = self._link
                replies = [link.run_or_error(args) for args, _ in stack]
            if raise_on_error:
                untyped: Any = self
                untyped.raise_first_error(stack, replies)
            return [
                reply if isinstance(reply, Exception) else self._finished(reply, args[0], options)
                for reply, (args, options) in zip(replies, stack, strict=True)
            ]
        finally:
            self.reset()

    def _run_transaction(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """The replies; raises redis-py's error if a command was refused while queueing."""
        if self.watching and self._link.is_cut:
            raise redis.WatchError("A ConnectionError occurred while watching one or more keys")
        refused, replies = self._link.run_transaction(commands)
        if refused:
            number, error = refused[0]
            untyped: Any = self
            untyped.annotate_exception(error, number + 1, commands[number])
            raise error
        if replies is None:
            raise redis.WatchError("Watched variable changed.")
        return replies

    def _finished(self, reply: Any, name: str, options: dict[str, Any]) -> Any:
        options.pop("keys", None)
        callback = self._callbacks.get(name)
        return reply if callback is None else callback(reply, **options)

    def reset(self) -> None:  # type: ignore[override]  # as redis-py's own Pipeline
        """Drop queued commands and watched keys; the pipeline can be used again."""
        self.command_stack = []
        self.scripts = set()
        if self._borrowed is not None:
            if self.watching:
                self._borrowed.forget_watches()
            self._client.return_link(self._borrowed)
            self._borrowed = None
        self.watching = self.explicit_transaction = False

    @property
    def _link(self) -> ClientConnection:
        if self._borrowed is None:
            self._borrowed = self._client.borrow_link()
        return self._borrowed


class ClientConnection:
    """A connection to the server for redis-py's pipeline: sends commands, reads replies."""

    def __init__(
        self, server: RedisEngine, before_command: BeforeCommand | None, encoder: Any
    ) -> None:
        self._server = server
        self._before_command = before_command
        self._encoder = encoder
        self._connection: ServerConnection | None = None
        self._plans: dict[str, Plan] = {}

    def run(self, args: tuple[Any, ...], *, never_decode: bool = False) -> Any:
        """Run one command and return its reply, decoded if the client decodes."""
        plan, fields = self._resolve(args)
        if self._before_command is not None:
            self._before_command(plan.name, self._server.cost_ns(plan, fields))
        connection = self._connection
        if connection is None or connection.is_closed:
            connection = self._open()
        reply = connection.call(plan, fields)
        for told in self._server.after_command:
            told(plan.name, fields)
        if self._encoder.decode_responses and not never_decode:
            return self._decoded(reply)
        return reply

    def run_or_error(self, args: tuple[Any, ...]) -> Any:
        """As `run`, but an error of the server is returned."""
        try:
            return self.run(args)
        except redis.ResponseError as error:
            return error

    def run_transaction(
        self, commands: list[tuple[Any, ...]]
    ) -> tuple[list[tuple[int, Exception]], list[Any] | None]:
        """Run MULTI, the commands and EXEC in one turn.

        Returns:
            the commands that were refused while queueing, as (index, error): nothing was run then;
            and the replies, errors among them, or None if a watched key changed.
        """
        texts: dict[str, bytes] = {}
        batch = [self._resolve(args, texts) for args in commands]
        if self._before_command is not None:
            cost_ns = self._server.transaction_cost_ns(batch)
            self._before_command("exec", cost_ns)
        refused, replies = self._open().call_transaction(batch)
        for told in self._server.after_command:
            told("exec", batch)
        return refused, self._decoded(replies)

    @property
    def is_cut(self) -> bool:
        """Whether the server has closed the current connection."""
        return self._connection is not None and self._connection.is_closed

    def forget_watches(self) -> None:
        """Send UNWATCH without a turn of its own (it is sent with the next command)."""
        if self._connection is not None:
            self._connection.forget_watches()

    def close(self) -> None:
        """Close the connection; the next command opens a new connection."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _open(self) -> ServerConnection:
        connection = self._connection
        if connection is None or connection.is_closed:
            connection = self._connection = ServerConnection(self._server)
        return connection

    def _encoded(self, args: tuple[Any, ...], texts: dict[str, bytes] | None) -> list[bytes]:
        """Arguments as they are sent; equal ones of `texts` are one object, which sets keep."""
        fields: list[bytes] = []
        for arg in args:
            if arg.__class__ is str:
                field = arg.encode()
                fields.append(field if texts is None else texts.setdefault(arg, field))
            else:
                fields.append(arg if arg.__class__ is bytes else bytes(self._encoder.encode(arg)))
        return fields

    def _resolve(
        self, args: tuple[Any, ...], texts: dict[str, bytes] | None = None
    ) -> tuple[Plan, list[bytes]]:
        """The plan for a command and its arguments; `args` holds its name first."""
        token: str = args[0]
        plan = self._plans.get(token)
        if plan is not None:
            return plan, self._encoded(args[1:], texts)
        name = token.lower()
        rest = self._encoded(args, texts)[1:]
        if has_subcommands(name) and rest:
            name, rest = f"{name} {rest[0].decode().lower()}", rest[1:]
        plan = self._server.plans.get(name)
        if plan is None:
            raise self._open().unknown_command(token, rest)
        if name == token.lower():
            self._plans[token] = plan
        return plan, rest

    def _decoded(self, reply: Any) -> Any:
        if not self._encoder.decode_responses:
            return reply
        if isinstance(reply, bytes):
            return self._encoder.decode(reply)
        if isinstance(reply, list):
            return [self._decoded(part) for part in reply]
        if isinstance(reply, dict):
            return {self._decoded(key): self._decoded(part) for key, part in reply.items()}
        return reply
