"""Stubs of other HTTP services for asyncio: `create_connection` to a declared host.

Client libraries (httpx, aiohttp) use the transport like a real one. TLS is switched off, because no
byte leaves the process.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from sim.app.aio.loop import SimulatedLoop
from sim.app.seams.http import answer_bytes, take_request
from sim.app.seams.refusals import HTTP, refused
from sim.app.seams.runtime import RUNTIME

if TYPE_CHECKING:
    from types import FrameType

    from sim.app.seams.http import Stub

_loops: Any = SimulatedLoop
_REFUSED: Final = (
    "create_server",
    "create_unix_server",
    "create_unix_connection",
    "create_datagram_endpoint",
    "sock_connect",
    "sock_accept",
    "sock_recv",
    "sock_sendall",
    "add_reader",
    "add_writer",
    "subprocess_exec",
    "subprocess_shell",
)


class StubTransport(asyncio.Transport):
    """A connection to a stub. Libraries poll its idle pair of sockets: is it closed?"""

    def __init__(self, loop: SimulatedLoop, stub: Stub, protocol: Any) -> None:
        self._ends = socket.socketpair()
        super().__init__({"socket": self._ends[0], "peername": (stub.host, 80)})
        self._loop = loop
        self._stub = stub
        self._protocol = protocol
        self._asked = bytearray()
        self._closed = False

    def write(self, data: Any) -> None:
        """Send; the stub answers whole requests after its latency."""
        self._asked += bytes(data)
        while take_request(self._asked):
            RUNTIME.wait(f"http {self._stub.host}", blocks=False)
            found = self._stub.answer()
            if found is None:
                self._loop.call_soon(self._lost, ConnectionResetError(104, "reset by peer"))
                return
            latency_s, status, body = found
            self._loop.call_later(latency_s, self._receive, answer_bytes(status, body))

    def _receive(self, data: bytes) -> None:
        if not self._closed:
            self._protocol.data_received(data)

    def _lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)

    def close(self) -> None:
        """Close it."""
        if not self._closed:
            self._closed = True
            for end in self._ends:
                end.close()
            self._loop.call_soon(self._lost, None)

    abort = close

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._closed

    def __del__(self) -> None:
        for end in self._ends:
            end.close()

    def can_write_eof(self) -> bool:
        """False."""
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def get_write_buffer_size(self) -> int:
        """Nothing is buffered."""
        return 0

    def pause_reading(self) -> None:
        """Nothing to do: answers are small."""

    def resume_reading(self) -> None:
        """Nothing to do."""

    def is_reading(self) -> bool:
        """It reads."""
        return not self._closed

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Exchange the protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol."""
        found: asyncio.BaseProtocol = self._protocol
        return found


def _stub_of(host: Any, port: Any, call: str) -> Stub:
    name = host.decode() if isinstance(host, bytes) else str(host)
    found: Stub | None = RUNTIME.find_host(name) if RUNTIME.find_host is not None else None
    if found is None:
        raise refused(f"{call}({name!r}, {port!r}){_through()}", HTTP)
    return found


def _through() -> str:
    """The library through which the application connects, where one can be told."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if frame.f_code.co_filename.startswith(RUNTIME.roots):
            return ""
        if package not in {"sim", "asyncio", "anyio", "httpcore"}:
            return f" by {package}"
        frame = frame.f_back
    return ""


async def _create_connection(
    self: SimulatedLoop, factory: Any, host: Any = None, port: Any = None, **_options: Any
) -> Any:
    stub = _stub_of(host, port, "asyncio create_connection")
    protocol = factory()
    transport = StubTransport(self, stub, protocol)
    protocol.connection_made(transport)
    return transport, protocol


async def _getaddrinfo(_self: SimulatedLoop, host: Any, port: Any, **_options: Any) -> Any:
    stub = _stub_of(host, port, "asyncio getaddrinfo")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (stub.host, int(port or 80)))]


def _refuser(name: str) -> Any:
    def refuse(*_args: Any, **_options: Any) -> Any:
        raise refused(f"asyncio {name}", HTTP)

    return refuse


def install() -> None:
    """Give the loops their connections, permanently."""
    _loops.create_connection = _create_connection
    _loops.getaddrinfo = _getaddrinfo
    for name in _REFUSED:
        setattr(_loops, name, _refuser(name))
    _switch_tls_off()
    _take_threads_along()


def _switch_tls_off() -> None:
    try:
        from httpcore._backends import anyio as backend  # noqa: PLC0415 - not every application's
    except ImportError:
        return
    streams: Any = backend.AnyIOStream
    real = streams.start_tls

    async def start_tls(self: Any, *args: Any, **options: Any) -> Any:
        if RUNTIME.thread is not None:
            return self
        return await real(self, *args, **options)

    streams.start_tls = start_tls


def _take_threads_along() -> None:
    """Anyio's threads, in which FastAPI and Starlette run plain functions."""
    try:
        from anyio import to_thread  # noqa: PLC0415 - likewise
    except ImportError:
        return
    from sim.app.aio.loop import in_thread  # noqa: PLC0415 - beside its only use

    untyped: Any = to_thread
    real = untyped.run_sync

    async def run_sync(function: Any, *args: Any, **options: Any) -> Any:
        if RUNTIME.thread is not None:
            RUNTIME.wait("thread", blocks=False)
            function = in_thread(function)
        return await real(function, *args, **options)

    untyped.run_sync = run_sync
