"""A world for the service in which everything is counted and time stands still."""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field

import fakeredis
from sqlalchemy import create_engine, func, select
from sqlalchemy.pool import StaticPool

from model import schema
from model.database import EngineDatabase
from model.errors import BrokerUnavailableError, PoolTimeoutError
from model.http import AUTHORIZATION, WAITING_TOKEN, Request
from model.policy import Policy
from model.service import TicketService

START_S = 1_700_000_000.25
KEY = b"0123456789abcdef0123456789abcdef"
DATE = "2026-12-24"
USERS = 12
SEATS = 10
PRICE = 100


class HandClock:
    def __init__(self, now_s=START_S):
        self.now_s = now_s

    def now(self):
        return self.now_s


class InlineRuntime:
    """Asynchronous tasks run when `drain` is called; threads are kept, not started."""

    def __init__(self):
        self.tasks = deque()
        self.threads = {}

    def spawn(self, name, target):
        self.threads[name] = target

    def submit(self, task):
        self.tasks.append(task)

    def event(self):
        return threading.Event()

    def drain(self):
        while self.tasks:
            self.tasks.popleft()()


@dataclass
class RecordingBroker:
    sent: list = field(default_factory=list)
    away: bool = False

    def send(self, topic, payload):
        if self.away:
            raise BrokerUnavailableError(topic)
        self.sent.append((topic, payload))


@dataclass
class RecordingLog:
    entries: list = field(default_factory=list)

    def exception(self, logger, error):
        self.entries.append((logger, type(error).__name__))


class CountingDatabase:
    """Counts borrows and statements by kind; refuses to be nested; can be exhausted."""

    def __init__(self, engine):
        self._database = EngineDatabase(engine)
        self.counts = Counter()
        self.exhausted = False
        self.fail_commit = None
        self._out = 0

    @contextmanager
    def begin(self, *, read_only=False):
        self.counts["borrow"] += 1
        if self.exhausted:
            raise PoolTimeoutError("timed out after 30 s")
        assert self._out == 0, "a connection is borrowed inside another"
        self._out += 1
        try:
            with self._database.begin(read_only=read_only) as connection:
                yield _CountingConnection(connection, self.counts)
                if self.fail_commit is not None and not read_only:
                    raise self.fail_commit  # noqa: TRY301 - as the commit itself would
            self.counts["commit"] += 1
        except BaseException:
            self.counts["rollback"] += 1
            raise
        finally:
            self._out -= 1


class _CountingConnection:
    def __init__(self, connection, counts):
        self._connection = connection
        self._counts = counts

    def execute(self, statement, parameters=None):
        self._counts[statement.__visit_name__] += 1
        return self._connection.execute(statement, parameters)


class CountingRedis:
    """Counts commands by name; a batch counts its commands and one `exec`."""

    def __init__(self, client, counts):
        self._client = client
        self._counts = counts

    def __getattr__(self, name):
        if name == "pipeline":
            return lambda **kw: _CountingBatch(self._client.pipeline(**kw), self._counts)

        def command(*args, **kwargs):
            self._counts[name] += 1
            return getattr(self._client, name)(*args, **kwargs)

        return command


class _CountingBatch(CountingRedis):
    def execute(self):
        self._counts["exec"] += 1
        return self._client.execute()


class ModelWorld:
    """One concert with one date, users with points, and a service over it."""

    def __init__(self, policy=None, *, capacity=2, seats=SEATS, point=1000, redis=None):
        self.policy = Policy() if policy is None else policy
        self.clock = HandClock()
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        fill(self.engine, self.policy, capacity=capacity, seats=seats, point=point)
        self.database = CountingDatabase(self.engine)
        self.redis_server = fakeredis.FakeServer()
        self.raw_redis = fakeredis.FakeRedis(server=self.redis_server) if redis is None else redis
        self.redis = CountingRedis(self.raw_redis, Counter())
        self.runtime = InlineRuntime()
        self.broker = RecordingBroker()
        self.log = RecordingLog()
        self.runs = []
        ids = iter(range(1, 1_000_000))
        self.service = TicketService(
            policy=self.policy,
            clock=self.clock,
            redis=self.redis,
            database=self.database,
            broker=self.broker,
            runtime=self.runtime,
            log=self.log,
            signing_key=KEY,
            new_id=lambda: f"owner-{next(ids)}",
            on_job=self.runs.append,
        )

    # Requests

    def generate(self, user_id, concert_id=1):
        body = {"userId": user_id, "concertId": concert_id}
        return self.service.handle(Request("POST", "/v1/token/generation", body=body))

    def token(self, user_id):
        response = self.generate(user_id)
        assert response.status == 200, response
        return response.body["jwt"]

    def check(self, token):
        return self.service.handle(
            Request("GET", "/v1/token/check", headers={WAITING_TOKEN: token})
        )

    def position(self, token):
        return self.check(token).body["position"]

    def call(self, method, path, token, *, query=None, body=None):
        headers = {AUTHORIZATION: f"Bearer {token}"}
        return self.service.handle(Request(method, path, headers, query or {}, body))

    def dates(self, token, concert=1):
        return self.call("GET", f"/v1/concerts/{concert}/available-dates", token)

    def seats(self, token, **query):
        query = {"date": DATE} | query
        return self.call("GET", "/v1/concerts/1/available-seats", token, query=query)

    def book(self, token, seat_id=1):
        body = {"date": DATE, "seatId": seat_id}
        return self.call("POST", "/v1/concerts/1/booking", token, body=body)

    def pay(self, token, booking_id):
        return self.call("POST", f"/v1/bookings/{booking_id}/payment", token)

    # What is there

    def passed(self):
        return self._members("passed")

    def waiting(self):
        return self._members("waiting")

    def _members(self, name):
        found = self.raw_redis.zrange(f"concert:1:queue:{name}", 0, -1)
        return [int(member.decode()[-12:]) for member in found]

    def rows(self, table):
        with self.engine.connect() as connection:
            return connection.execute(select(table).order_by(table.c.id)).all()

    def row_count(self, table):
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table))

    def execute(self, statement):
        with self.engine.begin() as connection:
            connection.execute(statement)

    def schedule(self):
        return self.rows(schema.concert_schedule)[0]

    def seat(self, seat_id=1):
        return self.rows(schema.seat)[seat_id - 1]

    @contextmanager
    def counted(self):
        """Counts of the block: borrows, statements by kind, Redis commands by name."""
        self.runtime.drain()
        self.database.counts.clear()
        self.redis._counts.clear()
        counts = Counter()
        yield counts
        self.runtime.drain()
        counts.update(self.database.counts)
        counts.update(self.redis._counts)

    @contextmanager
    def logged(self):
        """Log entries of the block."""
        before = len(self.log.entries)
        entries = []
        yield entries
        entries.extend(self.log.entries[before:])


def uuid_of(user_id):
    return f"00000000-0000-4000-8000-{user_id:012d}"


def fill(engine, policy, *, capacity, seats=SEATS, point=1000, users=USERS):
    schema.create_all(engine, policy)
    with engine.begin() as connection:
        connection.execute(
            schema.concert.insert(), [{"id": 1, "title": "One", "capacity": capacity}]
        )
        connection.execute(
            schema.concert_schedule.insert(),
            [
                {
                    "id": 1,
                    "concert_id": 1,
                    "concert_date": DATE,
                    "capacity": seats,
                    "occupied_count": 0,
                }
            ],
        )
        connection.execute(
            schema.seat.insert(),
            [
                {
                    "id": n,
                    "schedule_id": 1,
                    "row_no": (n - 1) // 5 + 1,
                    "seat_no": (n - 1) % 5 + 1,
                    "price": PRICE,
                    "is_occupied": 0,
                }
                for n in range(1, seats + 1)
            ],
        )
        ids = range(1, users + 1)
        connection.execute(
            schema.user.insert(),
            [{"id": n, "uuid": uuid_of(n), "name": f"user {n}"} for n in ids],
        )
        connection.execute(
            schema.user_point.insert(),
            [{"id": n, "user_id": n, "point": point} for n in ids],
        )
