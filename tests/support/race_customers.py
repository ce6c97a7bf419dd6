"""Customers that all do the same thing at the same time."""

from sim.customers.shop import BOOKING, CONCERT, GENERATION
from sim.service.initial_data import CONCERT_DATE


def ask_for_a_token(user):
    user.post(GENERATION, "/v1/token/generation", {}, {"userId": user.id, "concertId": CONCERT})
    user.finish(spin=False)


def book_the_first_seat(user):
    answer = user.post(
        GENERATION, "/v1/token/generation", {}, {"userId": user.id, "concertId": CONCERT}
    )
    # Everyone books at the same time, whenever their tokens came.
    user.sleep(max(0.0, 1.0 - user.now_s))
    user.post(
        BOOKING,
        f"/v1/concerts/{CONCERT}/booking",
        {"Authorization": f"Bearer {answer.body['jwt']}"},
        {"date": CONCERT_DATE, "seatId": 1},
    )
    user.finish(spin=False)
