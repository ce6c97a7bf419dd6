"""The service of a config over HTTP on wall time: a thin adapter, no logic.

`model.service.TicketService` runs as it is, with a Redis server, a SQLite file, threads and the
system clock behind its ports.
"""

from __future__ import annotations

import dataclasses
import http
import json
import logging
import os
import secrets
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import redis
from sqlalchemy import Engine, Table, inspect
from sqlalchemy.exc import SQLAlchemyError

from experiments.errors import TicketsimError, one_line
from model.database import EngineDatabase, open_database, open_sqlite
from model.http import AUTHORIZATION, WAITING_TOKEN, Request, to_json
from model.schema import METADATA, create_all
from model.service import TicketService
from sim.scale import with_fewer_people
from sim.service.initial_data import fill_tables
from sim.service.service_class import service_class
from sim.world import World

_KEY_BYTES = 32
SERVE_VARIABLE = "TICKETSIM_SERVE"
"""Environment variable of `from_environment`."""
_HEADERS = {"HTTP_AUTHORIZATION": AUTHORIZATION, "HTTP_WAITINGTOKEN": WAITING_TOKEN}


@dataclasses.dataclass(frozen=True)
class Address:
    """Where to listen; port 0 takes any free one."""

    host: str
    port: int


class WallClock:
    """`model.clock.Clock` on wall time."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()


class Threads:
    """`model.ports.Runtime` on threads of the operating system."""

    def __init__(self, async_threads: int) -> None:
        self._executor = ThreadPoolExecutor(async_threads, "async")

    def spawn(self, name: str, target: Callable[[], None]) -> None:
        """Run `target` on a thread that does not keep the process alive."""
        threading.Thread(target=target, name=name, daemon=True).start()

    def submit(self, task: Callable[[], None]) -> None:
        """Queue `task`; returns at once."""
        self._executor.submit(task)

    def event(self) -> threading.Event:
        """An event."""
        return threading.Event()


class LoggedBroker:
    """`model.ports.Broker` that writes every event into the log."""

    def send(self, topic: str, payload: str) -> None:
        """Deliver one event."""
        logging.getLogger("broker").info("%s %s", topic, payload)


class LoggedExceptions:
    """`model.ports.ExceptionLog` on the standard log."""

    def exception(self, logger: str, error: BaseException) -> None:
        """Log an exception with its stack trace."""
        logging.getLogger(logger).error("%s", type(error).__name__, exc_info=error)


def application(service: TicketService) -> WSGIApplication:
    """The service as a WSGI application: HTTP in, `Request` to `Response`, HTTP out."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = service.handle(_request(environ))
        body = to_json(response.body).encode()
        status = http.HTTPStatus(response.status)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return answer


def _request(environ: WSGIEnvironment) -> Request:
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        headers={name: environ[key] for key, name in _HEADERS.items() if key in environ},
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""))),
        body=_json(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))),
    )


def _json(data: bytes) -> Any:
    """Parsed JSON; None where there is none, which the service refuses where it needs a body."""
    try:
        return json.loads(data)
    except ValueError:
        return None


class _Seeding:
    """The part of a database that `sim.service.initial_data.fill_tables` needs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def seed_rows(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows in a transaction of their own."""
        with self._engine.begin() as connection:
            connection.execute(table.insert(), list(rows))


def from_environment() -> WSGIApplication:
    """The application that a server of WSGI applications loads; its scheduler has begun.

    The environment variable `TICKETSIM_SERVE` holds a JSON object: `config`, `assignments`,
    `scale`, `redis`, `database`.
    """
    from experiments.config.reading import load

    wanted = json.loads(os.environ[SERVE_VARIABLE])
    world = with_fewer_people(load(wanted["config"], wanted["assignments"]).world, wanted["scale"])
    service = build_service(world, wanted["redis"], wanted["database"])
    service.start()
    return application(service)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 100


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        logging.getLogger("access").info(format, *args)


def build_service(world: World, redis_url: str, database: str) -> TicketService:
    """The service of a world on wall time; an empty database is filled with its catalogue.

    Args:
        world: its catalogue, policy, pool and service are used.
        redis_url: where Redis is.
        database: the path of a SQLite file, or a URL of SQLAlchemy for another database.

    Raises:
        TicketsimError: there is no Redis server or no database at the URL.
    """
    client = redis.Redis.from_url(redis_url)
    try:
        client.ping()
    except redis.RedisError as error:
        raise TicketsimError(f"--redis {redis_url}: {error}") from error
    opened = open_database if "://" in database else open_sqlite
    try:
        engine = opened(
            database, pool_size=world.pool.connections, pool_timeout_s=world.pool.timeout_s
        )
        if not inspect(engine).has_table(METADATA.sorted_tables[0].name):
            create_all(engine, world.policy)
            fill_tables(_Seeding(engine), world.catalogue)
    except (SQLAlchemyError, ImportError) as error:
        raise TicketsimError(f"--database {database}: {one_line(str(error))}") from error
    port = EngineDatabase(engine)
    clock = WallClock()
    opens_after_s = world.catalogue.opens_after_s
    return service_class(world.service.code)(
        policy=world.policy,
        clock=clock,
        redis=client,
        database=port,
        broker=LoggedBroker(),
        runtime=Threads(world.service.async_threads),
        log=LoggedExceptions(),
        signing_key=secrets.token_bytes(_KEY_BYTES),
        new_id=lambda: str(uuid.uuid4()),
        opens_at_s=0.0 if opens_after_s is None else clock.now() + opens_after_s,
    )


def listen(service: TicketService, address: Address) -> WSGIServer:
    """An HTTP server for the service, bound but not yet serving.

    Raises:
        TicketsimError: the address cannot be had.
    """
    try:
        return make_server(address.host, address.port, application(service), _Server, _Handler)
    except OSError as error:
        raise TicketsimError(
            f"--host {address.host} --port {address.port}: {error.strerror}"
        ) from error


def serve(world: World, address: Address, redis_url: str, database: str) -> None:
    """Serve until interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    service = build_service(world, redis_url, database)
    with listen(service, address) as server:
        host, port = server.server_address[:2]
        print(f"serving on http://{host!s}:{port}; Ctrl-C ends it", file=sys.stderr, flush=True)
        service.start()
        server.serve_forever()
