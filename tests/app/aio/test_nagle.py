"""An answer in two parts, as the same exchange over a real loopback socket without TCP_NODELAY."""

from __future__ import annotations

import socket
import sys
import threading
import time

import pytest

from sim.app.aio.server import AsgiApplicationServer
from tests.app import seen

GAPS_S = (0.0, 0.02, 0.1, 0.0, 2.0)
APP = """
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
"""
ASKS = f"""
    import time
    from tests.app import seen
    def customer(user):
        for gap_s in (5.0, *{GAPS_S}):
            user.sleep(gap_s)
            began_s = time.monotonic()
            user.get("/")
            seen.ANSWERS.append(time.monotonic() - began_s)
        user.finish()
"""


def waits(latencies_s):
    return [late_s > 0.03 for late_s in latencies_s]


def simulated(run_asgi, **app):
    seen.ANSWERS.clear()
    assert run_asgi(APP, ASKS, **app).failure == ""
    return list(seen.ANSWERS)


def test_who_asks_soon_after_an_answer_waits_for_the_delayed_acknowledgement(run_asgi):
    assert waits(simulated(run_asgi, nagle=True)) == [False, True, True, False, True, False]
    assert not any(waits(simulated(run_asgi)))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems delay in other ways")
def test_the_simulated_waits_are_those_of_a_real_loopback_connection(run_asgi):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            while connection.recv(100):
                connection.send(b"h" * 100)
                connection.send(b"b" * 50)

    threading.Thread(target=serve, daemon=True).start()
    real_s, since_s, answered_s = [], [], time.perf_counter()
    with listener, socket.create_connection(listener.getsockname()) as client:
        for gap_s in (0.0, *GAPS_S[:4]):
            time.sleep(gap_s)
            began_s = time.perf_counter()
            client.sendall(b"x" * 50)
            answer = b""
            while len(answer) < 150:
                answer += client.recv(1000)
            since_s.append(began_s - answered_s)
            answered_s = time.perf_counter()
            real_s.append(answered_s - began_s)
    expected = waits(simulated(run_asgi, nagle=True))[:5]
    # On a busy machine a request may come later than asked for, and any answer may take long.
    soon = [at for at in range(5) if expected[at] and since_s[at] < 0.03]
    assert all(real_s[at] > 0.03 for at in soon)
    assert min(real_s[at] for at in range(5) if not expected[at]) < 0.03


def test_a_service_that_dies_takes_the_bodies_that_it_held_back_with_it(run_asgi, monkeypatch):
    asks = """
    from tests.app import seen
    def customer(user):
        for _ in range(3):
            seen.ANSWERS.append(user.get("/").status)
        user.finish()
    """
    answers = AsgiApplicationServer.answer

    def dies_meanwhile(server, exchange):
        answers(server, exchange)
        if server._on_their_way:
            server.env.call_in(0.01, server.kill)

    monkeypatch.setattr(AsgiApplicationServer, "answer", dies_meanwhile)
    seen.ANSWERS.clear()
    assert run_asgi(APP, asks, nagle=True).failure == ""
    assert seen.ANSWERS == [200, 0, 0]
