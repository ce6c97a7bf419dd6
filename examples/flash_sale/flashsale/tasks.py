"""The processes beside the web server."""

from __future__ import annotations

import json
import time

from flashsale.models import Order, Session, r
from flashsale.payment import close_unpaid


def write_orders():
    """Take orders from the queue and write them to the database."""
    while True:
        taken = r.blpop(["to_write"], timeout=1)
        if taken is None:
            continue
        wanted = json.loads(taken[1])
        with Session() as session:
            order = Order(item_id=wanted["item"], account=wanted["account"])
            session.add(order)
            session.commit()
            r.hset(f"orders:{wanted['item']}", wanted["account"], order.id)


def close_orders():
    """Look every second for orders that nobody paid in time."""
    while True:
        time.sleep(1.0)
        close_unpaid()
