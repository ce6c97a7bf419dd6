"""The user that an application's customer function gets: an HTTP client with cookies."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from http.cookies import SimpleCookie
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from model.http import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sim.app.wsgi import Body
    from sim.customers.user import Answer, User
    from sim.kernel.random_streams import Stream

_LOWEST_FAILED: Final = 400
_LOWEST_REDIRECT: Final = 300
_MOST_REDIRECTS: Final = 10
_ID: Final = re.compile(
    r"/(?:\d+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})(?=/|$)"
)


class Reply:
    """The answer to a request; status 0 when there was no answer."""

    __slots__ = ("_body", "error", "status")

    def __init__(self, answer: Answer) -> None:
        self.status: int = answer.status
        self.error: str | None = answer.error
        """Why there was no answer, or the class of the exception that the application logged."""
        self._body: Body | None = answer.body

    @property
    def ok(self) -> bool:
        """Whether the status is 200 to 399; k6 counts such a request as not failed."""
        return 0 < self.status < _LOWEST_FAILED

    @property
    def content(self) -> bytes:
        """The body; empty when there was no answer."""
        return b"" if self._body is None else self._body.content

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The body, read as JSON. Raises ValueError if the body is not JSON."""
        return json.loads(self.content)

    @property
    def headers(self) -> dict[str, str]:
        """Headers by name in small letters."""
        pairs = [] if self._body is None else self._body.headers
        return {name.lower(): value for name, value in pairs}

    def set_cookies(self) -> list[str]:
        """The values of all Set-Cookie headers."""
        pairs = [] if self._body is None else self._body.headers
        return [value for name, value in pairs if name.lower() == "set-cookie"]


class Customer:
    """One person with a browser: sends requests, keeps cookies, pauses, draws random numbers.

    `id` counts from 1. `memory` keeps the function's data between iterations.
    """

    __slots__ = ("_pauses", "_user", "cookies", "id")

    def __init__(
        self, user: User, cookies: dict[str, str], *, number: int | None = None, pauses: float = 1.0
    ) -> None:
        self._user = user
        self._pauses = pauses
        self.cookies = cookies
        self.id = user.id if number is None else number
        """Number of this person, from 1."""

    @property
    def rng(self) -> Stream:
        """This user's own random numbers."""
        return self._user.rng

    @property
    def now_s(self) -> float:
        """Simulated seconds since the load began."""
        return self._user.now_s

    @property
    def memory(self) -> Any:
        """The data that the function keeps between iterations; None at first."""
        return self._user.memory

    @memory.setter
    def memory(self, value: Any) -> None:
        self._user.memory = value

    def sleep(self, duration_s: float) -> None:
        """Pause for this time."""
        if duration_s * self._pauses > 0.0:
            self._user.sleep(duration_s * self._pauses)

    def finish(self) -> None:
        """Finish for good: make no further iteration."""
        if self._pauses:
            self._user.finish(spin=False)

    def get(self, path: str, **options: Any) -> Reply:
        """`request` with GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Reply:
        """`request` with POST."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Reply:
        """`request` with PUT."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Reply:
        """`request` with PATCH."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Reply:
        """`request` with DELETE."""
        return self.request("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: Mapping[str, Any] | bytes | str | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
        redirects: bool = True,
        patience_s: float | None = None,
    ) -> Reply:
        """Send a request and wait for the answer.

        Args:
            method: such as "GET".
            path: relative URL, such as "/seats/3/book"; may have a query.
            json: body, sent as JSON.
            data: body: a mapping is sent as a form, text and bytes as they are.
            params: added to the query.
            headers: sent beside the cookies.
            name: the endpoint's name in results; otherwise the method and the path with numbers
                and ids as {id}, such as "POST /seats/{id}/book".
            redirects: follow answers 301 to 308 to the same service.
            patience_s: the request is cancelled after this time; the service works on.
        """
        wanted = dict(headers or {})
        body = _body(wanted, json, data)
        if params:
            path += ("&" if "?" in path else "?") + urlencode(params, doseq=True)
        for _ in range(_MOST_REDIRECTS):
            reply = self._send(method, path, wanted, body, name, patience_s)
            target = reply.headers.get("location")
            is_redirect = _LOWEST_REDIRECT <= reply.status < _LOWEST_FAILED
            if not redirects or not is_redirect or not target:
                return reply
            parts = urlsplit(target)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            if reply.status in {301, 302, 303}:
                method, body = "GET", None
                wanted.pop("Content-Type", None)
            name = None
        return reply

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
        name: str | None,
        patience_s: float | None,
    ) -> Reply:
        sent = headers
        if self.cookies:
            line = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
            sent = {**headers, "Cookie": line}
        endpoint = name or f"{method} {_ID.sub('/{id}', path.partition('?')[0])}"
        request = Request(method, path, sent, {}, body)
        answer = self._user._send(endpoint, request, patience_s)
        reply = Reply(answer)
        for line in reply.set_cookies():
            for key, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = morsel.coded_value
        return reply


def _body(headers: dict[str, str], value: Any, data: Any) -> bytes | None:
    if value is not None:
        headers.setdefault("Content-Type", "application/json")
        return json.dumps(value).encode()
    if data is None:
        return None
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    return urlencode(data, doseq=True).encode()


def iterating(function: Callable[[Customer], None]) -> Callable[[User], None]:
    """The customer function that the load's users call; each user keeps its own cookies."""
    jars: dict[int, dict[str, str]] = {}

    def iterate(user: User) -> None:
        function(Customer(user, jars.setdefault(user.id, {})))

    if not _hurried:
        return iterate
    numbers = count(1)
    return lambda user: function(Customer(user, {}, number=next(numbers), pauses=0.0))


_hurried: list[bool] = []


@contextmanager
def hurried() -> Iterator[None]:
    """In the runs inside each iteration is another person, who makes no pauses.

    That is how `ticketsim live` drives the real application for a calibration.
    """
    _hurried.append(True)
    try:
        yield
    finally:
        _hurried.pop()
