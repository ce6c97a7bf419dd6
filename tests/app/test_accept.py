"""Connections that the main thread of a worker accepts, and code that is cold at first."""

from __future__ import annotations

import pytest

APP = """
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/cold":
        time.sleep(0.001)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
ASYNC_APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""
ONCE = """
def customer(user):
    user.get("/")
    user.finish()
"""
TWICE = """
def customer(user):
    user.get("/cold")
    user.get("/cold")
    user.finish()
"""


def longest(result, endpoint="GET /"):
    return result.metrics[f"http_req_duration{{endpoint:{endpoint}}}"]["max"]


def shortest(result, endpoint="GET /"):
    return result.metrics[f"http_req_duration{{endpoint:{endpoint}}}"]["min"]


def test_connections_are_accepted_one_after_the_other(run_app):
    """A rush of 200 connections at 2 ms each, in two main threads on two cores: 0.2 s or more."""
    free = run_app(APP, ONCE, users=200, workers=2)
    slow = run_app(APP, ONCE, users=200, workers=2, accept_s=0.002)
    assert slow.outcomes == free.outcomes == {"GET /": {"200": 200}}
    assert longest(slow) > 200.0
    assert longest(slow) > longest(free) + 100.0


def test_a_rush_of_connections_is_accepted_before_many_are_answered(run_app):
    """The main thread keeps the interpreter for a whole slice: first answers come late."""
    slow = run_app(APP, ONCE, users=100, accept_s=0.001)
    none = run_app(APP, ONCE, users=100)
    assert shortest(slow) > shortest(none) + 4.0


def test_workers_that_begin_again_accept_again(run_app):
    customer = """
def customer(user):
    for _ in range(10):
        user.get("/")
        user.sleep(3.0)
    user.finish()
"""
    result = run_app(APP, customer, users=4, workers=2, accept_s=0.001, max_requests=5, boot_s=0.1)
    assert result.outcomes == {"GET /": {"200": 40}}


def test_processes_that_are_killed_lose_what_waits_and_accept_again(run_app, monkeypatch):
    from sim.app.server import ApplicationServer

    begun = ApplicationServer.start

    def start(server):
        begun(server)
        server.env.call_in(1.05, server.kill)
        server.env.call_in(2.0, server.restart)

    monkeypatch.setattr(ApplicationServer, "start", start)
    customer = """
def customer(user):
    while not user.get("/").ok:
        user.sleep(1.0)
    user.finish()
"""
    result = run_app(APP, customer, users=50, workers=2, accept_s=0.01)
    assert result.ended == "completed"
    assert result.outcomes["GET /"]["200"] == 50
    assert result.errors["GET /"]["ConnectionReset"] > 0


@pytest.mark.parametrize(("code", "is_asgi"), [(APP, False), (ASYNC_APP, True)])
def test_the_first_requests_of_a_process_find_cold_code(run_app, code, is_asgi):
    cold = run_app(code, TWICE, is_asgi=is_asgi, cold_s={"GET /cold": 0.02})
    warm = run_app(code, TWICE, is_asgi=is_asgi)
    assert longest(cold, "GET /cold") > longest(warm, "GET /cold") + 19.0
    assert shortest(cold, "GET /cold") < 15.0


def test_all_requests_that_begin_while_the_code_is_cold_pay_for_it(run_app):
    """Four requests at once, 20 ms of cold code each, under one interpreter's lock."""
    result = run_app(APP, TWICE, users=4, cold_s={"GET /cold": 0.02})
    assert longest(result, "GET /cold") > 75.0


def test_requests_on_open_connections_pass_the_main_thread_of_their_worker(run_app):
    """Ten users at 20 ms each, who ask again on their connections: 0.2 s per round."""
    result = run_app(APP, TWICE, users=10, accept_s=0.02, keepalive_s=5.0)
    assert result.outcomes == {"GET /cold": {"200": 20}}
    assert longest(result, "GET /cold") > 190.0
    assert shortest(result, "GET /cold") > 20.0
