"""One request, and the lifespan, through an ASGI application (specification 3.0, HTTP 2.3)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from sim.app.wsgi import Body

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.http import Request

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_SERVER_ERROR: Final = 500
CRASHED: Final = (
    _SERVER_ERROR,
    Body([("content-type", "text/plain; charset=utf-8")], b"Internal Server Error"),
)
UNAVAILABLE: Final = (
    503,
    Body([("content-type", "text/plain; charset=utf-8")], b"Service Unavailable"),
)


def scope_of(request: Request, user: int, state: dict[str, Any]) -> dict[str, Any]:
    """The scope of one request; `request.path` has the query in it."""
    path, _, query = request.path.partition("?")
    body: bytes = request.body or b""
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in request.headers.items()
    ]
    names = {name for name, _ in headers}
    if b"host" not in names:
        headers.insert(0, (b"host", b"localhost:8000"))
    if body and b"content-length" not in names:
        headers.append((b"content-length", str(len(body)).encode()))
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": (f"10.{user >> 16 & 255}.{user >> 8 & 255}.{user & 255}", 40_000),
        "server": ("127.0.0.1", 8_000),
        "state": state.copy(),
    }


class Cycle:
    """Request and answer, as uvicorn passes them: `answered` gets the whole answer."""

    def __init__(self, body: bytes, answered: Callable[[int, Body], None]) -> None:
        self._request: dict[str, Any] | None = {
            "type": "http.request",
            "body": body,
            "more_body": False,
        }
        self._answered = answered
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._parts: list[bytes] = []
        self._over: asyncio.Event | None = None
        self.done = False

    @property
    def started(self) -> bool:
        """Whether the application has begun to answer."""
        return self._status > 0

    async def receive(self) -> dict[str, Any]:
        """The body, then a disconnect once the answer is complete."""
        message, self._request = self._request, None
        if message is not None:
            return message
        if not self.done:
            if self._over is None:
                self._over = asyncio.Event()
            await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Take a part of the answer. Raises RuntimeError for a message out of order."""
        kind = message["type"]
        if self.done:
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}' sent, after response already completed."
            )
        if not self.started:
            if kind != "http.response.start":
                raise RuntimeError(
                    f"Expected ASGI message 'http.response.start', but got '{kind}'."
                )
            self._status = int(message["status"])
            self._headers = [
                (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
            return
        if kind != "http.response.body":
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")
        self._parts.append(bytes(message.get("body", b"")))
        if not message.get("more_body", False):
            self.finish(self._status, Body(self._headers, b"".join(self._parts)))

    def finish(self, status: int, body: Body) -> None:
        """Send the answer; once."""
        if self.done:
            return
        self.done = True
        if self._over is not None:
            self._over.set()
        self._answered(status, body)


class Lifespan:
    """The startup of an application. Its shutdown is never reached: runs end with their load."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._begun = asyncio.Event()
        self._forever = asyncio.Event()
        self._asked = False
        self.state: dict[str, Any] = {}
        self.complete = False
        self.failure: str | None = None
        """What the application gave as its reason not to start."""
        self.error: Exception | None = None
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the startup; returns once it is complete, has failed, or is not supported."""
        self.task = asyncio.create_task(self._run())
        await self._begun.wait()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        try:
            await self._application(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - `start` says so
            self.error = error
        finally:
            self._begun.set()

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._forever.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self.complete = True
        elif kind == "lifespan.startup.failed":
            self.failure = str(message.get("message", ""))
            # The exception behind it comes next, and knows its line.
            return
        self._begun.set()
