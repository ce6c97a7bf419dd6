"""What ticketsim needs to know beside the shop: its customers, its rows, what must hold."""

import os

BEST = 3


def rush(user):
    """Come as the sale opens, look at the seats, book one of the best."""
    user.sleep(user.rng.uniform(0.0, 0.5))
    for _ in range(5):
        answer = user.get("/seats")
        if not answer.ok or not answer.json()["seats"]:
            break
        seats = answer.json()["seats"]
        user.sleep(user.rng.uniform(0.5, 1.0))
        seat = seats[user.rng.index(min(BEST, len(seats)))]["id"]
        if user.post(f"/seats/{seat}/book", json={"user": user.id}).ok:
            break
    user.finish()


def seed():
    """Make the tables, and put the seats on sale."""
    from django.db import connection
    from djshop.models import Booking, Seat

    with connection.schema_editor() as editor:
        editor.create_model(Seat)
        editor.create_model(Booking)
    seats = int(os.environ.get("SHOP_SEATS", "100"))
    Seat.objects.bulk_create(Seat(name=f"seat {n}") for n in range(1, seats + 1))


def check(rows, keys):
    """Every number must be 0."""
    return {
        "oversold": rows.count(
            "SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM djshop_booking GROUP BY seat_id)"
        )
    }
