"""A user who wants one answer after the other, and repeats each request until it is answered.

This client causes a metastable failure. The service goes on working on a request that the client
has given up. A client that asks again at once therefore adds load to a service that is already
overloaded.
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

    With `backs_off` a pause follows each failure, twice as long as the pause before. The pause is
    multiplied by a random factor from 0.5 to 1.5, so that users who failed together do not return
    together.
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
