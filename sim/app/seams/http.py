"""Stubs of other HTTP services: a socket to a declared host gets the config's answer.

Client libraries (requests, httpx, urllib, http.client) use the socket like a real socket. The stub
reads the sent bytes as HTTP/1.1 and answers after its latency. TLS is switched off, because no byte
leaves the process.
"""

from __future__ import annotations

import io
import json
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

from sim.app.seams.refusals import HTTP, refused
from sim.app.seams.runtime import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable

_NETWORK: Final = "10.255.0."
"""Addresses that the stubs' host names resolve to."""
_END: Final = b"\r\n\r\n"
_socket: Any = socket.socket
_getaddrinfo: Final = socket.getaddrinfo
_wrap: Final = ssl.SSLContext.wrap_socket


class Stub:
    """One service: `answer(method, path)` gives (seconds, status, body); None: refused."""

    def __init__(self, host: str, answer: Callable[[], tuple[float, int, bytes] | None]) -> None:
        self.host = host
        self.answer = answer


class StubSocket(_socket):  # type: ignore[misc]  # its base is untyped here
    """A connection to a stub. A real pair of sockets carries the bytes, so that polls work."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._stub: Stub | None = None
        self._asked = bytearray()
        self._answers = bytearray()
        self._due_s: float | None = None

    def connect(self, address: Any) -> None:
        """Connect to the address; to a stub, if the address belongs to a stub."""
        if RUNTIME.thread is None:
            super().connect(address)
            return
        stub = RUNTIME.find_host(str(address[0])) if RUNTIME.find_host is not None else None
        if stub is None:
            raise refused(f"socket.connect({address!r})", HTTP)
        RUNTIME.wait(f"connect {stub.host}")
        self._stub = stub
        RUNTIME.go_on()

    def connect_ex(self, address: Any) -> int:
        """`connect` that returns an error number."""
        try:
            self.connect(address)
        except OSError as error:
            return error.errno or 1
        return 0

    def sendall(self, data: Any, *flags: Any) -> None:
        """Send all bytes."""
        if self._stub is None:
            super().sendall(data, *flags)
            return
        self._asked += bytes(data)
        self._read_requests()

    def send(self, data: Any, *flags: Any) -> int:
        """Send."""
        if self._stub is None:
            sent: int = super().send(data, *flags)
            return sent
        self.sendall(data)
        return len(data)

    def _read_requests(self) -> None:
        stub = self._stub
        assert stub is not None  # noqa: S101 - only sockets of stubs come here
        while take_request(self._asked):
            found = stub.answer()
            if found is None:
                raise ConnectionResetError(104, "Connection reset by peer")
            latency_s, status, body = found
            assert RUNTIME.env is not None  # noqa: S101 - a simulated thread asks
            self._due_s = RUNTIME.env.now + latency_s
            self._answers += answer_bytes(status, body)

    def _arrive(self) -> None:
        """Wait until the answer has come, or the timeout of the socket has passed."""
        stub, env = self._stub, RUNTIME.env
        if self._due_s is None or env is None or stub is None:
            return
        left_s = self._due_s - env.now
        patience_s = self.gettimeout()
        RUNTIME.wait(f"http {stub.host}")
        if patience_s is not None and left_s > patience_s:
            RUNTIME.sleep(patience_s)
            RUNTIME.go_on()
            raise TimeoutError("timed out")
        self._due_s = None
        RUNTIME.sleep(max(0.0, left_s))
        RUNTIME.go_on()

    def recv(self, size: int, *flags: Any) -> bytes:
        """Receive."""
        if self._stub is None:
            got: bytes = super().recv(size, *flags)
            return got
        self._arrive()
        found = bytes(self._answers[:size])
        del self._answers[:size]
        return found

    def recv_into(self, buffer: Any, size: int = 0, *flags: Any) -> int:
        """Receive into a buffer."""
        if self._stub is None:
            count: int = super().recv_into(buffer, size, *flags)
            return count
        found = self.recv(size or len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def makefile(self, mode: str = "r", *args: Any, **options: Any) -> Any:
        """A file over the socket, from which http.client reads answers."""
        if self._stub is None or "r" not in mode:
            return super().makefile(mode, *args, **options)
        return io.BufferedReader(_Reader(self))


class _Reader(io.RawIOBase):
    def __init__(self, stub_socket: StubSocket) -> None:
        self._socket = stub_socket

    def readable(self) -> bool:
        """Whether the file can be read: always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, waiting for it first."""
        return self._socket.recv_into(buffer)


def take_request(asked: bytearray) -> bool:
    """Remove one whole HTTP/1.1 request from the front; false where none is there yet."""
    if _END not in asked:
        return False
    head, _, rest = bytes(asked).partition(_END)
    length = _length(head)
    if len(rest) < length:
        return False
    del asked[: len(head) + len(_END) + length]
    return True


def answer_bytes(status: int, body: bytes) -> bytes:
    """A stub's answer as it comes from the network."""
    return (
        f"HTTP/1.1 {status} Stub\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
    if RUNTIME.thread is None:
        return _getaddrinfo(host, port, *args, **options)
    name = host.decode() if isinstance(host, bytes) else str(host)
    stub = RUNTIME.find_host(name) if RUNTIME.find_host is not None else None
    if stub is None:
        raise refused(f"socket.getaddrinfo({name!r}, {port!r})", HTTP)
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, int(port or 80)))]


def _wrapped(self: ssl.SSLContext, sock: Any, *args: Any, **options: Any) -> Any:
    if isinstance(sock, StubSocket) and sock._stub is not None:
        return sock
    return _wrap(self, sock, *args, **options)


def install() -> None:
    """Replace the class of sockets permanently."""
    untyped: Any = socket
    untyped.socket = StubSocket
    untyped.getaddrinfo = _resolve
    contexts: Any = ssl.SSLContext
    contexts.wrap_socket = _wrapped


def body_of(text: str) -> bytes:
    """The body of an answer, from the config. Raises ValueError if the body is no JSON."""
    json.loads(text)
    return text.encode()
