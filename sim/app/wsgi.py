"""One request through a WSGI application, as PEP 3333 specifies."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from model.http import Request

_NO_BODY: Final = b""


class Body(NamedTuple):
    """The answer that a client gets: headers in order, and the whole body."""

    headers: list[tuple[str, str]]
    content: bytes


class Errors:
    """wsgi.errors: counted."""

    def __init__(self) -> None:
        self.lines = 0

    def write(self, text: str) -> None:
        """Count lines."""
        self.lines += text.count("\n")

    def writelines(self, lines: Iterable[str]) -> None:
        """Count lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing to do."""


def environ_of(request: Request, errors: Errors, user: int, *, threads: bool) -> dict[str, Any]:
    """The environment of one request; `request.path` has the query in it."""
    path, _, query = request.path.partition("?")
    body: bytes = request.body or _NO_BODY
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _unquoted(path),
        "QUERY_STRING": query,
        "RAW_URI": request.path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn",
        "REMOTE_ADDR": f"10.{user >> 16 & 255}.{user >> 8 & 255}.{user & 255}",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "localhost:8000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": errors,
        "wsgi.multithread": threads,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
    return environ


def _unquoted(path: str) -> str:
    if "%" not in path:
        return path
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - seldom needed

    return unquote_to_bytes(path).decode("latin-1")


def call(application: Callable[..., Any], environ: dict[str, Any]) -> tuple[int, Body]:
    """(status, body). Raises the application's errors, and TypeError if the answer is no WSGI."""
    began: list[Any] = []
    parts: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        if exc_info is not None and began and parts:
            raise exc_info[1].with_traceback(exc_info[2])
        began[:] = [status, headers]
        return parts.append

    result = application(environ, start_response)
    try:
        parts.extend(result)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    if not began:
        raise TypeError("the application has not called start_response, so it is not a WSGI app")
    return int(began[0][:3]), Body(list(began[1]), b"".join(parts))
