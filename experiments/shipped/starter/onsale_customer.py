"""What one person does at the on-sale: ordinary blocking Python, run on simulated time.

`user` can `get` and `post` (requests to the service), `sleep`, draw random numbers (`rng`) and say
how far it came (`reached`). The function is called again and again, like a k6 script, until it
calls `finish`. How people wait, reload and buy is written the same way in `sim/customers/human.py`.
"""

from sim.customers.human import human
from sim.user import User

UNDECIDED_SHARE = 0.2
LONGEST_DOUBT_S = 20.0


def customer(user: User) -> None:
    """Come to the sale; some people think about it first."""
    if user.memory is None and user.rng.bernoulli(UNDECIDED_SHARE):
        user.sleep(user.rng.uniform(0.0, LONGEST_DOUBT_S))
    human(user)
