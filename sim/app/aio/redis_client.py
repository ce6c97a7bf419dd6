"""redis.asyncio on the simulated Redis: its pools, pipelines, retries and locks stay as they are.

Reader and writer of a connection are one `AsyncLink`. A command runs in a thread of the loop's
`IoThreads`; the coroutine awaits the reply.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import redis
import redis.asyncio.connection as connections

from sim.app.aio.loop import SimulatedLoop
from sim.app.errors import RefusedCallError, caller
from sim.app.seams.redis_client import Link, decoded, refusal
from sim.app.seams.runtime import RUNTIME
from sim.redis.errors import UnsupportedCommandError

if TYPE_CHECKING:
    from sim.app.seams.runtime import Endpoint

_base: Any = connections.AbstractConnection
_REAL: Final[dict[str, Any]] = {}


class AsyncLink(Link):
    """The object that replaces both streams of a connection."""

    def __init__(self, endpoint: Endpoint, client: Any) -> None:
        super().__init__(endpoint, client)
        self._encoder = client.encoder
        self._pending: asyncio.Future[Any] | None = None

    def let_go(self) -> None:
        """The run is over."""
        super().let_go()
        self._pending = None

    def _taken_out(self, client: Any) -> None:
        if client._reader is self:
            client._reader = client._writer = None

    def writelines(self, batch: Any) -> None:
        """Send commands; they were packed as tuples."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, SimulatedLoop):
            raise refused_loop()
        resolved = self.resolved(self._encoder, batch)
        for plan, _ in resolved:
            if plan is not None and not plan.supported:
                # Of some commands nobody reads the reply.
                raise UnsupportedCommandError(f"{plan.name.upper()} is not simulated")
        RUNTIME.wait(f"redis {self.named(resolved)}", blocks=False)
        self._pending = loop.io.future(lambda: self.perform(resolved))

    async def drain(self) -> None:
        """Nothing to wait for."""

    async def wait_closed(self) -> None:
        """Nothing to wait for."""

    async def next_reply(self) -> Any:
        """Wait for the next reply."""
        pending = self._pending
        if not self.replies and pending is not None:
            self._pending = None
            try:
                await pending
            except UnsupportedCommandError as error:
                raise refusal(error) from error
        if not self.replies:
            raise ConnectionResetError(104, "Connection reset by peer")
        return self.replies.popleft()


def refused_loop() -> RefusedCallError:
    """The error for an event loop that is not asyncio's own, noted."""
    error = RefusedCallError(
        f"{caller(RUNTIME.roots)}: this event loop is not asyncio's own and has no simulated time; "
        "leave uvloop out by [app] env"
    )
    RUNTIME.refuse(error)
    return error


async def _connect(self: Any) -> None:
    if not RUNTIME.simulates or RUNTIME.find_redis is None:
        await _REAL[f"{type(self).__name__}._connect"](self)
        return
    endpoint = RUNTIME.find_redis(str(getattr(self, "host", "")), int(getattr(self, "port", 0)))
    if not endpoint.server.up:
        raise ConnectionRefusedError(111, "Connection refused")
    self._reader = self._writer = AsyncLink(endpoint, self)


async def _on_connect(self: Any, check_health: bool = True) -> None:
    if not isinstance(self._reader, AsyncLink):
        await _REAL[_handshake()](self, *([check_health] if _handshake() != "on_connect" else []))
        return
    # One round trip for the handshake, and one to choose the database.
    reset = getattr(self, "_reset_himport_state", None)
    if reset is not None:
        reset()
    await self.send_command("HELLO", 3, check_health=False)
    await self.read_response()
    if self.db:
        await self.send_command("SELECT", self.db, check_health=False)
        await self.read_response()


def _handshake() -> str:
    """Name of the method that greets the server: older versions have only `on_connect`."""
    name = "on_connect_check_health"
    return name if hasattr(_base, name) else "on_connect"


def _pack_command(self: Any, *args: Any) -> Any:
    return [args] if RUNTIME.simulates else _REAL["pack_command"](self, *args)


def _pack_commands(self: Any, commands: Any) -> Any:
    if RUNTIME.simulates:
        return [tuple(command) for command in commands]
    return _REAL["pack_commands"](self, commands)


async def _send_packed(self: Any, *args: Any, **options: Any) -> None:
    try:
        await _REAL["send_packed_command"](self, *args, **options)
    except UnsupportedCommandError as error:
        raise refusal(error) from error


def _can_read(name: str) -> Any:
    async def can_read(self: Any, *args: Any, **options: Any) -> bool:
        link = self._reader
        if not isinstance(link, AsyncLink):
            found: bool = await _REAL[name](self, *args, **options)
            return found
        if link.connection is not None and link.connection.is_closed:
            raise redis.ConnectionError("Connection closed by server.")
        return bool(link.replies)

    return can_read


async def _read_response(self: Any, disable_decoding: bool = False, **options: Any) -> Any:
    """The reply, within the connection's own timeout; closes the connection as redis-py does."""
    link = self._reader
    if not isinstance(link, AsyncLink):
        return await _REAL["read_response"](self, disable_decoding, **options)
    asked = options.get("timeout")
    timeout = asked if asked is not None else self.socket_timeout
    if timeout == float("inf"):
        timeout = None
    try:
        async with asyncio.timeout(timeout):
            reply = await link.next_reply()
    except TimeoutError:
        if asked is not None:
            return None
        await self.disconnect(nowait=True)
        raise redis.TimeoutError(f"Timeout reading from {self._host_error()}") from None
    except OSError as error:
        await self.disconnect(nowait=True)
        raise redis.ConnectionError(
            f"Error while reading from {self._host_error()} : {error.args}"
        ) from error
    except BaseException:
        await self.disconnect(nowait=True)
        raise
    if self.health_check_interval:
        self.next_health_check = asyncio.get_running_loop().time() + self.health_check_interval
    if isinstance(reply, redis.ResponseError):
        raise reply
    if self.encoder.decode_responses and not disable_decoding:
        return decoded(self.encoder, reply)
    return reply


def install() -> None:
    """Replace the methods permanently."""
    kinds: list[Any] = [connections.Connection, connections.UnixDomainSocketConnection]
    for kind in kinds:
        _REAL[f"{kind.__name__}._connect"] = kind._connect
        kind._connect = _connect
    _REAL["SSLConnection._connect"] = connections.SSLConnection._connect
    stand_ins = {
        _handshake(): _on_connect,
        "pack_command": _pack_command,
        "pack_commands": _pack_commands,
        "send_packed_command": _send_packed,
        "read_response": _read_response,
    }
    for name in ("can_read", "can_read_destructive"):
        if hasattr(_base, name):
            stand_ins[name] = _can_read(name)
    for name, stand_in in stand_ins.items():
        _REAL[name] = getattr(_base, name)
        setattr(_base, name, stand_in)
