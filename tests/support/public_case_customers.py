"""Customers of public cases: they wait, ask once, or leave a queue."""

from sim.customers.buyer import CHECK, CONCERT, GENERATION
from sim.measure.funnel import Step

BODY = {"concertId": CONCERT}


def _token(user):
    body = {"userId": user.id, **BODY}
    return user.post(GENERATION, "/v1/token/generation", {}, body).body


def naps(user):
    """Does nothing for `think_low_s`."""
    user.sleep(user.options.think_low_s)


def asks_and_waits(user):
    """One request, then the same pause every time."""
    _token(user)
    user.sleep(user.options.think_low_s)


def asks_and_waits_at_random(user):
    """One request, then a pause around the same length."""
    _token(user)
    user.sleep(user.rng.uniform(0.5, 1.5) * user.options.think_low_s)


def queues_and_the_middle_third_leaves(user):
    """Thirty people come in order. The 11th to the 20th leave; the others ask until let in."""
    user.sleep(0.5 * user.id)
    token = _token(user)
    user.reached(Step.ARRIVED)
    if token["type"] != "ACCESS":
        user.reached(Step.WAITED)
    while token["type"] != "ACCESS" and not 11 <= user.id <= 20 and user.now_s < 400.0:
        user.sleep(1.0)
        answer = user.get(CHECK, "/v1/token/check", {"WaitingToken": token["jwt"]})
        if answer.ok and answer.body["position"] == 0:
            token = _token(user)
    if token["type"] == "ACCESS":
        user.reached(Step.ADMITTED)
    user.finish(spin=False)
