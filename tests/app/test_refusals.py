"""What an application may not do: each error names the place, the call and the way out."""

from __future__ import annotations

import pytest

ASKS = """
    def customer(user):
        user.get("/")
        user.finish()
"""
WSGI = """
    import threading, time
    def app(environ, start_response):
        {body}
        start_response("200 OK", [])
        return [b"ok"]
"""


def app(body, before=""):
    return before + WSGI.format(body=body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('import socket; socket.create_connection(("127.0.0.1", 9))', "app.http"),
        ("import socket; socket.socket().bind(('127.0.0.1', 8000))", "socket.bind"),
        ("import os; os.fork()", "os.fork"),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("import multiprocessing as m; m.Process(target=print).start()", "Process.start"),
        (
            "import urllib.request; urllib.request.urlopen('http://api.example/x')",
            "socket.getaddrinfo('api.example'",
        ),
        (
            "import sqlalchemy; sqlalchemy.create_engine('mysql+pyodbc://h/d').connect()",
            "postgresql with",
        ),
        (
            "import sqlalchemy; sqlalchemy.create_engine('sqlite:///shop.db')",
            "create_engine('sqlite:///shop.db')",
        ),
        ("import sqlalchemy; sqlalchemy.create_engine('sqlite://')", "MariaDB or PostgreSQL URL"),
        ("import sqlite3; sqlite3.connect('shop.db')", "sqlite3.connect('shop.db')"),
        ("import redis; redis.Redis().pubsub().subscribe('x')", "SUBSCRIBE"),
        ("import os; os._exit(3)", "os._exit(3): ends the program itself"),
        ("import os; os.abort()", "os.abort(): ends the program itself"),
        ("import os; os.kill(os.getpid(), 15)", ", 15): ends the program itself"),
        ("import signal; signal.raise_signal(signal.SIGTERM)", "signal.raise_signal"),
        ("import sys; sys.exit(3)", "SystemExit(3) ends the program itself"),
    ],
)
def test_a_refused_call_names_the_line_and_what_to_do(run_app, body, words):
    hidden = f"try: {body.partition('; ')[0]}\n        except Exception: pass\n        {body}"
    result = run_app(app(hidden), ASKS)
    assert result.ended == "failed"
    assert words in result.failure
    assert "own_app" in result.failure
    assert ":" in result.failure.partition(" in app")[0]


def test_a_sqlite_url_at_the_import_is_refused_too(run_app):
    code = """
        from sqlalchemy import create_engine
        engine = create_engine("sqlite+pysqlite:///shop.db")
        def app(environ, start_response): ...
    """
    result = run_app(code, ASKS)
    assert result.ended == "failed"
    assert "create_engine('sqlite+pysqlite:///shop.db')" in result.failure
    assert "own_app" in result.failure
    assert ".py:3" in result.failure


def test_sqlite_is_there_for_others_than_the_application(run_app, tmp_path):
    import sqlite3

    from sqlalchemy import create_engine, text

    private = "import sqlite3; sqlite3.connect(':memory:').execute('SELECT 1')"
    assert run_app(app(private), ASKS).ended == "completed"
    sqlite3.connect(tmp_path / "own.db").close()
    with create_engine("sqlite://").connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_no_except_clause_of_the_application_hides_it(run_app):
    body = "try:\n            import os; os.fork()\n        except BaseException: pass"
    result = run_app(app(body), ASKS)
    assert result.ended == "failed"
    assert "os.fork" in result.failure


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("while True: pass", ""),
        ("began = time.time()\n        while time.time() < began + 1: pass", ""),
        ("with LOCK: time.sleep(5)", "    import _thread\n    LOCK = _native()\n"),
    ],
)
def test_a_run_that_stands_still_is_ended_and_names_the_line(run_app, body, before):
    native = "    from sim.app.seams.threads import _LOCK as _native\n" if before else ""
    result = run_app(app(body, native + before), ASKS, users=2, patience_s=1.0, threads=4)
    assert result.ended == "failed"
    assert "stood still" in result.failure
    assert "own_app" in result.failure


def test_an_application_that_floods_memory_is_ended(run_app):
    body = "HELD.append(bytearray(10_000_000)); time.sleep(0)"
    code = app("while True: " + body, "    HELD = []\n")
    result = run_app(code, ASKS, memory_limit_mb=300.0)
    assert result.ended == "failed"
    assert "memory_limit_mb" in result.failure


def test_an_application_that_never_answers_lets_its_clients_time_out(run_app):
    result = run_app(app("while True: time.sleep(1)"), ASKS, users=2)
    assert result.ended == "completed"
    assert result.errors["GET /"] == {"RequestTimeout": 2}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_module", "no_such_module"),
        ("app = 3", "not callable"),
        ("1 / 0", "ZeroDivisionError"),
        ("def other(): pass", "app"),
    ],
)
def test_what_cannot_be_imported_says_why(run_app, code, words):
    result = run_app(code, ASKS)
    assert result.ended == "failed"
    assert words in result.failure
    assert "cannot be imported" in result.failure or "no WSGI" in result.failure


def test_a_module_that_is_not_there_is_refused_before_the_run(run_app):
    from sim.app.errors import CannotImportError

    with pytest.raises(CannotImportError, match="python_path"):
        run_app("", ASKS, wsgi="no_such_package.web:app")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT GET_LOCK('a', 1)",
        "UPDATE t JOIN s ON s.id = t.id SET t.n = 1",
        "SELECT n FROM t PROCEDURE ANALYSE()",
        "CALL p()",
    ],
)
def test_a_statement_that_is_not_simulated_is_shown(run_app, statement):
    code = """
        from sqlalchemy import create_engine, text
        engine = create_engine("mysql+pymysql://u@h/d")
        with engine.begin() as c:
            c.execute(text("CREATE TABLE t (id INT PRIMARY KEY, n INT)"))
            c.execute(text("CREATE TABLE s (id INT PRIMARY KEY)"))
        def app(environ, start_response):
            with engine.begin() as c:
                c.execute(text(STATEMENT))
            start_response("200 OK", [])
            return [b""]
    """.replace("STATEMENT", repr(statement))
    result = run_app(code, ASKS)
    assert result.ended == "failed"
    assert statement[:20] in result.failure
    assert "own_app" in result.failure
