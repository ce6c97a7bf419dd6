"""The incident's load script: ask for a token, wait, look, think, book, think, pay.

One call is one iteration; `user.memory` keeps data from iteration to iteration. Each defect of the
client is one option: the retry storm (D2) is `backs_off`, everyone taking the first seat (D9) is
`picks_random_seat`, spinning (D16) is `stops_when_done`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.customers.shop import (
    CHECK,
    CONCERT,
    GENERATION,
    ask_booking,
    ask_dates,
    ask_payment,
    ask_seats,
)
from sim.measure.funnel import Step

if TYPE_CHECKING:
    from sim.customers.user import Answer, User

_UNAUTHORISED = 401
_CONFLICT = 409
_UNDEFINED = "undefined"
_INFINITY = float("inf")


class ScriptError(Exception):
    """The script read a field of a value without fields; the iteration ends, as in k6."""


@dataclass(slots=True)
class Slot:
    """The data a user keeps between iterations: the answer to the last token request."""

    token: dict[str, Any] | None = None
    expires_s: float = _INFINITY
    """When the token expires, in seconds since 1970, as its `exp` says."""
    finished: bool = False
    decided: bool = False
    """Another user took the chosen seat: the user takes the next seat without a long think time."""


def buyer(user: User) -> None:
    """Run one iteration of the script."""
    slot = user.memory
    if slot is None:
        slot = user.memory = Slot()
        user.reached(Step.ARRIVED)
    if slot.finished:
        user.finish(spin=not user.options.stops_when_done)
        return
    if slot.token is None and not _ask_for_token(user, slot):
        return
    token = slot.token
    if token is not None and token.get("type") == "ACCESS":
        _buy(user, slot, token)
    elif token is not None:
        _poll(user, slot, token)


def _ask_for_token(user: User, slot: Slot) -> bool:
    """Fill the slot with a token; false when there is no token to continue with."""
    answer = user.post(
        GENERATION, "/v1/token/generation", {}, {"userId": user.id, "concertId": CONCERT}
    )
    if not answer.ok and user.options.backs_off:
        user.sleep(user.options.retry_interval_s)
        return False
    if not isinstance(answer.body, dict):
        raise ScriptError("the answer is not JSON")
    # D2: the script keeps every answer as a token, even the body of an error.
    slot.token = answer.body
    slot.expires_s = expiry_s(answer.body.get("jwt"))
    options = user.options
    if options.backs_off and options.keeps_interval and "pollAfter" in answer.body:
        user.sleep(pause_s(user, answer))
    return True


def pause_s(user: User, answer: Answer) -> float:
    """Return how long to wait after this answer before asking for the place again."""
    own_s = user.options.poll_interval_s
    if not (user.options.keeps_interval and isinstance(answer.body, dict)):
        return own_s
    return float(answer.body.get("pollAfter", own_s))


def expiry_s(jwt: Any) -> float:
    """Read when a token expires, in seconds since 1970; infinity if the token has no `exp`."""
    if not isinstance(jwt, str):
        return _INFINITY
    payload = jwt.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return float(claims.get("exp", _INFINITY))


def _poll(user: User, slot: Slot, token: dict[str, Any]) -> None:
    """Ask for the place in the queue; place 0 means: ask for a token again."""
    options = user.options
    answer = user.get(CHECK, "/v1/token/check", {"WaitingToken": str(token.get("jwt", _UNDEFINED))})
    body = answer.body if isinstance(answer.body, dict) else None
    if body is None and not options.backs_off:
        raise ScriptError("the answer is not JSON")
    position = None if body is None else body.get("position")
    let_in = position == 0
    if let_in or (options.backs_off and answer.status == _UNAUTHORISED):
        slot.token = None
    if options.backs_off and not (answer.ok and let_in):
        next_s = pause_s(user, answer)
        user.sleep(next_s if answer.ok else options.retry_interval_s)
        if user.clock_s + next_s >= slot.expires_s:
            # A token that is renewed in time keeps the place, and no request is refused. It is
            # renewed after the pause: a token that lives no longer than the pause would be renewed
            # again and again.
            slot.token = None


def _buy(user: User, slot: Slot, token: dict[str, Any]) -> None:
    """Choose a seat, think, book, think, pay; keep the result in the slot."""
    options = user.options
    headers = {"Authorization": f"Bearer {token['jwt']}"}
    seat = _choose(user, slot, headers)
    if seat is None:
        return
    date, seat_id = seat
    if not slot.decided:
        user.sleep(user.rng.uniform(options.think_low_s, options.think_high_s))
    booked = _book(user, slot, headers, date, seat_id)
    if options.backs_off and not booked.ok:
        return
    if user.rng.bernoulli(options.pay_probability):
        user.sleep(user.rng.uniform(options.think_low_s, options.think_high_s))
        if not _pay(user, slot, headers, booked):
            return
    slot.finished = True


def _choose(user: User, slot: Slot, headers: dict[str, str]) -> tuple[str, int] | None:
    """Return (date, seat id); None when the iteration is over."""
    options = user.options
    answer = ask_dates(user, headers)
    if not _has_items(user, slot, answer, len(answer.body["dates"]) if answer.ok else 0):
        return None
    query = {"date": str(answer.body["dates"][0])}
    answer = ask_seats(user, headers, query)
    if answer.ok and answer.body.pages > 1 and options.picks_random_seat:
        query["page"] = str(user.rng.index(answer.body.pages))
        answer = ask_seats(user, headers, query)
        if answer.ok and not len(answer.body) and options.backs_off:
            # Seats were sold meanwhile, so there are fewer pages. This is not sold out: look again.
            return None
    if not _has_items(user, slot, answer, len(answer.body) if answer.ok else 0):
        return None
    seats = answer.body.seats
    chosen = user.rng.index(len(seats)) if options.picks_random_seat else 0
    return query["date"], int(seats[chosen][0])


def _has_items(user: User, slot: Slot, answer: Answer, items: int) -> bool:
    """Whether an answer lists anything; handles an answer without a list."""
    if items:
        return True
    if not user.options.backs_off:
        raise ScriptError("cannot read element 0 of an answer without a list")
    if answer.ok:
        user.reached(Step.SOLD_OUT)
        slot.finished = True
    else:
        _recover(user, slot, answer)
    return False


def _book(user: User, slot: Slot, headers: dict[str, str], date: str, seat_id: int) -> Answer:
    answer = ask_booking(user, headers, date, seat_id)
    if answer.ok:
        slot.decided = False
    elif user.options.backs_off:
        slot.decided = answer.status == _CONFLICT
        _recover(user, slot, answer)
    elif not isinstance(answer.body, dict):
        raise ScriptError("the answer is not JSON")
    return answer


def _pay(user: User, slot: Slot, headers: dict[str, str], booked: Answer) -> bool:
    booking = booked.body.get("bookingId", _UNDEFINED)
    answer = ask_payment(user, headers, booking)
    if answer.ok:
        return True
    if user.options.backs_off:
        _recover(user, slot, answer)
        return False
    return True


def _recover(user: User, slot: Slot, answer: Answer) -> None:
    """Back off; drop a refused token, so that the next iteration asks for a new token."""
    if answer.status == _UNAUTHORISED:
        slot.token = None
    user.sleep(user.options.retry_interval_s)
