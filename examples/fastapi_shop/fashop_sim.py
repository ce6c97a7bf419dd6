"""What ticketsim needs to know beside the shop: its customers, its rows, what must hold."""

from __future__ import annotations

import os

BEST = 5
"""People take one of the best seats on the list."""


def buyer(user):
    """Come within a minute, queue, look at the seats, book one, pay for it."""
    buy(user, within_s=60.0)


def rush(user):
    """The same, all at once: the sale has just opened."""
    buy(user, within_s=0.5)


def buy(user, within_s):
    """Queue, look at the seats, book one of the best, pay for it."""
    user.sleep(user.rng.uniform(0.0, within_s))
    answer = user.post("/token", json={"user": user.id})
    if not answer.ok:
        user.finish()
        return
    head = {"Authorization": f"Bearer {answer.json()['token']}"}
    for _ in range(60):
        answer = user.get("/queue", headers=head)
        if answer.ok and answer.json()["state"] == "inside":
            break
        user.sleep(2.0)
    else:
        user.finish()
        return
    for _ in range(5):
        answer = user.get("/seats", headers=head)
        if not answer.ok or not answer.json()["seats"]:
            break
        seats = answer.json()["seats"]
        user.sleep(user.rng.uniform(0.5, 2.0))
        seat = seats[user.rng.index(min(BEST, len(seats)))]["id"]
        answer = user.post(f"/seats/{seat}/book", headers=head)
        if answer.ok:
            user.sleep(user.rng.uniform(0.5, 2.0))
            user.post(f"/bookings/{answer.json()['booking']}/pay", headers=head)
            break
    user.finish()


async def seed():
    """Put the seats on sale, with the shop's own code."""
    from fashop.models import Seat
    from fashop.web import Session

    seats = int(os.environ.get("SHOP_SEATS", "400"))
    async with Session() as rows:
        rows.add_all(Seat(id=n, name=f"seat {n}", price=100) for n in range(1, seats + 1))
        await rows.commit()


def check(rows, keys):
    """Every number must be 0."""
    return {
        "oversold": rows.count(
            "SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM bookings GROUP BY seat_id)"
        ),
        "too_many_inside": max(0, keys.size("inside") - int(os.environ.get("SHOP_INSIDE", "50"))),
    }
