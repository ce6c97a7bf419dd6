"""Customers for worlds that provoke one thing each."""

from sim.customers.shop import BOOKING, CHECK, CONCERT, GENERATION, SEATS
from sim.service.initial_data import CONCERT_DATE

PATH = f"/v1/concerts/{CONCERT}"


def _token(user):
    return user.post(
        GENERATION, "/v1/token/generation", {}, {"userId": user.id, "concertId": CONCERT}
    ).body


def _bearer(token):
    return {"Authorization": f"Bearer {token['jwt']}"}


def asks_for_one_token(user):
    _token(user)
    user.finish(spin=False)


def asks_for_tokens(user):
    """One request for a token after the other."""
    _token(user)


def two_requests(user):
    """Two requests, without a pause, in each iteration."""
    _token(user)
    _token(user)


def books_seat_one(user):
    """Everyone books the first seat at the same moment."""
    token = _token(user)
    user.sleep(max(0.0, 1.0 - user.now_s))
    body = {"date": CONCERT_DATE, "seatId": 1}
    user.post(BOOKING, f"{PATH}/booking", _bearer(token), body)
    user.finish(spin=False)


def books_and_lists(user):
    """Books the seat of its own number, then asks for the list of free seats."""
    token = _token(user)
    body = {"date": CONCERT_DATE, "seatId": user.id}
    user.post(BOOKING, f"{PATH}/booking", _bearer(token), body)
    user.sleep(max(0.0, 2.0 - user.now_s))
    user.get(SEATS, f"{PATH}/available-seats", _bearer(token), {"date": CONCERT_DATE})
    user.finish(spin=False)


def polls(user):
    """Keeps its first token and asks for its place for ever."""
    if user.memory is None:
        user.memory = _token(user)
    user.get(CHECK, "/v1/token/check", {"WaitingToken": str(user.memory.get("jwt"))})
    user.sleep(0.1)


def looks_at_seats(user):
    """Keeps its first token and looks at the free seats for ever."""
    if user.memory is None:
        user.memory = _token(user)
    query = {"date": CONCERT_DATE}
    user.get(SEATS, f"{PATH}/available-seats", _bearer(user.memory), query)
    user.sleep(0.1)


def _is_probe(user):
    return user.id == 1


def probes_beside_idlers(user):
    """The first user asks for its place again and again; the others have nothing to do."""
    if _is_probe(user):
        polls(user)
    else:
        user.finish(spin=False)


def probes_beside_spinners(user):
    """The first user asks for its place again and again; the others spin, as one load."""
    if _is_probe(user):
        polls(user)
    else:
        user.finish(spin=True)


def probes_beside_loopers(user):
    """The first user asks for its place again and again; the others' iterations return at once."""
    if _is_probe(user):
        polls(user)


def asks_for_tokens_in_turn(user):
    """Asks for a token every half second."""
    _token(user)
    user.sleep(0.5)


def half_polls_half_asks(user):
    """Users with even numbers ask for token after token; the others keep asking for their place."""
    if user.id % 2 == 0:
        _token(user)
        user.sleep(0.05)
    elif user.memory is not None:
        polls(user)
    else:
        token = _token(user)
        if token.get("type") == "WAIT":
            user.memory = token
