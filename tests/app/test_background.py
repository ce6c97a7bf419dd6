"""Processes beside the web server: queues of Redis, schedulers, ends and errors."""

from __future__ import annotations

import pytest

from sim.world.application import Background
from tests.app import seen

CODE = """
    import json, time, threading
    import redis
    r = redis.Redis(decode_responses=True, socket_timeout=None)
    def app(environ, start_response):
        r.rpush("jobs", json.dumps({"at": time.time()}))
        start_response("200 OK", [])
        return [b"{}"]
    BODY
"""
ASKS = """
    from tests.app import seen
    def customer(user):
        user.sleep(user.rng.uniform(0.0, 20.0))
        user.get("/")
        user.sleep(30)
        user.finish()
"""
COUNTS = """
    def check(rows, keys):
        from tests.app import seen
        seen.ANSWERS[:] = [keys["done"], keys["left"], keys.size("jobs")]
        return {}
"""


@pytest.fixture
def run_beside(run_app):
    def run(body, *, users=5, processes=1, **options):
        seen.ANSWERS.clear()
        code = CODE.replace("    BODY", (body + COUNTS).strip("\n"))
        result = run_app(
            code,
            ASKS,
            users=users,
            invariants=":check",
            background=(Background(run=":work", processes=processes),),
            **options,
        )
        return result, seen.ANSWERS

    return run


def test_a_worker_takes_jobs_from_a_list_as_they_come(run_beside):
    body = """
    def work():
        while True:
            _, job = r.blpop("jobs")
            time.sleep(1)
            r.rpush("done", str(round(time.time() - json.loads(job)["at"], 1)))
    """
    result, (done, _, left) = run_beside(body)
    assert result.failure == ""
    assert left == 0
    assert len(done) == 5
    assert min(float(each) for each in done) == pytest.approx(1.0, abs=0.11)


def test_every_job_is_taken_once_and_two_workers_take_turns(run_beside):
    body = """
    def work():
        me = r.incr("workers")
        while True:
            job = r.blpop("jobs", timeout=2)
            if job is None:
                r.incr("left")
            else:
                r.rpush("done", me)
    """
    result, (done, idle, left) = run_beside(body, users=20, processes=2)
    assert result.failure == ""
    assert left == 0
    assert len(done) == 20
    assert {bytes(each) for each in done} == {b"1", b"2"}
    assert int(bytes(idle)) > 5


def test_a_coroutine_waits_for_a_queue_and_a_stream(run_beside):
    body = """
    async def work():
        import asyncio
        import redis.asyncio
        a = redis.asyncio.Redis(decode_responses=True, socket_timeout=None)
        async def move():
            while True:
                _, job = await a.blpop("jobs", timeout=0)
                await a.xadd("stream", {"job": job})
        asyncio.create_task(move())
        last = "0"
        while True:
            for _, entries in (await a.xread({"stream": last}, block=5000)) or []:
                for last, _ in entries:
                    await a.rpush("done", last)
    """
    result, (done, _, left) = run_beside(body)
    assert result.failure == ""
    assert (len(done), left) == (5, 0)


def test_a_socket_that_waits_for_a_shorter_time_is_redis_pys_own_timeout(run_beside):
    body = """
    def work():
        impatient = redis.Redis(socket_timeout=5, retry=None)
        began = time.time()
        try:
            impatient.blpop("nothing", timeout=0)
        except redis.TimeoutError:
            r.rpush("done", round(time.time() - began))
    """
    result, (done, *_) = run_beside(body, users=1)
    assert result.failure == ""
    assert int(bytes(done[0])) == 5


@pytest.mark.parametrize(
    "start",
    [
        """
        from apscheduler.schedulers.blocking import BlockingScheduler
        scheduler = BlockingScheduler(timezone="UTC")
        scheduler.add_job(lambda: r.rpush("done", 1), "interval", seconds=10)
        scheduler.start()
        """,
        """
        from apscheduler.schedulers.background import BackgroundScheduler
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(lambda: r.rpush("done", 1), "interval", seconds=10)
        scheduler.start()
        threading.Event().wait()
        """,
    ],
)
def test_a_scheduler_of_apscheduler_runs_on_simulated_time(run_beside, start):
    result, (done, *_) = run_beside(f"\n    def work():{start}", users=1)
    assert result.failure == ""
    assert len(done) in {3, 4}


def test_a_process_that_fails_is_counted_and_started_again(run_beside):
    body = """
    def work():
        r.incr("left")
        time.sleep(4)
        1 / 0
    """
    result, (_, starts, _) = run_beside(body, users=1)
    assert result.ended == "completed"
    assert int(bytes(starts)) > 5
    assert result.exceptions["background worker"]["ZeroDivisionError"] >= 5


def test_the_code_of_a_process_is_charged_to_the_same_machine(run_beside):
    busy = """
    def work():
        while True:
            time.sleep(0)
            r.incr("left")
    """
    result, (_, count, _) = run_beside(busy, users=1, segment_s=0.1)
    assert result.failure == ""
    assert 150 < int(bytes(count)) < 500


def test_a_function_that_is_not_there_says_so(run_beside):
    result, _ = run_beside("    other = 1")
    assert result.ended == "failed"
    assert "app.background.run" in result.failure
