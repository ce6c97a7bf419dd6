"""Customer functions whose pauses need no stack: a person who only waits is a few small objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.customers.user import User
    from sim.kernel.environment import Rests


class Parking:
    """A customer function as a generator that yields `user.pausing(duration_s)` for each pause.

    The simulator parks the user's thread meanwhile. Called as an ordinary customer function it
    blocks instead, so that another customer function can call it.

    Args:
        steps: the generator function; between two pauses it may block as any customer function.
    """

    __slots__ = ("steps",)

    def __init__(self, steps: Callable[[User], Rests]) -> None:
        self.steps = steps

    def __call__(self, user: User) -> None:
        """Run it, blocking at each pause."""
        steps = self.steps(user)
        try:
            for pause_s in steps:
                user.wait(pause_s)
        finally:
            # What interrupts a pause ends the steps where they are.
            steps.close()
