"""What an application counts down is seen in rows, strings, hashes and Lua scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.world import World

SHOP = """
    import redis
    from sqlalchemy import create_engine, text
    engine = create_engine("mysql+pymysql://shop@db/shop")
    r = redis.Redis(host="cache")
    take = r.register_script("return redis.call('decrby', KEYS[1], ARGV[1])")

    def prepare():
        with engine.begin() as session:
            session.execute(text(
                "CREATE TABLE items (id INT PRIMARY KEY, pieces INT, on_sale BOOLEAN)"
            ))
            session.execute(text("CREATE TABLE orders (id INT PRIMARY KEY, pieces INT)"))
            session.execute(text("INSERT INTO items VALUES (1, 5, 1), (2, 9, 1)"))
        r.set("stock:17", 6)
        r.hset("item:17", mapping={"left": 8, "name": "17"})

    def app(environ, start_response):
        with engine.begin() as session:
            session.execute(text(
                "UPDATE items SET pieces = pieces - 2, on_sale = 0 WHERE id = 1"
            ))
            session.execute(text("INSERT INTO orders VALUES (1, 4)"))
        with engine.begin() as session:
            session.execute(text("UPDATE orders SET pieces = 0 WHERE id = 1"))
        take(keys=["stock:17"], args=[6])
        r.incrby("stock:17", 2)
        r.hincrby("item:17", "left", -3)
        r.set("inside", 1)
        r.decr("inside")
        start_response("200 OK", [])
        return [b"ok"]
"""
ASKS = "def customer(user):\n    user.get('/')\n    user.finish()\n"


@pytest.mark.parametrize("inspects", [True, False])
def test_only_stock_that_was_there_before_counts(run_app, inspects):
    base = World()
    world = replace(base, search=replace(base.search, inspects=inspects))
    run = run_app(SHOP, ASKS, world=world, prepare=":prepare")
    assert run.outcomes == {"GET /": {"200": 1}}
    seen = {"items.pieces": 3, "item:{id} left": 5, "stock:{id}": 0}
    assert run.lowest == (seen if inspects else {})
    assert run.most_at_once == (1 if inspects else None)
