"""redis-py on the simulated Redis and on a real redis-server: the same answers.

The simulated side runs inside an application, so its connections, pools, pipelines, locks and
scripts are redis-py's own on the seams.
"""

from __future__ import annotations

import os

import pytest
import redis

from tests.app import seen
from tests.app.conftest import run_app as _run_app
from tests.contract.own_app.redis_sessions import answers
from tests.support.redis_real import real_redis

run_app = _run_app
pytestmark = pytest.mark.redis_server
OPERATIONS = 60
APP = """
    import redis
    from tests.app import seen
    from tests.contract.own_app.redis_sessions import answers

    def connect():
        return redis.Redis(host="cache", decode_responses=True)

    def app(environ, start_response):
        for seed in range({first}, {last}):
            seen.ANSWERS.append(answers(seed, {count}, connect))
        start_response("200 OK", [])
        return [b""]
"""
ASKS = "def customer(user):\n    user.get('/', patience_s=1e6)\n    user.finish()\n"


def tried(run_app, figures, first, last):
    seen.ANSWERS.clear()
    code = APP.format(first=first, last=last, count=OPERATIONS)
    result = run_app(code, ASKS, max_s=1e6, patience_s=300.0)
    assert result.ended == "completed", result.failure
    assert result.outcomes == {"GET /": {"200": 1}}, (result.outcomes, result.exceptions)
    differences = []
    with real_redis() as server:
        port = server.connection_pool.connection_kwargs["port"]

        def connect():
            return redis.Redis(port=port, decode_responses=True)

        for seed, ours in zip(range(first, last), seen.ANSWERS, strict=True):
            theirs = answers(seed, OPERATIONS, connect)
            if ours != theirs:
                pairs = enumerate(zip(ours, theirs, strict=True))
                at = next(number for number, (left, right) in pairs if left != right)
                differences.append((seed, at, theirs[at], ours[at]))
    figures("operations of two redis-py clients", OPERATIONS * (last - first))
    figures("sessions of redis-py that differ", len(differences))
    assert not differences, told(differences)


def told(differences):
    lines = [f"{len(differences)} sessions differ"]
    for seed, at, real, simulated in differences[:6]:
        lines += [f"seed {seed}, step {at}:", f"  real      {real}", f"  simulated {simulated}"]
    return "\n".join(lines)


def test_two_clients_get_the_real_servers_answers(run_app, figures):
    tried(run_app, figures, 0, 10)


@pytest.mark.slow
def test_two_clients_get_the_real_servers_answers_over_many_seeds(run_app, figures):
    tried(run_app, figures, 1_000, 1_000 + int(os.environ.get("TICKETSIM_SCHEDULES", "60")))
