"""What ticketsim needs to know beside the sale: its buyers, its rows, what must hold."""

from __future__ import annotations

import os

ITEM = 1
TABS = 4
"""One of so many people has the sale open in a second tab, with the same account."""


def buyer(user):
    """Come within half a minute, and take up to a quarter of a minute to pay."""
    buy(user, within_s=30.0, longest_s=16.0)


def rush(user):
    """The same as the sale opens; payment comes as an unpaid order is about to be closed."""
    buy(user, within_s=0.1, longest_s=4.0)


def buy(user, within_s, longest_s):
    """Sign in, look at the item, order it, wait for the order, pay for it."""
    user.sleep(user.rng.uniform(0.0, within_s))
    account = f"account {user.id - 1 if user.id % TABS == 0 else user.id}"
    if not user.post("/session", json={"account": account}).ok:
        user.finish()
        return
    for _ in range(6):
        answer = user.get(f"/items/{ITEM}")
        if answer.ok and answer.json()["left"] > 0:
            answer = user.post(f"/items/{ITEM}/orders")
            if answer.ok:
                order = written(user)
                user.sleep(user.rng.uniform(0.2, longest_s))
                if order:
                    user.post(f"/orders/{order}/payment")
                break
            if answer.json()["message"] == "again":
                break
        user.sleep(user.rng.uniform(1.0, 4.0))
    user.finish()


def written(user):
    """The id of the order, once it is written."""
    for _ in range(20):
        answer = user.get(f"/items/{ITEM}/order")
        if answer.ok and answer.json()["order"]:
            return answer.json()["order"]
        user.sleep(0.5)
    return ""


def seed():
    """Put the item on sale."""
    from flashsale.models import Item, Session, r

    with Session() as session:
        session.add(Item(id=ITEM, title="a games console", price=499))
        session.commit()
    r.set(f"stock:{ITEM}", os.environ["SALE_STOCK"])


def check(rows, keys):
    """Every number must be 0."""
    orders = "SELECT count(*) FROM orders WHERE status <> 'closed'"
    return {
        "oversold": max(0, rows.count(orders) - int(os.environ["SALE_STOCK"])),
        "account_with_several_orders": rows.count(
            "SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM orders "
            "WHERE status <> 'closed' GROUP BY account)"
        ),
    }
