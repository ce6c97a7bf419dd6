"""What an ASGI application may not do: each error names the place, the call and the way out."""

from __future__ import annotations

import pytest

from tests.app.aio.test_asyncio import app

ASKS = """
    def customer(user):
        user.get("/")
        user.finish()
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("app = 3", "not callable"),
        ("def app(environ, start_response): ...", "it takes 2, as WSGI: wsgi ="),
        ("from flask import Flask\napp = Flask(__name__)", "Flask is no ASGI application"),
        ("1 / 0", "ZeroDivisionError"),
        ("class app:\n    async def __call__(self, scope, receive, send): ...", "app()"),
    ],
)
def test_what_is_no_asgi_application_says_why(run_asgi, code, words):
    result = run_asgi(code, ASKS)
    assert result.ended == "failed"
    assert words in result.failure
    assert "app.asgi own_app" in result.failure


def test_an_asgi_application_under_the_name_of_wsgi_says_so(run_app):
    result = run_app("from fastapi import FastAPI\napp = FastAPI()", ASKS)
    assert result.ended == "failed"
    assert 'asgi = "own_app' in result.failure


LIFESPAN = """
    from contextlib import asynccontextmanager
    from fastapi import FastAPI
    @asynccontextmanager
    async def lifespan(app):
        raise RuntimeError("no bank")
        yield
    app = FastAPI(lifespan=lifespan)
"""


def test_a_startup_that_fails_names_its_line(run_asgi):
    result = run_asgi(LIFESPAN, ASKS)
    assert result.ended == "failed"
    assert ".py:6: app.asgi own_app" in result.failure
    assert "startup of the application failed: RuntimeError: no bank" in result.failure
    assert run_asgi(LIFESPAN, ASKS, lifespan="off").ended == "completed"


def test_an_application_without_lifespan_is_served_unless_it_is_wanted(run_asgi):
    code = app("    async def serve(): ...")
    assert run_asgi(code, ASKS).ended == "completed"
    assert "app.lifespan is on" in run_asgi(code, ASKS, lifespan="on").failure


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("await asyncio.open_connection('127.0.0.1', 9)", "create_connection"),
        ("await asyncio.start_server(print, '127.0.0.1', 8000)", "create_server"),
        ("await asyncio.create_subprocess_exec('true')", "subprocess_exec"),
        ("import httpx; await httpx.AsyncClient().get('http://api.example/x')", "api.example"),
        ("import asyncpg; await asyncpg.connect('postgresql://u@db/d')", "by asyncpg"),
        ("import asyncpg; await asyncpg.create_pool('postgresql://u@db/d')", "by asyncpg"),
        ("import aiomysql; await aiomysql.connect(host='db')", "by aiomysql"),
        ("import redis.asyncio as r; await r.Redis().pubsub().subscribe('x')", "subscribe"),
        (
            "import sqlalchemy.ext.asyncio as s; s.create_async_engine('sqlite+aiosqlite:///a.db')",
            "create_engine('sqlite+aiosqlite:///a.db')",
        ),
        ("import os; os.fork()", "os.fork"),
    ],
)
def test_a_refused_call_names_the_line_and_what_to_do(run_asgi, body, words):
    result = run_asgi(app(f"    async def serve():\n        {body}"), ASKS)
    assert result.ended == "failed"
    assert words.lower() in result.failure.lower()
    assert "own_app" in result.failure
    assert ".py:" in result.failure.partition(" in serve")[0]


def test_a_statement_that_is_not_simulated_is_shown_with_its_line(run_asgi):
    body = """
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    engine = create_async_engine("mysql+aiomysql://u@h/d")
    async def serve():
        async with engine.begin() as c:
            await c.execute(text("SELECT GET_LOCK('a', 1)"))
    """
    result = run_asgi(app(body), ASKS)
    assert result.ended == "failed"
    assert "SELECT GET_LOCK" in result.failure
    assert "in serve" in result.failure


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True: await asyncio.sleep(0)",
        "asyncio.create_task(spin())\n        await asyncio.sleep(1)",
    ],
)
def test_a_coroutine_that_never_yields_or_never_waits_is_ended(run_asgi, body):
    spin = "    async def spin():\n        while True: pass\n"
    code = app(f"{spin}    async def serve():\n        {body}")
    result = run_asgi(code, ASKS, users=2, patience_s=1.0)
    assert result.ended == "failed"
    assert "stood still" in result.failure
    assert "own_app" in result.failure


def test_an_error_of_the_application_is_an_answer_and_a_missing_answer_too(run_asgi):
    raised = run_asgi(app("    async def serve(): 1 / 0"), ASKS)
    assert raised.errors["GET /"] == {"ZeroDivisionError": 1}
    assert raised.outcomes["GET /"] == {"500": 1}
    silent = "async def app(scope, receive, send): ..."
    assert run_asgi(silent, ASKS, lifespan="off").errors["GET /"] == {"NoResponse": 1}


def test_a_coroutine_that_never_answers_lets_its_client_time_out(run_asgi):
    result = run_asgi(app("    async def serve(): await asyncio.Event().wait()"), ASKS)
    assert result.ended == "completed"
    assert result.errors["GET /"] == {"RequestTimeout": 1}


def test_both_keys_at_once_are_refused(tmp_path):
    from experiments.config.reading import load
    from experiments.errors import ConfigError

    path = tmp_path / "both.toml"
    path.write_text('name = "both"\n[app]\nwsgi = "json:dumps"\nasgi = "json:dumps"\n')
    with pytest.raises(ConfigError, match="not both"):
        load(str(path))


def test_a_coroutine_that_ends_the_program_ends_the_run_with_its_line(run_asgi):
    code = """
    async def app(scope, receive, send):
        if scope["type"] == "http":
            raise SystemExit(3)
        await receive()
        await send({"type": "lifespan.startup.complete"})
    """
    result = run_asgi(code, ASKS)
    assert result.ended == "failed"
    assert "own_app" in result.failure
    assert "SystemExit(3) ends the program itself" in result.failure
