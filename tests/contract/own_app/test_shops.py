"""The examples' shops: the same requests on real servers and simulated, answers, rows and keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.conftest import EXAMPLES
from tests.support.redis_real import real_redis

ROOT = Path(__file__).parents[3]
SIMULATED = """
import json, sys
from experiments.config.reading import load
from sim.run import simulate
from tests.app import seen
shop, *sets = sys.argv[1:]
requests = "tests.contract.own_app.shop_requests"
sets += ["load.vus=1", "service.started_before_s=5.0",
         f'customer.script="{requests}:{shop}_customer"',
         f'app.invariants="{requests}:{shop}_check"']
result = simulate(load(f"examples/{shop}_shop/shop.toml", sets).world, 1)
assert result.ended == "completed", result.failure
sys.stderr.write("\\n" + json.dumps([seen.ANSWERS, seen.ROWS], default=int))
"""
ENGINES = {"mysql": "django.db.backends.mysql", "postgres": "django.db.backends.postgresql"}


def run(command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"SHOP_KEY": "k" * 32} | environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


def on_real_servers(shop, dialect, port):
    user, name = ("root", "shop") if dialect == "mysql" else ("shop", "postgres")
    driver = "mysql+pymysql" if dialect == "mysql" else "postgresql+psycopg2"
    with real_redis() as server:
        redis_port = server.connection_pool.connection_kwargs["port"]
        return run(
            ["-m", "tests.contract.own_app.shop_requests", shop],
            DIALECT=dialect,
            DATABASE_URL=f"{driver}://{user}@127.0.0.1:{port}/{name}",
            REDIS_URL=f"redis://127.0.0.1:{redis_port}/0",
            DB_ENGINE=ENGINES[dialect],
            DB_HOST="127.0.0.1",
            DB_PORT=str(port),
            DB_USER=user,
            DB_PASSWORD="",
            DB_NAME=name,
            PYTHONPATH=f"{EXAMPLES / f'{shop}_shop'}{os.pathsep}{ROOT}",
        )


def simulated(shop, dialect):
    url = (
        "mysql+pymysql://shop@db/shop"
        if dialect == "mysql"
        else "postgresql+psycopg2://shop@db/shop"
    )
    sets = [f'app.env.DATABASE_URL="{url}"', f'app.env.DB_ENGINE="{ENGINES[dialect]}"']
    return run(["-c", SIMULATED, shop, *sets], PYTHONPATH=str(ROOT))


@pytest.mark.redis_server
@pytest.mark.parametrize("dialect", ENGINES)
@pytest.mark.parametrize("shop", ["flask", "django"])
def test_answers_rows_and_keys_are_those_of_the_real_servers(servers, figures, shop, dialect):
    connect = servers(dialect)
    with connect() as connection, connection.cursor() as cursor:
        for table in ("bookings", "tokens", "seats", "djshop_booking", "djshop_seat"):
            cascade = " CASCADE" if dialect == "postgres" else ""
            if dialect == "mysql":
                cursor.execute("SET foreign_key_checks = 0")
            cursor.execute(f"DROP TABLE IF EXISTS {table}{cascade}")
        connection.commit()
    answers, rows = on_real_servers(shop, dialect, connect.port)
    ours, our_rows = simulated(shop, dialect)
    figures("requests of the shops", len(answers))
    assert ours == answers
    assert our_rows == rows
