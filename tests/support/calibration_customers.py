"""A customer that asks for what the calibration files have: a token, a refused check, dates."""

from sim.customers.shop import CHECK, CONCERT, DATES, GENERATION


def asks_in_turn(user):
    """One round as somebody new: a token for the next user, a check without one, the dates."""
    rounds = user.memory or 0
    user.memory = rounds + 1
    # 97 has no factor in common with 50,000: one user alone comes to each before it repeats any.
    number = (user.id + 97 * rounds) % 50_000 + 1
    body = {"userId": number, "concertId": CONCERT}
    answer = user.post(GENERATION, "/v1/token/generation", {}, body)
    user.get(CHECK, "/v1/token/check", {"WaitingToken": "undefined"})
    if answer.ok:
        headers = {"Authorization": f"Bearer {answer.body['jwt']}"}
        user.get(DATES, f"/v1/concerts/{CONCERT}/available-dates", headers)
