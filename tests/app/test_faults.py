"""Faults act on an application as on the ticket service."""

from __future__ import annotations

from dataclasses import replace

from sim.faults.settings import ServicePause
from sim.world import World

APP = """
    def app(environ, start_response):
        import redis
        redis.Redis(host="cache").incr("visits")
        start_response("200 OK", [])
        return [b"ok"]
"""
ASKS = """
    def customer(user):
        user.sleep(1.0)
        user.get("/")
        user.finish()
"""


def test_who_comes_while_the_service_stands_still_waits_until_it_goes_on(run_app):
    pause = ServicePause("service_pause", at_s=0.5, for_s=3.0)
    paused = run_app(APP, ASKS, world=replace(World(), faults=(pause,)))
    assert paused.outcomes == {"GET /": {"200": 1}}
    assert 2_400.0 < paused.metrics["http_req_duration"]["max"] < 2_600.0
    assert any("stood still for 3 s" in note for note in paused.notes)
    assert run_app(APP, ASKS).metrics["http_req_duration"]["max"] < 100.0
