"""asyncio on simulated time: the loop, its tasks and threads, and what blocks it."""

from __future__ import annotations

import pytest

from tests.app import seen

ASKS = """
    import time
    from tests.app import seen
    def customer(user):
        answer = user.get("/")
        seen.ANSWERS.append(answer.json() if answer.ok else answer.status)
        user.finish()
"""
ASGI = """
    import asyncio, json, threading, time
    from concurrent.futures import ThreadPoolExecutor
    BODY
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        found = await serve()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(found).encode()})
"""


def app(body):
    return ASGI.replace("    BODY", body.strip("\n"))


@pytest.fixture
def answers(run_asgi):
    def ask(body, **options):
        seen.ANSWERS.clear()
        result = run_asgi(app(body), ASKS, **options)
        assert result.failure == ""
        return seen.ANSWERS

    return ask


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("await asyncio.sleep(2)", 2.0),
        ("await asyncio.gather(*(asyncio.sleep(n) for n in (1, 3, 2)))", 3.0),
        ("await asyncio.wait([asyncio.create_task(asyncio.sleep(n)) for n in (1, 2)])", 2.0),
        ("await asyncio.to_thread(time.sleep, 1.5)", 1.5),
        ("await asyncio.gather(*(asyncio.to_thread(time.sleep, 1) for _ in range(3)))", 1.0),
    ],
)
def test_waits_take_simulated_time_and_together_only_the_longest(answers, body, expected):
    code = f"""
    async def serve():
        began = time.monotonic()
        {body}
        return time.monotonic() - began
    """
    assert answers(code)[0] == pytest.approx(expected, abs=0.01)


def test_timeouts_cancel_and_task_groups_end_together(answers):
    code = """
    async def serve():
        told, began = [], time.monotonic()
        try:
            async with asyncio.timeout(1.0):
                await asyncio.sleep(5)
        except TimeoutError:
            told.append("timeout")
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 1.0)
        except TimeoutError:
            told.append("wait_for")
        async def fails():
            await asyncio.sleep(1)
            raise ValueError
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(fails())
                group.create_task(asyncio.sleep(60))
        except* ValueError:
            told.append("group")
        return [told, round(time.monotonic() - began, 2)]
    """
    assert answers(code) == [[["timeout", "wait_for", "group"], 3.0]]


def test_threads_of_anyio_outlive_the_request_that_began_them(run_asgi):
    seen.ANSWERS.clear()
    code = """
    import anyio.to_thread
    async def serve():
        return await anyio.to_thread.run_sync(threading.get_ident)
    """
    asks = """
    from tests.app import seen
    def customer(user):
        for _ in range(3):
            seen.ANSWERS.append(user.get("/").json())
        user.finish()
    """
    assert run_asgi(app(code), asks).failure == ""
    assert len(seen.ANSWERS) == 3
    assert len(set(seen.ANSWERS)) == 1


def test_locks_semaphores_queues_and_conditions_serve_in_order(answers):
    code = """
    async def serve():
        lock, some, order = asyncio.Lock(), asyncio.Semaphore(2), []
        queue = asyncio.Queue(1)
        async def work(name):
            async with some, lock:
                await asyncio.sleep(1)
                order.append(name)
        async def take():
            for _ in range(3):
                order.append(await queue.get())
        taking = asyncio.create_task(take())
        await asyncio.gather(*(work(n) for n in range(3)))
        for name in "abc":
            await queue.put(name)
        await taking
        return order
    """
    assert answers(code) == [[0, 1, 2, "a", "b", "c"]]


def test_executors_threads_and_thread_safe_calls_reach_the_loop(answers):
    code = """
    async def serve():
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        def other():
            time.sleep(1)
            loop.call_soon_threadsafe(ready.set)
        threading.Thread(target=other).start()
        await ready.wait()
        with ThreadPoolExecutor(2) as pool:
            numbers = await asyncio.gather(
                *(loop.run_in_executor(pool, lambda n=n: (time.sleep(1), n)[1]) for n in range(4))
            )
        def asks():
            return asyncio.run_coroutine_threadsafe(asyncio.sleep(1, "slept"), loop).result()
        return [numbers, await asyncio.to_thread(asks), asyncio.current_task() is not None]
    """
    assert answers(code) == [[[0, 1, 2, 3], "slept", True]]


def test_requests_of_one_worker_overlap_while_they_await_and_not_while_one_blocks(run_asgi):
    def longest(wait):
        result = run_asgi(app(f"    async def serve():\n        {wait}\n"), ASKS, users=5)
        return result.metrics["http_req_duration"]["max"], result.notes

    took_ms, notes = longest("await asyncio.sleep(1)")
    assert took_ms == pytest.approx(1000, abs=20)
    assert not any("blocks" in note for note in notes)
    took_ms, notes = longest("time.sleep(1)")
    assert took_ms == pytest.approx(5000, abs=20)
    told = next(note for note in notes if "blocks the event loop" in note)
    assert "own_app" in told
    assert ".py:" in told
    assert "sleep, 5 times, 5.0 s" in told


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ("r.get('x')", "redis get"),
        ("s.connect().execute(text('SELECT 1 AS one'))", "select"),
        ("requests.get('http://api.example/x')", "http api.example"),
    ],
)
def test_clients_that_do_not_await_are_remarked(run_asgi, call, reason):
    from sim.world.application import HttpStub

    body = f"""
    import redis, requests
    from sqlalchemy import create_engine, text
    r, s = redis.Redis(), create_engine("postgresql+psycopg2://u@h/d")
    async def serve():
        {call}
    """
    result = run_asgi(app(body), ASKS, http={"api.example": HttpStub(latency_s=0.5)})
    assert result.failure == ""
    told = [note for note in result.notes if "blocks the event loop" in note]
    assert any(reason in note and "in serve" in note for note in told)


def test_a_plain_function_of_fastapi_runs_in_a_thread_and_middleware_awaits(run_asgi):
    code = """
    import time
    from fastapi import FastAPI, Request
    from fastapi.responses import StreamingResponse
    app = FastAPI()
    @app.middleware("http")
    async def timed(request: Request, call_next):
        began = time.monotonic()
        answer = await call_next(request)
        answer.headers["took"] = str(round(time.monotonic() - began, 1))
        return answer
    @app.get("/slow")
    def slow():
        time.sleep(1)
        return {"done": True}
    @app.get("/stream")
    async def stream():
        async def parts():
            for n in range(3):
                yield str(n)
        return StreamingResponse(parts())
    """
    customer = """
    from tests.app import seen
    def customer(user):
        slow = user.get("/slow")
        seen.ANSWERS.append((slow.json(), slow.headers["took"]))
        seen.ANSWERS.append(user.get("/stream").text)
        user.finish()
    """
    seen.ANSWERS.clear()
    result = run_asgi(code, customer, users=4)
    assert result.failure == ""
    assert result.metrics["http_req_duration{endpoint:GET /slow}"]["max"] < 1100
    assert seen.ANSWERS.count(({"done": True}, "1.0")) == 4
    assert seen.ANSWERS.count("012") == 4
    assert not any("blocks" in note for note in result.notes)


def test_httpx_reaches_a_stub_over_tls_and_keeps_its_connection(run_asgi):
    from sim.world.application import HttpStub

    body = """
    import httpx
    client = httpx.AsyncClient(base_url="https://api.example", timeout=2.0)
    async def serve():
        answers = await asyncio.gather(*(client.get("/x") for _ in range(3)))
        again = await client.post("/y", json={"n": 1})
        try:
            await client.get("/z", timeout=0.1)
        except httpx.ReadTimeout as error:
            late = type(error).__name__
        return [[each.json() for each in answers], again.status_code, late]
    """
    seen.ANSWERS.clear()
    stub = HttpStub(latency_s=0.5, body='{"ok": 1}')
    result = run_asgi(app(body), ASKS, http={"api.example": stub})
    assert result.failure == ""
    assert seen.ANSWERS == [[[{"ok": 1}] * 3, 200, "ReadTimeout"]]


def test_redis_asyncio_pools_pipelines_locks_and_scripts(answers):
    body = """
    import redis.asyncio as redis
    r = redis.Redis.from_url("redis://cache/0", decode_responses=True, max_connections=4)
    async def serve():
        await asyncio.gather(*(r.incr("n") for _ in range(4)))
        async with r.pipeline(transaction=True) as pipe:
            got = await pipe.get("n").sadd("s", "a").execute()
        double = r.register_script("return tonumber(redis.call('get', KEYS[1])) * 2")
        async with r.lock("l", timeout=5):
            held = await r.exists("l")
        try:
            await r.lpush("n", 1)
        except redis.ResponseError as error:
            wrong = str(error)[:9]
        return [got, await double(keys=["n"]), held, await r.exists("l"), wrong]
    """
    assert answers(body) == [[["4", 1], 8, 1, 0, "WRONGTYPE"]]


def test_a_statement_that_is_cut_off_by_a_timeout_leaves_no_transaction_open(run_asgi):
    body = """
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    engine = create_async_engine("postgresql+asyncpg://u@h/d", pool_size=4)
    made = False
    async def serve():
        global made
        if not made:
            made = True
            async with engine.begin() as c:
                await c.execute(text("CREATE TABLE t (id INT PRIMARY KEY, n INT)"))
                await c.execute(text("INSERT INTO t VALUES (1, 1)"))
        try:
            async with asyncio.timeout(1.0), engine.begin() as c:
                await c.execute(text("UPDATE t SET n = n + 1 WHERE id = 1"))
                await asyncio.sleep(1.5)
        except TimeoutError:
            return "late"
    """
    result = run_asgi(app(body), ASKS, users=3)
    assert result.failure == ""
    assert result.invariants["transactions_left_open"] == 0


def test_asyncio_in_a_thread_of_a_wsgi_application(run_app):
    code = """
    import asyncio
    async def both():
        await asyncio.gather(asyncio.sleep(1), asyncio.sleep(2))
    def app(environ, start_response):
        asyncio.run(both())
        start_response("200 OK", [])
        return [b"{}"]
    """
    result = run_app(code, ASKS, users=3)
    assert result.failure == ""
    assert result.metrics["http_req_duration"]["max"] == pytest.approx(2000, abs=20)


def test_an_asynchronous_engine_outside_a_coroutine_is_sqlalchemys_own_error(run_app):
    code = """
    from sqlalchemy import create_engine
    engine = create_engine("postgresql+asyncpg://u@h/d")
    def app(environ, start_response):
        engine.connect()
    """
    assert run_app(code, ASKS).errors["GET /"] == {"MissingGreenlet": 1}
