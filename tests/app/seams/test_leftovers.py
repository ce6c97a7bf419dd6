"""A run of an application leaves nothing of its world behind in the process."""

from __future__ import annotations

import gc
import sys
from weakref import WeakSet, ref

import pytest

from experiments.config.reading import load
from sim.app.seams.leftovers import LEFTOVERS
from sim.app.server import ApplicationServer
from sim.run import simulate
from tests.app import seen
from tests.app.conftest import EXAMPLES

KEEPS = """
    import redis, sqlalchemy
    from tests.app import seen

    client = redis.Redis(host="cache")
    engine = sqlalchemy.create_engine("mysql+pymysql://u@db/shop")

    def app(environ, start_response):
        client.set("a", 1)
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
        seen.KEPT[:] = [client, engine]
        start_response("200 OK", [])
        return [client.get("a")]
"""
CUSTOMER = """
    from tests.app import seen

    def customer(user):
        seen.ANSWERS.append(user.get("/").text)
        user.finish()
"""


def servers():
    """Every server of an application in this process."""
    return WeakSet(each for each in gc.get_objects() if isinstance(each, ApplicationServer))


@pytest.mark.parametrize(
    ("shop", "module"),
    [("flask_shop", "shop.web"), ("fastapi_shop", "fashop.web")],
)
def test_the_world_and_the_modules_of_a_shop_are_freed(shop, module):
    world = load(str(EXAMPLES / shop / "shop.toml"), ["load.vus=3"]).world
    before = servers()
    simulate(world, 1)
    old = ref(sys.modules[module])
    simulate(world, 2)
    assert servers() - before
    LEFTOVERS.clear()
    assert not servers() - before
    assert sys.modules[module].app is not None
    assert old() is None


def test_clients_that_a_library_keeps_let_go_of_the_world(run_app):
    seen.ANSWERS.clear()
    before = servers()
    run_app(KEEPS, CUSTOMER)
    client, engine = seen.KEPT
    gc.collect()
    assert not servers() - before
    assert client.connection_pool is not None
    assert engine.pool.checkedin() == 1
    assert seen.ANSWERS == ["1"]


def test_modules_that_are_kept_reach_the_stores_of_the_next_run(run_app):
    for _ in range(2):
        seen.ANSWERS.clear()
        run_app(KEEPS, CUSTOMER, keep_modules="yes")
        assert seen.ANSWERS == ["1"]
