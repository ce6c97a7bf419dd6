"""Paying for an order, in time or too late."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

import requests
from sqlalchemy import select, update

from flashsale.models import Item, Order, Session
from flashsale.stock import give_back

UNPAID_FOR = timedelta(seconds=float(os.environ.get("SALE_UNPAID_S", "15")))
PROVIDER_URL = os.environ.get("SALE_PROVIDER_URL", "")
CHANGES_STATUS_ONCE = os.environ.get("SALE_CHANGES_STATUS_ONCE") == "1"


def charge(order_id: int, price: int) -> bool:
    """Whether the provider has the money."""
    if not PROVIDER_URL:
        return True
    answer = requests.post(
        f"{PROVIDER_URL}/charges", json={"order": order_id, "amount": price}, timeout=5.0
    )
    return answer.ok


def change(session, order_id: int, before: str, after: str) -> bool:
    """Change an order's status, unless somebody else has changed it since."""
    done = session.execute(
        update(Order).where(Order.id == order_id, Order.status == before).values(status=after)
    )
    return done.rowcount == 1


def pay(order_id: int, account: str) -> str:
    """Pay for an order: 'paid', 'refused' or 'closed'."""
    with Session() as session:
        found = session.execute(
            select(Order, Item.price).join(Item).where(Order.id == order_id)
        ).one_or_none()
        if found is None or found.Order.account != account:
            return "refused"
        order, price = found
        if order.status != "unpaid":
            return "closed"
        if CHANGES_STATUS_ONCE:
            if not change(session, order_id, "unpaid", "paying"):
                return "closed"
            session.commit()
            is_paid = charge(order_id, price)
            change(session, order_id, "paying", "paid" if is_paid else "unpaid")
        else:
            is_paid = charge(order_id, price)
            if is_paid:
                order.status = "paid"
        session.commit()
        return "paid" if is_paid else "refused"


def close_unpaid() -> int:
    """Close the orders that nobody paid in time, return their pieces; how many."""
    with Session() as session:
        late = session.scalars(
            select(Order).where(
                Order.status == "unpaid", Order.created_at < datetime.now() - UNPAID_FOR
            )
        ).all()
        if CHANGES_STATUS_ONCE:
            late = [order for order in late if change(session, order.id, "unpaid", "closed")]
        else:
            for order in late:
                order.status = "closed"
        returned = [(order.item_id, order.account) for order in late]
        session.commit()
    for item_id, account in returned:
        give_back(item_id, account)
    return len(returned)
