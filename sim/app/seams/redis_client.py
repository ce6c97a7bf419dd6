"""redis-py on the simulated Redis: its pools, pipelines, retries and locks stay as they are.

Commands that a connection would write to its socket run in the simulated server. The connection
reads the reply, decoded as by redis-py's parser. Methods of classes are replaced, so the order of
imports does not matter.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import redis
import redis.connection as connections

from sim.app.errors import RefusedCallError, caller
from sim.app.seams.runtime import RUNTIME
from sim.redis.commands.connection import ServerConnection
from sim.redis.commands.plans import has_subcommands
from sim.redis.errors import UnsupportedCommandError, WouldBlockError

if TYPE_CHECKING:
    from sim.app.seams.runtime import Endpoint
    from sim.kernel.environment import Waiter

_base: Any = connections.AbstractConnection
_REAL: Final[dict[str, Any]] = {}
# redis-py 5 has no other name for it.
_ON_CONNECT: Final = (
    "on_connect_check_health" if hasattr(_base, "on_connect_check_health") else "on_connect"
)
HELD: Final = (
    _ON_CONNECT,
    "pack_command",
    "pack_commands",
    "send_packed_command",
    "send_command",
    "can_read",
    "read_response",
)
"""Methods of redis-py's AbstractConnection that are replaced; `sim.app.versions` checks them."""


_EVER_S: Final = float("inf")
_LOOK_S: Final = 1.0
_MANY_KEYS: Final = frozenset({"exec", "eval", "evalsha", "fcall"})
"""Commands that touch keys which are not among their arguments."""


class _Over:
    """The endpoint of a connection whose run is over."""

    server: Any = None

    def __init__(self) -> None:
        self.blocked: list[Any] = []

    def turn(self, _name: str, _cost_ns: int) -> None:
        """Nothing answers."""
        raise ConnectionResetError(104, "Connection reset by peer")


_OVER: Final = _Over()


class Blocked:
    """A client that waits for one of its keys."""

    def __init__(self, keys: frozenset[bytes]) -> None:
        self.keys = keys
        self.waiter: Waiter | None = None


class Link:
    """The object that replaces the socket of a connection."""

    def __init__(self, endpoint: Endpoint, client: Any) -> None:
        self.endpoint = endpoint
        self.replies: deque[Any] = deque()
        self.connection: Any = None
        self.socket_timeout_s: float | None = None
        """Longest wait for a reply; None: any."""
        self._client = ref(client)
        RUNTIME.held.add(self)

    def let_go(self) -> None:
        """The run is over: the client's connection is as it was before it connected."""
        self.endpoint, self.connection = _OVER, None
        self.replies.clear()
        client = self._client()
        if client is not None:
            self._taken_out(client)

    def _taken_out(self, client: Any) -> None:
        if client._sock is self:
            client._sock = None

    def _resolved(self, encoder: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """(plan, fields) of a command; (None, name and fields) of one that the server knows not."""
        head, fields = args[0], args[1:]
        head = head.decode() if isinstance(head, bytes) else head
        if " " in head:
            head, *more = head.split()
            fields = (*more, *fields)
        encoded = [
            field
            if field.__class__ is bytes
            else field.encode()
            if field.__class__ is str
            else bytes(encoder.encode(field))
            for field in fields
        ]
        name = head.lower()
        if has_subcommands(name) and encoded:
            name, encoded = f"{name} {encoded[0].decode().lower()}", encoded[1:]
        plan = self.endpoint.server.plans.get(name)
        return (None, (head, encoded)) if plan is None else (plan, encoded)

    def run(self, encoder: Any, batch: list[tuple[Any, ...]]) -> None:
        """Run commands as they would arrive in one packet."""
        resolved = self.resolved(encoder, batch)
        RUNTIME.blocks(f"redis {self.named(resolved)}")
        try:
            self.perform(resolved)
        except UnsupportedCommandError as error:
            raise refusal(error) from error

    def resolved(self, encoder: Any, batch: list[tuple[Any, ...]]) -> list[tuple[Any, Any]]:
        """(plan, fields) of each command."""
        return [self._resolved(encoder, args) for args in batch]

    @staticmethod
    def named(resolved: list[tuple[Any, Any]]) -> str:
        """Name of the packet's only command, or "pipeline"."""
        single = len(resolved) == 1 and resolved[0][0] is not None
        return resolved[0][0].name if single else "pipeline"

    def perform(self, resolved: list[tuple[Any, Any]]) -> None:
        """Wait for the server, and run the commands. Raises `UnsupportedCommandError`."""
        server = self.endpoint.server
        cost_ns = sum(server.cost_ns(plan, fields) for plan, fields in resolved if plan is not None)
        self.endpoint.turn(self.named(resolved), cost_ns)
        if self.connection is None:
            self.connection = ServerConnection(server)
        elif self.connection.is_closed:
            raise ConnectionResetError(104, "Connection reset by peer")
        for plan, fields in resolved:
            self.replies.append(self._reply(plan, fields))
            if plan is not None:
                for told in server.after_command:
                    told(plan.name, fields)
                if self.endpoint.blocked:
                    self._wake(plan.name, fields)

    def _reply(self, plan: Any, fields: Any) -> Any:
        try:
            if plan is None:
                raise self.connection.unknown_command(*fields)
            reply = self.connection.call(plan, fields)
        except redis.ResponseError as error:
            return error
        except WouldBlockError as error:
            return self._blocked(plan, fields, error.timeout_s)
        return reply.encode() if reply.__class__ is str else reply

    def _blocked(self, plan: Any, fields: Any, timeout_s: float | None) -> Any:
        """Wait for the reply of a blocking command, such as BLPOP; None: its time is over.

        Raises:
            TimeoutError: the client's socket waits for a shorter time than the command.
        """
        env, blocked = RUNTIME.env, self.endpoint.blocked
        assert env is not None  # noqa: S101 - a simulated thread asks
        until_s = env.now + timeout_s if timeout_s else _EVER_S
        patient_s = _EVER_S if self.socket_timeout_s is None else env.now + self.socket_timeout_s
        entry = Blocked(frozenset(fields))
        blocked.append(entry)
        try:
            while env.now < until_s:
                entry.waiter = waiter = env.waiter()
                # A server that ends does not tell: look now and then.
                look_s = min(until_s, patient_s, env.now + _LOOK_S)
                timer = env.call_at(look_s, waiter.wake)
                waiter.wait()
                timer.cancel()
                if self.connection is None or self.connection.is_closed:
                    raise ConnectionResetError(104, "Connection reset by peer")
                with suppress(WouldBlockError):
                    reply = self.connection.call(plan, fields)
                    return reply.encode() if reply.__class__ is str else reply
                if env.now >= patient_s:
                    raise redis.TimeoutError("Timeout reading from socket")
        finally:
            blocked.remove(entry)
        return None

    def _wake(self, name: str, fields: Any) -> None:
        """Let the blocked clients whose keys a command has touched look again, in their order."""
        touched = {field for field in fields if field.__class__ is bytes}
        for entry in self.endpoint.blocked:
            if entry.waiter is not None and (
                name in _MANY_KEYS or not touched.isdisjoint(entry.keys)
            ):
                entry.waiter.wake()

    def shutdown(self, _how: int) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Close the connection from the client's side."""
        if self.connection is not None:
            self.connection.disconnect()
            self.connection = None


def refusal(error: UnsupportedCommandError) -> RefusedCallError:
    """The error that ends the run, noted, with the line of the application."""
    refused = RefusedCallError(
        f"{caller(RUNTIME.roots)}: redis: {error}; poll instead of waiting, or leave it out by "
        "[app] env"
    )
    RUNTIME.refuse(refused)
    return refused


def decoded(encoder: Any, reply: Any) -> Any:
    """The reply with text in place of bytes."""
    if isinstance(reply, bytes):
        return encoder.decode(reply)
    if isinstance(reply, list):
        return [decoded(encoder, part) for part in reply]
    if isinstance(reply, dict):
        return {decoded(encoder, key): decoded(encoder, part) for key, part in reply.items()}
    return reply


def _connect(self: Any) -> Any:
    if not RUNTIME.simulates or RUNTIME.find_redis is None:
        return _REAL[f"{type(self).__name__}._connect"](self)
    endpoint = RUNTIME.find_redis(str(getattr(self, "host", "")), int(getattr(self, "port", 0)))
    if not endpoint.server.up:
        raise ConnectionRefusedError(111, "Connection refused")
    link = Link(endpoint, self)
    link.socket_timeout_s = self.socket_timeout
    return link


def _on_connect(self: Any, check_health: bool = True) -> None:
    if not isinstance(self._sock, Link):
        options = () if _ON_CONNECT == "on_connect" else (check_health,)
        _REAL[_ON_CONNECT](self, *options)
        return
    # One round trip for the handshake, and one to choose the database.
    self.send_command("HELLO", 3, check_health=False)
    self.read_response()
    if self.db:
        self.send_command("SELECT", self.db, check_health=False)
        self.read_response()


def _pack_command(self: Any, *args: Any) -> Any:
    return [args] if RUNTIME.simulates else _REAL["pack_command"](self, *args)


def _pack_commands(self: Any, commands: Any) -> Any:
    if RUNTIME.simulates:
        return [tuple(command) for command in commands]
    return _REAL["pack_commands"](self, commands)


def _send_packed(self: Any, command: Any, check_health: bool = True) -> None:
    if not RUNTIME.simulates:
        _REAL["send_packed_command"](self, command, check_health)
        return
    if not self._sock:
        if _ON_CONNECT == "on_connect":
            self.connect()
        else:
            self.connect_check_health(check_health=False)
    if check_health:
        self.check_health()
    try:
        self._sock.run(self.encoder, command)
    except OSError as error:
        self.disconnect()
        raise redis.ConnectionError(
            f"Error {error.args[0]} while writing to socket. {error.args[1]}."
        ) from error
    except BaseException:
        self.disconnect()
        raise


def _send_command(self: Any, *args: Any, **options: Any) -> None:
    if not RUNTIME.simulates:
        _REAL["send_command"](self, *args, **options)
        return
    self.send_packed_command([args], check_health=options.get("check_health", True))


def _can_read(self: Any, timeout: float = 0, **options: Any) -> bool:
    link = self._sock
    if not isinstance(link, Link):
        found: bool = _REAL["can_read"](self, timeout, **options)
        return found
    if link.connection is not None and link.connection.is_closed:
        raise redis.ConnectionError("Connection closed by server.")
    return bool(link.replies)


def _read_response(self: Any, disable_decoding: bool = False, **options: Any) -> Any:
    link = self._sock
    if not isinstance(link, Link):
        return _REAL["read_response"](self, disable_decoding, **options)
    reply = link.replies.popleft()
    RUNTIME.go_on()
    if isinstance(reply, redis.ResponseError):
        raise reply
    if self.encoder.decode_responses and not disable_decoding:
        return decoded(self.encoder, reply)
    return reply


def install() -> None:
    """Replace the methods permanently."""
    kinds: list[Any] = [
        connections.Connection,
        connections.SSLConnection,
        connections.UnixDomainSocketConnection,
    ]
    for kind in kinds:
        _REAL[f"{kind.__name__}._connect"] = kind._connect
        kind._connect = _connect
    stand_ins = (
        _on_connect,
        _pack_command,
        _pack_commands,
        _send_packed,
        _send_command,
        _can_read,
        _read_response,
    )
    for name, stand_in in zip(HELD, stand_ins, strict=True):
        _REAL[name] = getattr(_base, name)
        setattr(_base, name, stand_in)
