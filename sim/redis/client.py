"""A redis-py client whose commands run in a simulated server, without sockets or wall time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import redis
from redis.client import NEVER_DECODE, Pipeline

from sim.redis.plans import Plan, has_subcommands

if TYPE_CHECKING:
    from sim.redis.connection import ServerConnection
    from sim.redis.server import RedisServer

BeforeCommand = Callable[[str, int], None]
"""Called with the command's lower-case name and its server time in ns, before it runs."""


class _NoPool(redis.ConnectionPool):
    """Stands where redis-py expects connections; there are none."""

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """Refuse what bypasses `execute_command`."""
        raise NotImplementedError("a simulated Redis has no network connections")


class DirectRedis(redis.Redis):
    """A `redis.Redis` over one connection, opened on first use and shared by all callers.

    Answers and exceptions are redis-py's own. Pipelines get a connection of their own; with
    `transaction=True` they run as one atomic MULTI ... EXEC. Publish/subscribe and commands that
    would block raise UnsupportedCommandError.
    """

    def __init__(
        self,
        server: RedisServer,
        before_command: BeforeCommand | None,
        *,
        decode_responses: bool = False,
    ) -> None:
        super().__init__(connection_pool=_NoPool(decode_responses=decode_responses))
        self._callbacks: Any = self.response_callbacks
        self._link = Link(server, before_command, self.get_encoder())

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
        """A pipeline on a connection of its own."""
        return DirectPipeline(self._link.another(), self.response_callbacks, transaction)

    def close(self) -> None:
        """Close the connection; it is opened again by the next command."""
        if hasattr(self, "_link"):
            self._link.close()


class DirectPipeline(Pipeline):
    """redis-py's pipeline over a connection of its own, opened on first use."""

    def __init__(self, link: Link, response_callbacks: Any, transaction: bool) -> None:
        nowhere: Any = None
        super().__init__(nowhere, response_callbacks, transaction, None)
        self._link = link
        self._is_transaction = transaction

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """WATCH, and reads between WATCH and MULTI."""
        self._link.send(args)
        return self._parsed(args[0], options)

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Run what was queued: as one atomic transaction, or one command after the other."""
        link: Any = self._link
        stack = self.command_stack
        if not stack and not self.watching:
            return []
        try:
            if self._is_transaction or self.explicit_transaction:
                return self._execute_transaction(link, stack, raise_on_error)
            return self._execute_one_by_one(stack, raise_on_error)
        finally:
            self.reset()

    def reset(self) -> None:  # type: ignore[override]  # as redis-py's own Pipeline
        """Forget what was queued and watched, and give the connection back."""
        self.command_stack = []
        self.scripts = set()
        self.watching = self.explicit_transaction = False
        if hasattr(self, "_link"):
            self._link.close()

    def _parsed(self, name: str, options: dict[str, Any]) -> Any:
        base: Any = super()
        return base.parse_response(self._link, name, **options)

    def _execute_one_by_one(self, stack: list[Any], raise_on_error: bool) -> list[Any]:
        """Each command takes its own turn, so that other clients' commands can come between."""
        replies: list[Any] = []
        for args, options in stack:
            self._link.send(args)
            try:
                replies.append(self._parsed(args[0], options))
            except redis.ResponseError as error:
                replies.append(error)
        if raise_on_error:
            base: Any = super()
            base.raise_first_error(stack, replies)
        return replies

    def _himport_prepare_pipeline(self, conn: Any, commands: Any) -> None:
        """HIMPORT is newer than this server."""


class Link:
    """A connection to the server as redis-py's pipeline uses one: send commands, read replies."""

    def __init__(
        self, server: RedisServer, before_command: BeforeCommand | None, encoder: Any
    ) -> None:
        self._server = server
        self._before_command = before_command
        self._encoder = encoder
        self._connection: ServerConnection | None = None
        self._replies: list[Any] = []
        self._plans: dict[str, Plan] = {}

    def another(self) -> Link:
        """A new connection to the same server."""
        return Link(self._server, self._before_command, self._encoder)

    def run(self, args: tuple[Any, ...], *, never_decode: bool = False) -> Any:
        """Run one command and return its reply, decoded if the client decodes."""
        plan = self._plans.get(args[0])
        if plan is None:
            plan, fields = self._resolve(args[0], self._encoded(args))
        else:
            fields = self._encoded(args[1:])
        if self._before_command is not None:
            self._before_command(plan.name, self._server.cost_ns(plan, fields))
        connection = self._connection
        if connection is None or connection.is_closed:
            connection = self._open()
        reply = connection.call(plan, fields)
        if self._encoder.decode_responses and not never_decode:
            return self._decoded(reply)
        return reply

    # What redis-py's Pipeline asks of a connection

    @staticmethod
    def pack_commands(commands: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Commands need no packing."""
        return list(commands)

    def send_packed_command(self, commands: list[tuple[Any, ...]]) -> None:
        """Run MULTI, the commands and EXEC in one turn; their replies can then be read."""
        batch = [self._resolve(args[0], self._encoded(args)) for args in commands]
        if self._before_command is not None:
            cost_ns = sum(self._server.cost_ns(plan, fields) for plan, fields in batch)
            self._before_command("exec", cost_ns)
        connection = self._open()
        self._replies += [connection.reply_or_error(plan, fields) for plan, fields in batch]

    def send(self, args: tuple[Any, ...]) -> None:
        """Run one command in a turn of its own; its reply can then be read."""
        try:
            self._replies.append(self.run(args, never_decode=True))
        except redis.ResponseError as error:
            self._replies.append(error)

    def read_response(self, disable_decoding: bool = False) -> Any:
        """The oldest reply not read yet; an error is raised."""
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply if disable_decoding else self._decoded(reply)

    def close(self) -> None:
        """Close the connection; the next command opens another."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _open(self) -> ServerConnection:
        connection = self._connection
        if connection is None or connection.is_closed:
            connection = self._connection = self._server.connect()
        return connection

    def _encoded(self, args: tuple[Any, ...]) -> list[bytes]:
        fields: list[bytes] = []
        for arg in args:
            if arg.__class__ is str:
                fields.append(arg.encode())
            else:
                fields.append(arg if arg.__class__ is bytes else bytes(self._encoder.encode(arg)))
        return fields

    def _resolve(self, token: str, fields: list[bytes]) -> tuple[Plan, list[bytes]]:
        """The plan for a command and its arguments; `fields` holds its name first."""
        name = token.lower()
        rest = fields[1:]
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
