"""The same service answers alike over HTTP on wall time and on simulated time."""

import dataclasses
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from experiments.config.reading import load
from experiments.interop.programs import free_port
from model.http import Request, to_json
from sim.kernel.environment import Environment
from sim.kernel.random_streams import Streams
from sim.machines.host import Host
from sim.redis.server import RedisServer
from sim.service.costs import Costs
from sim.service.host import Server
from sim.service.initial_data import CONCERT_DATE, fill_tables

PROGRAM = Path(sys.executable).with_name("ticketsim")
# No sweep comes between: the answers depend on the requests only.
SETTINGS = ["catalogue.capacity=1", "catalogue.seats=120", "policy.sweep_interval_s=3600.0"]


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    body: object


def scenario(call):
    """Every endpoint, in the order of a customer, with what can go wrong at each."""
    answers = {}

    def ask(name, method, path, *, headers=None, query=None, body=None):
        answers[name] = call(Request(method, path, headers or {}, query or {}, body))
        return answers[name].body

    def enter(name, user, concert=1):
        body = {"userId": user, "concertId": concert}
        return ask(name, "POST", "/v1/token/generation", body=body)

    first = enter("let in", 1)
    second = enter("has to wait", 2)
    enter("asks again", 1)
    enter("unknown user", 999_999)
    enter("unknown concert", 3, 77)
    ask("no body", "POST", "/v1/token/generation")
    ask("wrong method", "GET", "/v1/token/generation")
    ask("no such route", "GET", "/v1/nothing")

    check = "/v1/token/check"
    ask("place", "GET", check, headers={"WaitingToken": second["jwt"]})
    ask("place without token", "GET", check)
    ask("place with undefined", "GET", check, headers={"WaitingToken": "undefined"})
    ask("place with an access token", "GET", check, headers={"WaitingToken": first["jwt"]})

    bearer = {"Authorization": f"Bearer {first['jwt']}"}
    dates = "/v1/concerts/1/available-dates"
    seats = "/v1/concerts/1/available-seats"
    ask("dates", "GET", dates, headers=bearer)
    ask("dates without token", "GET", dates)
    ask("dates while waiting", "GET", dates, headers={"Authorization": f"Bearer {second['jwt']}"})
    ask("dates of another concert", "GET", "/v1/concerts/2/available-dates", headers=bearer)
    ask("seats", "GET", seats, headers=bearer, query={"date": CONCERT_DATE})
    ask("second page", "GET", seats, headers=bearer, query={"date": CONCERT_DATE, "page": "1"})
    ask("seats without date", "GET", seats, headers=bearer)

    booking = "/v1/concerts/1/booking"
    seat = {"date": CONCERT_DATE, "seatId": 17}
    booked = ask("booking", "POST", booking, headers=bearer, body=seat)
    ask("seat taken", "POST", booking, headers=bearer, body=seat)
    nowhere = {**seat, "seatId": 5000}
    ask("no such seat", "POST", booking, headers=bearer, body=nowhere)
    ask("seats left", "GET", seats, headers=bearer, query={"date": CONCERT_DATE})

    payment = f"/v1/bookings/{booked['bookingId']}/payment"
    ask("pay for undefined", "POST", "/v1/bookings/undefined/payment", headers=bearer)
    ask("pay for nothing", "POST", "/v1/bookings/4711/payment", headers=bearer)
    ask("payment", "POST", payment, headers=bearer)
    ask("pay twice", "POST", payment, headers=bearer)
    return answers


def comparable(answers):
    """Answers with the one thing that time goes into, the token, reduced to its form."""
    form = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
    return {
        name: (
            answer.status,
            {
                key: "a token" if key == "jwt" and form.fullmatch(value) else value
                for key, value in answer.body.items()
            },
        )
        for name, answer in answers.items()
    }


def on_simulated_time(world):
    env = Environment()
    server = Server(
        env,
        world,
        Costs.load(),
        Host(env, world.host),
        RedisServer(
            clock=lambda: world.catalogue.opening_epoch_s + env.now,
            rng=Streams(1).python_random("redis"),
            settings=world.redis,
        ),
        Streams(1),
        size=1.0,
    )
    fill_tables(server.database, world.catalogue)
    answers = {}

    def call(request):
        response = server.service.handle(request)
        return Answer(response.status, json.loads(to_json(response.body)))

    # A service thread of its own: what it asks of database and Redis is charged like the rest.
    server.runtime.spawn("requests", lambda: answers.update(scenario(call)))
    env.run(until=60.0)
    env.close()
    return answers


@pytest.fixture
def redis_url(tmp_path):
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [shutil.which(command[0]), *command[1:]], cwd=tmp_path, stdout=subprocess.DEVNULL
    ) as server:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


def wait_for_first_sweep(redis_url):
    """The sweep at start-up wipes or tidies the queue: on simulated time, before anyone comes."""
    deadline = time.monotonic() + 20
    with redis.Redis.from_url(redis_url) as client:
        while time.monotonic() < deadline:
            commands = client.info("commandstats")
            # The last thing a sweep asks of a concert in which there is nobody to promote.
            if any(name.startswith("cmdstat_zremrangeby") for name in commands) and (
                "cmdstat_zcard" in commands
            ):
                time.sleep(0.2)
                return
            time.sleep(0.02)
    raise TimeoutError("no sweep")


def over_http(assignments, redis_url, folder):
    options = [part for assignment in assignments for part in ("--set", assignment)]
    command = [PROGRAM, "serve", "smoke", *options, "--port", "0", "--redis", redis_url]
    with subprocess.Popen(
        [*command, "--database", folder / "served.sqlite"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = iter(process.stderr.readline, "")
            # Before it, warnings of values outside their plausible range.
            line = next(line for line in lines if line.startswith("serving on"))
            port = int(re.search(r"http://127\.0\.0\.1:(\d+);", line)[1])
            wait_for_first_sweep(redis_url)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            return scenario(lambda request: _http(connection, request))
        finally:
            process.terminate()
            process.stderr.read()


def _http(connection, request):
    query = "&".join(f"{key}={value}" for key, value in request.query.items())
    body = None if request.body is None else json.dumps(request.body)
    connection.request(
        request.method,
        f"{request.path}?{query}" if query else request.path,
        body,
        dict(request.headers),
    )
    response = connection.getresponse()
    return Answer(response.status, json.loads(response.read()))


@pytest.mark.redis_server
@pytest.mark.parametrize("preset", ["correct", "incident"])
def test_http_and_simulated_time_give_the_same_answers(preset, redis_url, tmp_path):
    assignments = [f'policy.preset="{preset}"', *SETTINGS]
    simulated = comparable(on_simulated_time(load("smoke", assignments).world))
    served = comparable(over_http(assignments, redis_url, tmp_path))
    assert served == simulated
    assert simulated["let in"] == (200, {"jwt": "a token", "type": "ACCESS"})
    assert simulated["has to wait"] == (200, {"jwt": "a token", "type": "WAIT"})
    assert simulated["booking"][0] == simulated["payment"][0] == 200
    assert simulated["place"][0] == (200 if preset == "correct" else 500)
    assert simulated["place with undefined"][0] == 401
    assert simulated["seat taken"] == (409, {"code": 3003, "desc": served["seat taken"][1]["desc"]})
