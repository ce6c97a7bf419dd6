"""A user who only waits: asks for a token, then again and again for the place.

Visitors make the stepwise ramp of waiting tokens. A visitor never looks at seats, books or pays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.customers.buyer import pause_s
from sim.customers.shop import CHECK, CONCERT, GENERATION
from sim.measure.funnel import Step

if TYPE_CHECKING:
    from sim.customers.user import Answer, User


@dataclass(slots=True)
class Place:
    """The data a visitor keeps between iterations: the newest token."""

    token: dict[str, Any] | None = None


def visitor(user: User) -> None:
    """Ask for a token, or with a token for the place; then pause."""
    place = user.memory
    if place is None:
        place = user.memory = Place()
        user.reached(Step.ARRIVED)
        # People do not all come at the same moment.
        user.sleep(user.rng.uniform(0.0, user.options.poll_interval_s))
    if place.token is None:
        answer = _ask_for_token(user, place)
    elif place.token["type"] == "ACCESS":
        user.finish(spin=False)
        return
    else:
        answer = user.get(CHECK, "/v1/token/check", {"WaitingToken": place.token["jwt"]})
        if not answer.ok:
            place.token = None
    user.sleep(pause_s(user, answer))


def _ask_for_token(user: User, place: Place) -> Answer:
    answer = user.post(
        GENERATION, "/v1/token/generation", {}, {"userId": user.id, "concertId": CONCERT}
    )
    if answer.ok:
        place.token = answer.body
    return answer
