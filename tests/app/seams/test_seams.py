"""What an application's libraries see of simulated time, chance, threads, Redis and the network."""

from __future__ import annotations

import json

import pytest

from sim.world import HttpStub
from tests.app import seen

ASKS = """
    from tests.app import seen
    def customer(user):
        user.sleep(1.0)
        seen.ANSWERS.append(user.get("/").json())
        user.finish()
"""
ANSWER = """
        body = json.dumps(found).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body]
"""


@pytest.fixture
def ask(run_app):
    """Run the body of a request handler; return what it put into `found`."""

    def run(body, before="", **app):
        lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
        code = (
            "    import json, time, threading, os, random, secrets, uuid, queue\n"
            + "\n".join(f"    {line}" for line in before.strip().splitlines())
            + "\n    def app(environ, start_response):\n        found = {}\n"
            + lines
            + ANSWER
        )
        result = run_app(code, ASKS, **app)
        assert result.ended == "completed", result.failure
        assert result.outcomes == {"GET /": {"200": 1}}, (result.outcomes, result.exceptions)
        return seen.ANSWERS.pop()

    return run


def test_clocks_follow_simulated_time(ask):
    found = ask(
        """
import datetime
a, m = time.time(), time.monotonic()
time.sleep(3.5)
found["wall"] = time.time() - a
found["mono"] = time.monotonic() - m
found["year"] = datetime.datetime.now(datetime.timezone.utc).year
found["epoch"] = a
"""
    )
    assert found["wall"] == pytest.approx(3.5, abs=0.01)
    assert found["mono"] == pytest.approx(3.5, abs=0.01)
    assert found["year"] == 2024
    assert found["epoch"] == pytest.approx(1_732_000_002.0, abs=0.1)


def test_a_name_imported_before_is_led_to_simulated_time_too(ask):
    found = ask(
        "began = monotonic()\nsleep(2)\nfound['t'] = monotonic() - began",
        "from time import sleep, monotonic",
    )
    assert found["t"] == pytest.approx(2.0, abs=0.01)


def test_threads_locks_events_queues_and_executors(ask):
    found = ask(
        """
from concurrent.futures import ThreadPoolExecutor
began = time.monotonic()
with ThreadPoolExecutor(2) as pool:
    found["map"] = list(pool.map(lambda n: (time.sleep(1), n)[1], range(4)))
found["after map"] = round(time.monotonic() - began, 2)
q, e, c = queue.Queue(1), threading.Event(), threading.Condition()
threading.Timer(0.5, e.set).start()
found["event"] = e.wait(5)
found["after event"] = round(time.monotonic() - began, 2)
with c:
    found["condition"] = c.wait(timeout=1.0)
threading.Thread(target=lambda: (time.sleep(1), q.put("x"))).start()
found["queue"] = q.get(timeout=3)
local = threading.local()
local.x = 1
found["other's local"] = []
t = threading.Thread(target=lambda: found["other's local"].append(hasattr(local, "x")))
t.start(); t.join()
found["end"] = round(time.monotonic() - began, 1)
"""
    )
    assert found["map"] == [0, 1, 2, 3]
    assert found["after map"] == pytest.approx(2.0, abs=0.05)
    assert found["event"] is True
    assert found["after event"] == pytest.approx(2.5, abs=0.05)
    assert found["condition"] is False
    assert found["queue"] == "x"
    assert found["other's local"] == [False]
    assert found["end"] == pytest.approx(4.5, abs=0.1)


def test_chance_repeats_with_the_seed(ask):
    body = (
        "found['all'] = [random.random(), secrets.token_hex(4), str(uuid.uuid4()), "
        "str(uuid.uuid1())]"
    )
    assert ask(body) == ask(body) != ask(body, seed=2)


def test_redis_pools_pipelines_locks_and_scripts(ask):
    found = ask(
        """
r.set("a", 1)
with r.pipeline() as pipe:
    pipe.incr("a"); pipe.incr("a"); pipe.get("a")
    found["pipe"] = pipe.execute()
with r.lock("l", timeout=5, blocking_timeout=1):
    found["second"] = r.lock("l", blocking_timeout=0.2).acquire()
found["script"] = r.eval("return redis.call('incrby', KEYS[1], ARGV[1])", 1, "a", 10)
r.hset("h", mapping={"x": 1})
found["hash"] = r.hgetall("h")
found["zset"] = r.zadd("z", {"m": 2.5}) and r.zrange("z", 0, -1, withscores=True)
try:
    r.incr("h")
except redis.ResponseError as error:
    found["error"] = str(error)
""",
        "import redis\nr = redis.Redis(host='cache', decode_responses=True)",
    )
    assert found["pipe"] == [2, 3, "3"]
    assert found["second"] is False
    assert found["script"] == 13
    assert found["hash"] == {"x": "1"}
    assert found["zset"] == [["m", 2.5]]
    assert "WRONGTYPE" in found["error"]


STUB = {"pay.example": HttpStub(latency_s=0.25, body='{"paid": true}')}


@pytest.mark.parametrize(
    "call",
    [
        "import requests; answer = requests.get(URL, timeout=2).json()",
        "import httpx; answer = httpx.get(URL, timeout=2).json()",
        "import urllib.request; answer = json.load(urllib.request.urlopen(URL, timeout=2))",
        "import requests; answer = requests.Session().post(URL, json={'a': 1}, timeout=2).json()",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_stub_answers_after_its_latency(ask, call, scheme):
    url = f"{scheme}://pay.example/charge"
    found = ask(
        f"URL = {url!r}\nbegan = time.monotonic()\n{call}\n"
        "found['answer'], found['t'] = answer, time.monotonic() - began",
        http=STUB,
    )
    assert found["answer"] == {"paid": True}
    assert found["t"] == pytest.approx(0.25, abs=0.02)


def test_a_slow_stub_is_the_librarys_own_timeout_and_failures_are_answers(ask):
    stubs = {
        "slow.example": HttpStub(latency_s=9.0),
        "bad.example": HttpStub(fails=1.0, fail_status=503),
    }
    found = ask(
        """
import requests
began = time.monotonic()
try:
    requests.get("http://slow.example/", timeout=1)
except requests.Timeout as error:
    found["slow"] = type(error).__name__
found["t"] = time.monotonic() - began
found["bad"] = requests.get("http://bad.example/").status_code
""",
        http=stubs,
    )
    assert found["slow"] == "ReadTimeout"
    assert found["t"] == pytest.approx(1.0, abs=0.02)
    assert found["bad"] == 503


def test_what_it_prints_and_logs_is_not_shown_but_counted(run_app, capfd):
    code = """
        import logging
        log = logging.getLogger("shop")
        def app(environ, start_response):
            print("hello from the shop")
            log.warning("careful")
            try:
                1 / 0
            except ZeroDivisionError:
                log.exception("broken")
            start_response("500 Internal Server Error", [])
            return [b""]
    """
    asks = "def customer(user):\n        user.get('/')\n        user.finish()\n"
    result = run_app(code, asks)
    assert result.exceptions == {"GET /": {"ZeroDivisionError": 1}}
    assert result.errors == {"GET /": {"ZeroDivisionError": 1}}
    assert any("WARNING 1" in note for note in result.notes)
    assert "hello" not in "".join(capfd.readouterr())
    assert json.dumps(result.notes)
