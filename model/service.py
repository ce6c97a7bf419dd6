"""The service: endpoints, the access filter before them, the errors behind them.

`handle` answers a request in four steps. It finds the route, lets the access filter check the token
(on every route but the first two), calls the endpoint, and turns an exception into an answer.
`start` spawns the scheduler's one or two threads.

This module holds no lock while it calls a port.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import redis
from sqlalchemy import select

from model.booking import BookingDesk, SeatLock
from model.clock import Clock
from model.entrance import Entrance
from model.errors import (
    DatabaseError,
    MethodNotAllowedError,
    MissingHeaderError,
    MissingTokenError,
    NoSuchRouteError,
    NotValidTokenError,
    QueueStoreError,
    ServiceError,
    TypeMismatchError,
    UnexpectedError,
)
from model.http import AUTHORIZATION, WAITING_TOKEN, Request, Response
from model.inventory import Inventory, as_date
from model.opening import Opening
from model.outbox import Outbox
from model.payment import Cashier
from model.policy import Policy
from model.ports import Broker, Database, ExceptionLog, Runtime
from model.scheduler import JobRun, Scheduler
from model.schema import concert
from model.tokens import Token, TokenIssuer
from model.waiting_room import WaitingRoom

GENERATION: Final = "POST /v1/token/generation"
CHECK: Final = "GET /v1/token/check"
DATES: Final = "GET /v1/concerts/{id}/available-dates"
SEATS: Final = "GET /v1/concerts/{id}/available-seats"
BOOKING: Final = "POST /v1/concerts/{id}/booking"
PAYMENT: Final = "POST /v1/bookings/{id}/payment"
ENDPOINTS: Final = (GENERATION, CHECK, DATES, SEATS, BOOKING, PAYMENT)

HANDLER_LOGGER: Final = "ApiControllerAdvice"
CONTAINER_LOGGER: Final = "dispatcherServlet"
_BEARER: Final = "Bearer "
_MAX_ID: Final = 2**63 - 1
_SELECT_CONCERTS: Final = select(concert.c.id, concert.c.capacity).order_by(concert.c.id)

_FIXED: Final = {
    "/v1/token/generation": ("POST", GENERATION),
    "/v1/token/check": ("GET", CHECK),
}
_WITH_ID: Final = {
    ("concerts", "available-dates"): ("GET", DATES),
    ("concerts", "available-seats"): ("GET", SEATS),
    ("concerts", "booking"): ("POST", BOOKING),
    ("bookings", "payment"): ("POST", PAYMENT),
}


class _Call(NamedTuple):
    """A request that found its endpoint."""

    request: Request
    path_id: str
    token: Token


def endpoint_of(method: str, path: str) -> tuple[str, str | None]:
    """Find the endpoint's label and the id in the path.

    Raises `NoSuchRouteError` and `MethodNotAllowedError`.
    """
    route, path_id = _FIXED.get(path), None
    if route is None:
        parts = path.split("/", 5)
        if len(parts) != 5 or parts[0] or parts[1] != "v1":  # noqa: PLR2004 - /v1/<noun>/<id>/<verb>
            raise NoSuchRouteError(path)
        route, path_id = _WITH_ID.get((parts[2], parts[4])), parts[3]
        if route is None:
            raise NoSuchRouteError(path)
    if route[0] != method:
        raise MethodNotAllowedError(method)
    return route[1], path_id


class TicketService:
    """The whole service, wired together from its ports.

    Args:
        policy: which defects are on.
        clock: tells the time.
        redis: the queue's store; may decode its answers or not.
        database: pool and transactions over tables made by `schema.create_all`.
        broker: receives the events of bookings and payments.
        runtime: threads.
        log: gets every exception that is logged with its stack trace.
        signing_key: HS256 secret of at least 32 bytes.
        new_id: makes unique strings (owners of seat locks).
        on_job: called for every run of a scheduled job ("sweep", "outbox", "cancel").
        opens_at_s: when the sale opens, in epoch seconds; until then users only join the queue.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        clock: Clock,
        redis: redis.Redis,
        database: Database,
        broker: Broker,
        runtime: Runtime,
        log: ExceptionLog,
        signing_key: bytes,
        new_id: Callable[[], str],
        on_job: Callable[[JobRun], None] | None = None,
        opens_at_s: float = 0.0,
    ) -> None:
        self.policy = policy
        self._database = database
        self._runtime = runtime
        self._log = log
        self._scheduler = Scheduler(clock=clock, runtime=runtime, log=log, listener=on_job)
        self._sweeper = (
            Scheduler(clock=clock, runtime=runtime, log=log, listener=on_job)
            if policy.sweep_on_own_thread
            else self._scheduler
        )
        self.tokens = TokenIssuer(
            signing_key, clock, rules=policy.jwt_rules, leeway_s=policy.jwt_leeway_s
        )
        draws = policy.order == "random_at_opening"
        opening = Opening(opens_at_s, draws=draws, clock=clock, new_id=new_id)
        self._waiting_room = WaitingRoom(redis, policy, clock, self.tokens, opening)
        self._entrance = Entrance(
            policy=policy,
            clock=clock,
            database=database,
            tokens=self.tokens,
            waiting_room=self._waiting_room,
            log=log,
        )
        self._inventory = Inventory(database, policy)
        self._outbox = Outbox(database, broker, runtime, clock, log)
        self._desk = BookingDesk(
            policy=policy,
            clock=clock,
            database=database,
            inventory=self._inventory,
            outbox=self._outbox,
            lock=SeatLock(redis, policy, new_id),
            run_at=self._scheduler.at,
        )
        self._cashier = Cashier(
            policy=policy,
            clock=clock,
            database=database,
            outbox=self._outbox,
            waiting_room=self._waiting_room,
        )
        self._behind_filter: Mapping[str, Callable[[_Call], Any]] = {
            DATES: self._dates,
            SEATS: self._seats,
            BOOKING: self._book,
            PAYMENT: self._pay,
        }

    def handle(self, request: Request) -> Response:
        """Answer one request; never raises an `Exception`."""
        logger = HANDLER_LOGGER
        try:
            endpoint, path_id = endpoint_of(request.method, request.path)
            if endpoint is CHECK:
                return Response(200, self._check(request))
            if endpoint is GENERATION:
                return Response(200, self._generate(request))
            logger = CONTAINER_LOGGER
            token = self._filter(request, endpoint, path_id)
            logger = HANDLER_LOGGER
            call = _Call(request, path_id or "", token)
            return Response(200, self._behind_filter[endpoint](call))
        except Exception as error:  # noqa: BLE001 - the client gets an answer to every error
            return self._refuse(error, logger)

    def start(self) -> None:
        """Spawn the scheduler's threads; the sweep runs now, and again after each interval."""
        policy = self.policy
        self._sweeper.every(
            "sweep",
            policy.sweep_interval_s,
            self.sweep,
            retry_s=policy.sweep_retry_s if policy.sweep_on_own_thread else None,
        )
        self._scheduler.every("outbox", policy.outbox_interval_s, self._outbox.retry_pending)
        self._runtime.spawn("scheduler", self._scheduler.run)
        if self._sweeper is not self._scheduler:
            self._runtime.spawn("sweeper", self._sweeper.run)

    def stop(self) -> None:
        """Let the scheduler's threads end after the job that is running."""
        self._scheduler.stop()
        self._sweeper.stop()

    @property
    def admissions_per_min(self) -> int | None:
        """The serving rate now; None: the service was started without one."""
        return self._waiting_room.admissions_per_min

    def set_admissions_per_min(self, rate: int) -> None:
        """Change the serving rate, as an operator does during the sale.

        Raises `ValueError` if the service was started without one.
        """
        self._waiting_room.set_admissions_per_min(rate)

    def sweep(self) -> None:
        """Sweep and promote, concert by concert. Raises the error that ends this sweep."""
        with self._database.begin(read_only=True) as connection:
            concerts = connection.execute(_SELECT_CONCERTS).all()
        for row in concerts:
            self._waiting_room.sweep(row.id)
            self._waiting_room.promote(row.id, row.capacity)

    # The endpoints, in the order in which a customer meets them.

    def _generate(self, request: Request) -> dict[str, Any]:
        body = _body(request)
        return self._entrance.issue(_id(body, "userId"), _id(body, "concertId"))

    def _check(self, request: Request) -> dict[str, Any]:
        raw = request.headers.get(WAITING_TOKEN)
        if raw is None:
            raise MissingHeaderError(WAITING_TOKEN)
        return self._entrance.check(raw)

    def _filter(self, request: Request, endpoint: str, path_id: str | None) -> Token:
        header = request.headers.get(AUTHORIZATION)
        if not isinstance(header, str) or not header.startswith(_BEARER):
            raise MissingTokenError(AUTHORIZATION)
        concert_in_path = None if endpoint is PAYMENT else path_id
        return self._entrance.authenticate(header[len(_BEARER) :], concert_in_path)

    def _dates(self, call: _Call) -> dict[str, Any]:
        return self._inventory.available_dates(call.token.concert_id)

    def _seats(self, call: _Call) -> Any:
        query = call.request.query
        page = _whole("page", query.get("page", "0"))
        return self._inventory.available_seats(
            call.token.concert_id, as_date(query.get("date")), page
        )

    def _book(self, call: _Call) -> dict[str, int]:
        body = _body(call.request)
        booking_id = self._desk.book(
            call.token.uuid, call.token.concert_id, as_date(body.get("date")), _id(body, "seatId")
        )
        return {"bookingId": booking_id}

    def _pay(self, call: _Call) -> dict[str, int]:
        payment_id = self._cashier.pay(call.token, _whole("bookingId", call.path_id))
        return {"paymentId": payment_id}

    def _refuse(self, error: Exception, logger: str) -> Response:
        known = error if isinstance(error, ServiceError) else _translate(error)
        if known.logged:
            self._log.exception(logger, known)
        status = known.status
        if logger is CONTAINER_LOGGER and isinstance(known, DatabaseError):
            # The container requests its error page; the same filter refuses this request too.
            status = NotValidTokenError.status
        return Response(status, known.body(), known.primary_cause())


def _translate(error: Exception) -> ServiceError:
    is_redis = isinstance(error, redis.RedisError)
    known = QueueStoreError(str(error)) if is_redis else UnexpectedError(error)
    known.__cause__ = error
    return known


def _body(request: Request) -> Mapping[str, Any]:
    if not isinstance(request.body, Mapping):
        raise TypeMismatchError("body: allowed: a JSON object")
    return request.body


def _id(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if type(value) is int and 0 <= value <= _MAX_ID:
        return value
    return _whole(name, value)


def _whole(name: str, value: object) -> int:
    """Read a number as Spring does from text. Raises `TypeMismatchError`."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        number = int(value) if len(value) <= len(str(_MAX_ID)) else _MAX_ID + 1
        if number <= _MAX_ID:
            return number
    raise TypeMismatchError(f"{name}: allowed: a whole number from 0 to {_MAX_ID}")
