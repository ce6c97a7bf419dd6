"""Customer functions whose pauses need no stack: a person who only waits is a few small objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Waiting(Protocol):
    """A user, as far as a customer function that blocks needs it."""

    def wait(self, duration_s: float, /) -> object:
        """Block for a pause."""
        ...


class Parking:
    """A customer function as a generator that yields `user.pausing(duration_s)` for each pause.

    The simulator parks the user's thread meanwhile. Called as an ordinary customer function it
    blocks instead, so that another customer function can call it.

    Args:
        steps: makes the pauses of a user, mostly a generator function. Between two pauses it may
            block as any customer function.
    """

    __slots__ = ("steps",)

    def __init__(self, steps: Callable[[Any], Generator[float, None, None]]) -> None:
        self.steps = steps

    def __call__(self, user: Waiting) -> None:
        """Run it, blocking at each pause."""
        steps = self.steps(user)
        try:
            for pause_s in steps:
                user.wait(pause_s)
        finally:
            # What interrupts a pause ends the steps where they are.
            steps.close()
