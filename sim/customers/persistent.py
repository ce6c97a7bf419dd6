"""Somebody who wants one answer after the other, and asks again until it has come.

The client of a metastable failure: what it gives up on the service works on all the same, so asking
again at once adds load when there is too much of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.customers.shop import CONCERT, GENERATION
from sim.measure.funnel import Step

if TYPE_CHECKING:
    from sim.customers.user import User

_MOST_DOUBLINGS: Final = 6
"""The longest pause is 64 times the first."""


def persistent(user: User) -> None:
    """Ask for a token until there is one, then think.

    With `backs_off` a pause follows each failure, twice as long as the one before, and random (from
    half to one and a half times that), so that those who failed together do not return together.
    """
    options = user.options
    if user.memory is None:
        user.memory = True
        user.reached(Step.ARRIVED)
        # People do not all come at the same moment.
        user.sleep(user.rng.uniform(0.0, options.think_high_s))
    failures = 0
    body = {"userId": user.id, "concertId": CONCERT}
    while not user.post(GENERATION, "/v1/token/generation", {}, body).ok:
        if options.backs_off:
            mean_s = options.retry_interval_s * 2.0 ** min(failures, _MOST_DOUBLINGS)
            user.sleep(mean_s * user.rng.uniform(0.5, 1.5))
        failures += 1
    user.reached(Step.ADMITTED)
    user.sleep(user.rng.uniform(options.think_low_s, options.think_high_s))
