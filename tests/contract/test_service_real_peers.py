"""The service on a real redis-server, a SQLite file and real threads, on the same answers."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from model import schema
from model.database import EngineDatabase, open_sqlite
from model.errors import PoolTimeoutError
from model.http import to_json
from model.policy import Policy
from model.schema import PAID
from tests.support.model_world import SEATS, ModelWorld, fill
from tests.support.redis_real import real_redis

WORKERS = 8
USERS = 40


@pytest.fixture(scope="module")
def server():
    with real_redis() as client:
        yield client


@pytest.fixture
def store(server):
    server.flushall()
    return server


def story(world):
    """Everything the service can answer, in one sequence of requests."""
    tokens = [world.generate(n).body.get("jwt", "undefined") for n in range(1, 6)]
    yield from map(world.generate, (1, 3, 99))
    for token in [*tokens, "undefined"]:
        yield world.check(token)
        yield world.dates(token)
        yield world.seats(token)
        yield world.book(token, 1)
        yield world.book(token, 2)
    yield from (world.pay(tokens[0], n) for n in ("undefined", 1, 1, 2, 9))
    world.runtime.drain()
    for later_s in (1, 299, 301):
        world.clock.now_s += later_s
        world.service.sweep()
        yield from map(world.generate, range(1, 7))
        yield from map(world.check, tokens)
    yield world.dates(tokens[1])


@pytest.mark.redis_server
@pytest.mark.parametrize("policy", [Policy(), Policy.incident().with_fix("F3")])
def test_a_real_server_gives_the_same_answers(store, policy):
    fake, real = ModelWorld(policy), ModelWorld(policy, redis=store)
    answers = [
        [(r.status, to_json(r.body), r.error) for r in story(world)] for world in (fake, real)
    ]
    assert answers[0] == answers[1]
    assert fake.log.entries == real.log.entries
    for name in ("passed", "waiting", "expiry"):
        key = f"concert:1:queue:{name}"
        assert fake.raw_redis.zrange(key, 0, -1, withscores=True) == store.zrange(
            key, 0, -1, withscores=True
        )


class FileWorld(ModelWorld):
    """The same world over a SQLite file with a pool, for many threads."""

    def __init__(self, path, store, policy, capacity):
        super().__init__(policy, redis=store)
        self.engine = open_sqlite(str(path), pool_size=4)
        fill(self.engine, policy, capacity=capacity, users=USERS)
        database = EngineDatabase(self.engine)
        for part in ("_entrance", "_inventory", "_outbox", "_desk", "_cashier"):
            getattr(self.service, part)._database = database
        self.service._database = database


@pytest.mark.redis_server
@pytest.mark.parametrize("capacity", [1, 7, USERS])
def test_many_threads_fill_the_passed_set_to_capacity_and_no_further(tmp_path, store, capacity):
    world = FileWorld(tmp_path / "db", store, Policy(), capacity)
    highest, done = [0], threading.Event()

    def watch():
        while not done.is_set():
            highest[0] = max(highest[0], store.zcard("concert:1:queue:passed"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(WORKERS) as threads:
        users = [n for n in range(1, USERS + 1) for _ in range(2)]
        kinds = [r.body["type"] for r in threads.map(world.generate, users)]
    world.service.sweep()
    done.set()
    watcher.join()
    assert highest[0] == capacity == len(world.passed())
    assert sorted(world.passed() + world.waiting()) == list(range(1, USERS + 1))
    assert kinds.count("ACCESS") >= capacity


@pytest.mark.redis_server
def test_many_threads_sell_every_seat_once(tmp_path, store):
    world = FileWorld(tmp_path / "db", store, Policy(), USERS)
    tokens = [world.token(n) for n in range(1, USERS + 1)]

    def buy(token):
        for seat_id in range(1, SEATS + 1):
            response = world.book(token, seat_id)
            if response.status == 200:
                return world.pay(token, response.body["bookingId"]).status
        return None

    with ThreadPoolExecutor(WORKERS) as threads:
        paid = list(threads.map(buy, tokens))
    with world.engine.connect() as connection:
        sold = connection.execute(
            select(schema.booking.c.seat_id).where(schema.booking.c.status == PAID)
        ).scalars()
        seats = list(sold)
        payments = connection.scalar(select(func.count()).select_from(schema.payment))
    assert len(seats) == len(set(seats)) == payments == paid.count(200)
    assert world.schedule().occupied_count == len(seats)


def test_a_borrow_that_finds_no_free_connection_times_out(tmp_path):
    engine = open_sqlite(str(tmp_path / "db"), pool_size=1, pool_timeout_s=0.05)
    schema.create_all(engine, Policy())
    database = EngineDatabase(engine)
    with database.begin(read_only=True), pytest.raises(PoolTimeoutError), database.begin():
        pass
    with database.begin():
        pass


def test_a_file_commits_rolls_back_and_shows_no_uncommitted_row(tmp_path):
    engine = open_sqlite(str(tmp_path / "db"), pool_size=2)
    schema.create_all(engine, Policy())
    database = EngineDatabase(engine)
    row = {"title": str(uuid.uuid4()), "capacity": 1}
    count = select(func.count()).select_from(schema.concert)
    with database.begin() as writer:
        schema.insert_row(writer, schema.concert.insert(), row)
        with database.begin(read_only=True) as reader:
            assert reader.execute(count).scalar() == 0

    def insert_and_fail():
        with database.begin() as writer:
            schema.insert_row(writer, schema.concert.insert(), row)
            raise KeyError

    with pytest.raises(KeyError):
        insert_and_fail()
    with database.begin(read_only=True) as reader:
        assert reader.execute(count).scalar() == 1
