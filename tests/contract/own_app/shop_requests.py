"""The same requests to a shop, wherever it runs: answers without what chance and time decide."""

from __future__ import annotations

import json
import os
import sys

from tests.app import seen

_BY_CHANCE = {"token", "at", "reference"}


def flask_requests(send):
    """Ask the Flask shop; `send(method, path, data, headers)` gives (status, JSON)."""
    head = {}
    for user in (1, 2):
        status, answer = send("POST", "/token", {"user": user}, {})
        yield "token", status, kept(answer)
        head[user] = {"Authorization": f"Bearer {answer['token']}"}
    steps = [
        (1, "GET", "/queue"),
        (1, "GET", "/queue"),
        (2, "GET", "/queue"),
        (1, "GET", "/seats"),
        (1, "POST", "/seats/3/book"),
        (2, "POST", "/seats/3/book"),
        (2, "POST", "/seats/4/book"),
        (2, "POST", "/seats/999/book"),
        (1, "GET", "/seats"),
        (1, "POST", "/bookings/1/pay"),
        (1, "POST", "/bookings/2/pay"),
        (2, "POST", "/bookings/2/pay"),
        (2, "GET", "/queue"),
        (2, "GET", "/count"),
    ]
    for user, method, path in steps:
        status, answer = send(method, path, None, head[user])
        yield f"{method} {path}", status, kept(answer)
    status, answer = send("GET", "/seats", None, {})
    yield "no token", status, kept(answer)


def django_requests(send):
    """Ask the Django shop."""
    for method, path, data in (
        ("GET", "/seats", None),
        ("POST", "/seats/3/book", {"user": 1}),
        ("POST", "/seats/3/book", {"user": 2}),
        ("POST", "/seats/4/book", {"user": 2}),
        ("GET", "/seats", None),
    ):
        status, answer = send(method, path, data, {})
        yield f"{method} {path}", status, kept(answer)


REQUESTS = {"flask": flask_requests, "django": django_requests}
TABLES = {
    "flask": {
        "seats": ("id", "name", "price", "taken"),
        "bookings": ("id", "seat_id", "user_id", "paid"),
        "tokens": ("id", "user_id"),
    },
    "django": {
        "djshop_seat": ("id", "name", "taken"),
        "djshop_booking": ("id", "seat_id", "user"),
    },
}


def kept(answer):
    """The answer without what chance and time decide."""
    return {key: value for key, value in answer.items() if key not in _BY_CHANCE}


def plain(value):
    return int(value) if isinstance(value, bool) else value


def flask_customer(user):
    _customer(user, "flask")


def django_customer(user):
    _customer(user, "django")


def _customer(user, shop):
    """A simulated customer who notes each answer."""

    def send(method, path, data, headers):
        ask = user.get if method == "GET" else user.post
        options = {} if data is None else {"json": data}
        answer = ask(path, headers=headers, **options)
        return answer.status, answer.json()

    seen.ANSWERS[:] = [list(step) for step in REQUESTS[shop](send)]
    user.finish()


def flask_check(rows, keys):
    return _check(rows, keys, "flask")


def django_check(rows, keys):
    return _check(rows, keys, "django")


def _check(rows, keys, shop):
    """Note the rows and keys at each look at the invariants."""
    found = {
        table: [[plain(row[name]) for name in columns] for row in rows[table]]
        for table, columns in TABLES[shop].items()
    }
    seen.ROWS.clear()
    seen.ROWS.update(found, inside=keys.size("inside"), waiting=keys.size("waiting"))
    return {}


def served(shop):
    """In a process of its own: the shop on the real servers of the environment."""
    if shop == "flask":
        from shop.web import Session, app, engine, r
        from shop_sim import seed

        r.flushall()
        seed()
        client = app.test_client()

        def send(method, path, data, headers):
            options = {} if data is None else {"json": data}
            answer = client.open(path, method=method, headers=headers, **options)
            return answer.status_code, answer.get_json()

        def rows(sql):
            from sqlalchemy import text

            Session.remove()
            with engine.connect() as connection:
                return [list(row) for row in connection.execute(text(sql))]

        keys = lambda: {"inside": r.scard("inside"), "waiting": r.zcard("waiting")}  # noqa: E731
    else:
        import pymysql

        pymysql.version_info = (2, 2, 7, "final", 0)
        pymysql.install_as_MySQLdb()
        import djshop.wsgi  # noqa: F401 - sets Django up
        from django.db import connection
        from django.test import Client
        from django_shop_sim import seed

        seed()
        client = Client()

        def send(method, path, data, _headers):
            ask = client.get if method == "GET" else client.post
            options = {} if data is None else {"content_type": "application/json"}
            answer = ask(path, data, **options)
            return answer.status_code, answer.json()

        def rows(sql):
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return [list(row) for row in cursor.fetchall()]

        keys = lambda: {"inside": 0, "waiting": 0}  # noqa: E731
    steps = [list(step) for step in REQUESTS[shop](send)]
    found = {}
    for table, columns in TABLES[shop].items():
        mark = "`" if os.environ["DIALECT"] == "mysql" else '"'
        listed = ", ".join(f"{mark}{name}{mark}" for name in columns)
        found[table] = [
            list(map(plain, row)) for row in rows(f"SELECT {listed} FROM {table} ORDER BY id")
        ]
    sys.stderr.write("\n" + json.dumps([steps, found | keys()]))


if __name__ == "__main__":
    served(sys.argv[1])
